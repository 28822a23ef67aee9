//! Records that are opened and read while a line on a terminal says how far that
//! has come.

use std::path::Path;

use super::progress::Progress;
use crate::export::Filter;
use crate::import::{self, Opening};
use crate::model::{About, Detail, Item, Items, Meta, ReadError, Record, units};
use crate::sys::tell::tell;

/// Opens a record, whatever its format, and tells of what cannot be read.
///
/// # Errors
/// It cannot be read.
pub fn open(path: &Path) -> anyhow::Result<Box<dyn Record>> {
    let mut progress = Progress::default();
    let opened = import::open_watched(path, &mut |opening| {
        if progress.is_due() {
            match opening {
                Opening::Bytes(bytes) => {
                    progress.draw(format_args!("{} read", units::format_size(bytes as f64)));
                }
                Opening::Events(events) => {
                    progress.draw(format_args!("{} events read", units::format_number(events)));
                }
            }
        }
    });
    progress.clear();
    let record = opened.map_err(|error| not_opened(path, error))?;
    if let Some(damage) = record.damage() {
        tell(format_args!("damo: {damage}"));
    }
    Ok(record)
}

/// Says what to do where there is no record at all.
pub fn not_opened(path: &Path, error: ReadError) -> anyhow::Error {
    match error {
        ReadError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            anyhow::anyhow!(
                "{}: there is no such file; make a record with `sudo damo record ...`, or name another file",
                path.display()
            )
        }
        error => error.into(),
    }
}

/// The wanted part of a record. Passes give that part alone.
pub struct Watch {
    record: Box<dyn Record>,
    filter: Filter,
    pass: Pass,
}

/// Of the pass at hand, or the last one.
struct Pass {
    progress: Progress,
    /// What is done with the items.
    done: &'static str,
    /// The first snapshot's start, and where the last one is known to end.
    start_ns: Option<u64>,
    end_ns: Option<u64>,
    samples: u64,
    without_regions: u64,
}

impl Watch {
    /// `end_ns`: where the wanted part ends, if that is known; `done`: what is
    /// done with the items, in a word.
    pub fn new(
        record: Box<dyn Record>,
        filter: Filter,
        end_ns: Option<u64>,
        done: &'static str,
    ) -> Watch {
        let pass = Pass {
            progress: Progress::default(),
            done,
            start_ns: None,
            end_ns,
            samples: 0,
            without_regions: 0,
        };
        Watch {
            record,
            filter,
            pass,
        }
    }

    /// Opens all of a record.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(path: &Path) -> anyhow::Result<Watch> {
        let record = open(path)?;
        let end_ns = record.about().end_ns;
        Ok(Watch::new(record, Filter::default(), end_ns, "read"))
    }

    /// Says nothing: the output itself shows how far it has come.
    pub fn hide(&mut self) {
        self.pass.progress = Progress::hidden();
    }

    /// How many snapshots without regions the last pass gave.
    pub fn without_regions(&self) -> u64 {
        self.pass.without_regions
    }

    /// Clears the line.
    pub fn finish(&mut self) {
        self.pass.progress.clear();
    }
}

impl Record for Watch {
    fn meta(&self) -> &Meta {
        self.record.meta()
    }

    fn about(&self) -> About {
        self.record.about()
    }

    fn damage(&self) -> Option<&ReadError> {
        self.record.damage()
    }

    fn items(&mut self) -> Result<Items<'_>, ReadError> {
        let items = self.filter.items(&mut *self.record)?;
        Ok(self.pass.watched(items))
    }

    fn items_with(&mut self, detail: Detail) -> Result<Items<'_>, ReadError> {
        // Other filters look at counts and ages.
        match self.filter == Filter::default() {
            true => Ok(self.pass.watched(self.record.items_with(detail)?)),
            false => self.items(),
        }
    }
}

impl Pass {
    /// Items of a new pass, looked at on their way.
    fn watched<'a>(&'a mut self, items: Items<'a>) -> Items<'a> {
        (self.samples, self.without_regions) = (0, 0);
        Box::new(items.inspect(|item| {
            if let Ok(item) = item {
                self.see(item);
            }
        }))
    }

    fn see(&mut self, item: &Item) {
        let Item::Snapshot(snapshot) = item else {
            return;
        };
        let regions = snapshot.regions.len() as u64;
        self.samples = self.samples.saturating_add(regions);
        self.without_regions += u64::from(regions == 0);
        let start_ns = *self.start_ns.get_or_insert(snapshot.start_ns);
        if !self.progress.is_due() {
            return;
        }
        let done_ns = snapshot.end_ns.saturating_sub(start_ns);
        let whole_ns = self.end_ns.map(|end_ns| end_ns.saturating_sub(start_ns));
        let percent = whole_ns.filter(|ns| *ns > 0).map(|whole_ns| {
            let percent = u128::from(done_ns) * 100 / u128::from(whole_ns);
            format!(" ({} %)", percent.min(100))
        });
        self.progress.draw(format_args!(
            "{} s{} {}, {} region samples",
            done_ns / 1_000_000_000,
            percent.unwrap_or_default(),
            self.done,
            units::format_number(self.samples),
        ));
    }
}
