//! Records that have to be read as a whole before they can be told in order of
//! time: they are kept meanwhile in unlinked temporary files of our own format.
//!
//! The files are in `$TMPDIR`, else /tmp, have no names, and are gone when the
//! record is dropped. What arrives is a number of *parts*, each in order of
//! time; the record's items come from all parts at once, the earliest first.
//! From the 64th on parts share a file, and their items come in the order in
//! which they arrived.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::model::{About, Intervals, Item, Items, Meta, ReadError, Record, TargetKey};
use crate::store::{Options, Reader, Sink, WriteError, Writer};

/// Files that are open at once.
const MAX_FILES: usize = 64;

/// Marks a snapshot of which only the sampling interval is known.
pub fn tuned_sample(sample_us: u64) -> Intervals {
    Intervals {
        sample_us,
        aggr_us: 0,
        update_us: 0,
    }
}

/// Nobody needs a temporary file to survive a power cut.
struct Unsynced(File);

impl Write for Unsynced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Unsynced {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        Sink::truncate(&mut self.0, len)
    }
}

/// Takes parts in, one after the other.
#[derive(Default)]
pub struct Ingest {
    closed: Vec<File>,
    open: Option<Writer<Unsynced>>,
}

impl Ingest {
    /// Adds an item to the part. Its target's kdamond is the number that it
    /// has in the list that [`Ingest::finish`] gets.
    ///
    /// # Errors
    /// The temporary file cannot be made or written.
    pub fn item(&mut self, item: &Item) -> io::Result<()> {
        let writer = match &mut self.open {
            Some(writer) => writer,
            None => {
                let options = Options {
                    page_shift: 0,
                    ..Options::default()
                };
                let file = Unsynced(tempfile::tempfile()?);
                let writer = Writer::with_options(file, &Meta::default(), options);
                self.open.insert(writer.map_err(refused)?)
            }
        };
        writer.item(item).map_err(refused)
    }

    /// What comes now is another part.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub fn next_part(&mut self) -> io::Result<()> {
        if self.closed.len() + 1 < MAX_FILES {
            self.close()?;
        }
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        if let Some(mut writer) = self.open.take() {
            writer.finish().map_err(refused)?;
            self.closed.push(writer.into_sink().0);
        }
        Ok(())
    }

    /// Makes a record of all that was taken in.
    ///
    /// # Errors
    /// A temporary file cannot be written, or not be read back.
    pub fn finish(
        mut self,
        path: &Path,
        meta: Meta,
        targets: Vec<Target>,
    ) -> Result<Ingested, ReadError> {
        self.close().map_err(|source| ReadError::Io {
            path: path.to_owned(),
            source: in_temporary(source),
        })?;
        let path = PathBuf::from(path);
        let reader = |file| Reader::from_source(file, path.clone());
        Ok(Ingested {
            meta,
            targets,
            parts: self
                .closed
                .into_iter()
                .map(reader)
                .collect::<Result<_, _>>()?,
            damage: None,
        })
    }
}

fn refused(error: WriteError) -> io::Error {
    match error {
        WriteError::Io { source, .. } => source,
        other => io::Error::other(other),
    }
}

/// Says that the error is not of the file that is being read.
pub fn in_temporary(source: io::Error) -> io::Error {
    let folder = std::env::temp_dir();
    let what = format!(
        "it has to be unpacked into {}, which failed: {source}; make room there, or name another folder with TMPDIR",
        folder.display()
    );
    // Of no kind: it is not the record that was not found.
    io::Error::other(what)
}

/// What is known of a target once all is read.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its key in the record.
    pub key: TargetKey,
    /// Intervals of its snapshots, but of those that tell others.
    pub intervals: Option<Intervals>,
}

/// A record that was taken in.
pub struct Ingested {
    meta: Meta,
    targets: Vec<Target>,
    parts: Vec<Reader<File>>,
    /// What could not be taken in, and where it was.
    pub damage: Option<ReadError>,
}

impl Ingested {
    fn merged<'a>(
        &'a mut self,
        mut pass: impl FnMut(&'a mut Reader<File>) -> Result<Items<'a>, ReadError>,
    ) -> Result<Items<'a>, ReadError> {
        let mut passes = Vec::with_capacity(self.parts.len());
        for part in &mut self.parts {
            let mut items = pass(part)?;
            let head = items.next();
            passes.push(Cursor { items, head });
        }
        let targets = &self.targets;
        Ok(Box::new(Merged { passes, targets }))
    }
}

impl Record for Ingested {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn about(&self) -> About {
        About {
            format: "damo 3's json",
            ..About::default()
        }
    }

    fn damage(&self) -> Option<&ReadError> {
        self.damage.as_ref()
    }

    fn items(&mut self) -> Result<Items<'_>, ReadError> {
        self.merged(|part| part.items())
    }

    fn items_in(&mut self, time: Range<u64>) -> Result<Items<'_>, ReadError> {
        self.merged(|part| part.items_in(time.clone()))
    }
}

struct Cursor<'a> {
    items: Items<'a>,
    head: Option<Result<Item, ReadError>>,
}

/// Items of all parts, the earliest first.
struct Merged<'a> {
    passes: Vec<Cursor<'a>>,
    targets: &'a [Target],
}

impl Iterator for Merged<'_> {
    type Item = Result<Item, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Of equal times the first part's; errors at once.
        let time = |cursor: &&mut Cursor<'_>| match &cursor.head {
            Some(Ok(item)) => Some(item.times().1),
            Some(Err(_)) => Some(0),
            None => None,
        };
        let pending = self.passes.iter_mut().filter(|c| c.head.is_some());
        let cursor = pending.min_by_key(time)?;
        let item = std::mem::replace(&mut cursor.head, cursor.items.next())?;
        Some(item.map(|item| told(item, self.targets)))
    }
}

/// The item with its real target and intervals.
pub fn told(mut item: Item, targets: &[Target]) -> Item {
    let target = |key: TargetKey| targets.get(key.kdamond as usize);
    match &mut item {
        Item::Snapshot(snapshot) => {
            if let Some(target) = target(snapshot.target) {
                snapshot.target = target.key;
                snapshot.intervals = in_force(target.intervals, snapshot.intervals);
            }
        }
        Item::Gap(gap) => {
            gap.target = gap.target.and_then(target).map(|target| target.key);
        }
        Item::Note(_) => {}
    }
    item
}

/// DAMON tunes both intervals by the same factor.
fn in_force(base: Option<Intervals>, own: Option<Intervals>) -> Option<Intervals> {
    let Some(own) = own else {
        return base;
    };
    let base = base.filter(|base| base.sample_us > 0)?;
    let aggr = u128::from(base.aggr_us) * u128::from(own.sample_us) / u128::from(base.sample_us);
    Some(Intervals {
        sample_us: own.sample_us,
        aggr_us: u64::try_from(aggr).unwrap_or(u64::MAX),
        update_us: base.update_us,
    })
}
