//! A record that is watched while it is read: what of it is wanted, and a line
//! on a terminal that says how far reading has come.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use crate::export::Filter;
use crate::model::{About, Item, Items, Meta, ReadError, Record, units};

const SECOND: Duration = Duration::from_secs(1);

/// The wanted part of a record. Passes give that part alone.
pub struct Watch {
    record: Box<dyn Record>,
    filter: Filter,
    progress: Progress,
}

/// Of the pass at hand, or the last one.
#[derive(Default)]
struct Progress {
    /// Whether anybody sees it.
    terminal: bool,
    /// When the line was drawn, or reading began.
    since: Option<Instant>,
    drawn: bool,
    /// The first snapshot's start, and where the last one is known to end.
    start_ns: Option<u64>,
    end_ns: Option<u64>,
    samples: u64,
    without_regions: u64,
}

impl Watch {
    /// `end_ns`: where the wanted part ends, if that is known.
    pub fn new(record: Box<dyn Record>, filter: Filter, end_ns: Option<u64>) -> Watch {
        let progress = Progress {
            terminal: stderr().is_terminal(),
            since: Some(Instant::now()),
            end_ns,
            ..Progress::default()
        };
        Watch {
            record,
            filter,
            progress,
        }
    }

    /// How many snapshots without regions the last pass gave.
    pub fn without_regions(&self) -> u64 {
        self.progress.without_regions
    }

    /// Clears the line.
    pub fn finish(&mut self) {
        if std::mem::take(&mut self.progress.drawn) {
            // A terminal that went away is no reason to fail.
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

impl Record for Watch {
    fn meta(&self) -> &Meta {
        self.record.meta()
    }

    fn about(&self) -> About {
        self.record.about()
    }

    fn items(&mut self) -> Result<Items<'_>, ReadError> {
        let Watch {
            record,
            filter,
            progress,
        } = self;
        (progress.samples, progress.without_regions) = (0, 0);
        let items = filter.items(&mut **record)?;
        Ok(Box::new(items.inspect(|item| {
            if let Ok(item) = item {
                progress.see(item);
            }
        })))
    }
}

impl Progress {
    fn see(&mut self, item: &Item) {
        let Item::Snapshot(snapshot) = item else {
            return;
        };
        let regions = snapshot.regions.len() as u64;
        self.samples = self.samples.saturating_add(regions);
        self.without_regions += u64::from(regions == 0);
        if !self.terminal {
            return;
        }
        let start_ns = *self.start_ns.get_or_insert(snapshot.start_ns);
        if self.since.is_some_and(|since| since.elapsed() < SECOND) {
            return;
        }
        self.since = Some(Instant::now());
        self.drawn = true;
        let done_ns = snapshot.end_ns.saturating_sub(start_ns);
        let whole_ns = self.end_ns.map(|end_ns| end_ns.saturating_sub(start_ns));
        let percent = whole_ns.filter(|ns| *ns > 0).map(|whole_ns| {
            let percent = u128::from(done_ns) * 100 / u128::from(whole_ns);
            format!(" ({} %)", percent.min(100))
        });
        let _ = write!(
            stderr(),
            "\r{} s{} converted, {} region samples\x1b[K",
            done_ns / 1_000_000_000,
            percent.unwrap_or_default(),
            units::format_number(self.samples),
        );
    }
}
