//! Where a recording goes: into a file, or into a folder of segments.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use super::RecordError;
use super::retention::{self, Rotation};
use super::spool::{DiskState, Spool};
use crate::analyze::Losses;
use crate::model::{Item, Meta, ReadError, Record, TargetInfo};
use crate::store::{self, Options, Reader, Segments, Stats, Writer, segment_name, segment_number};
use crate::sys::clock;
use crate::sys::folder::OutputFolder;
use crate::sys::output::{Output, OutputError};

/// How long a segment that could not be begun is left alone.
const RETRY_NS: u64 = 1_000_000_000;

/// A place for a record that is not begun; dropped, it leaves nothing behind.
pub enum Place {
    /// One file.
    File(Output),
    /// A folder of segments.
    Folder(Arc<OutputFolder>, Rotation),
}

impl Place {
    /// Makes a file or a folder that is to be `path`.
    ///
    /// # Errors
    /// See [`OutputError`].
    pub fn create(
        path: &Path,
        mode: u32,
        owner: Option<(u32, u32)>,
        rotation: Option<Rotation>,
    ) -> Result<Place, OutputError> {
        let ours = |name: &str| segment_number(name).is_some();
        Ok(match rotation {
            None => Place::File(Output::create(path, mode, owner)?),
            Some(rotation) => {
                let folder = OutputFolder::create(path, mode, owner, ours)?;
                Place::Folder(Arc::new(folder), rotation)
            }
        })
    }
}

/// A record that is being written.
pub struct Destination {
    path: PathBuf,
    writer: Writer<Spool>,
    /// The file that is being written.
    output: Output,
    /// For segments.
    folder: Option<(Arc<OutputFolder>, Rotation)>,
    options: Options,
    began_ns: u64,
    retry_ns: u64,
    told: bool,
    /// Of the segments before this one.
    before: Stats,
    closing: Vec<JoinHandle<()>>,
    disks: Vec<DiskState>,
}

impl Destination {
    /// Begins the record; it has no name before [`Destination::keep`].
    ///
    /// # Errors
    /// Nothing can be written there.
    pub fn begin(place: Place, meta: &Meta) -> Result<Destination, RecordError> {
        let options = Options {
            uuid: Some(store::new_uuid().map_err(RecordError::Disk)?),
            ..Options::default()
        };
        let (output, folder) = match place {
            Place::File(output) => (output, None),
            Place::Folder(folder, rotation) => {
                let first = folder.file(&segment_name(options.segment))?;
                (first, Some((folder, rotation)))
            }
        };
        let path = match &folder {
            Some((folder, _)) => folder.path().to_owned(),
            None => output.path().to_owned(),
        };
        let (writer, disk) = begin_file(&output, meta, options)?;
        Ok(Destination {
            path,
            writer,
            output,
            folder,
            options,
            began_ns: meta.mono_ns,
            retry_ns: 0,
            told: false,
            before: Stats::default(),
            closing: Vec::new(),
            disks: vec![disk],
        })
    }

    /// Gives the record its name: there is something to keep.
    ///
    /// # Errors
    /// See [`OutputError`].
    pub fn keep(&mut self) -> Result<(), OutputError> {
        // Nobody else has it before the first rotation.
        if let Some((folder, _)) = &mut self.folder
            && let Some(folder) = Arc::get_mut(folder)
        {
            folder.keep()?;
        }
        self.output.keep()
    }

    /// Adds an item. Errors are not for here: the writer counts what it could
    /// not write, and the disk tells why.
    pub fn item(&mut self, item: &Item) {
        let _ = self.writer.item(item);
    }

    /// Tells of a target, or that it has another name. That it could not be
    /// written is no loss worth an end.
    pub fn target(&mut self, target: &TargetInfo) {
        let _ = self.writer.target(target);
    }

    /// Tells what both clocks show.
    pub fn clock(&mut self) {
        let _ = self.writer.clock(clock::monotonic_ns(), clock::wall_ns());
    }

    /// To be called regularly: writes what is old enough, and begins the next
    /// segment when it is time.
    pub fn tick(&mut self, now_ns: u64) {
        let _ = self.writer.tick(now_ns);
        let due = self.folder.as_ref().is_some_and(|(_, rotation)| {
            let age_ns = now_ns.saturating_sub(self.began_ns);
            rotation.is_due(self.writer.stats(), age_ns)
        });
        if due && now_ns >= self.retry_ns {
            self.retry_ns = now_ns.saturating_add(RETRY_NS);
            let rotated = self.rotate(now_ns);
            if let Err(error) = rotated
                && !std::mem::replace(&mut self.told, true)
            {
                eprintln!("damo: cannot begin the next segment: {error}; going on in the last one");
            }
        }
    }

    /// What was kept and lost so far, in all.
    pub fn stats(&self) -> Stats {
        self.before + self.writer.stats()
    }

    /// A frame that finds no room in the queue is counted as lost by the
    /// writer, and the next may fit; only a disk that failed ends it.
    ///
    /// # Errors
    /// What the disk said.
    pub fn check_disk(&self) -> Result<(), RecordError> {
        let failed = self.disks.iter().find_map(DiskState::failure);
        failed.map_or(Ok(()), |error| Err(RecordError::Disk(error)))
    }

    /// Begins the next segment; the last one is closed in its own thread.
    fn rotate(&mut self, now_ns: u64) -> Result<(), RecordError> {
        let Some((folder, rotation)) = self.folder.clone() else {
            return Ok(());
        };
        let Some(segment) = self.options.segment.checked_add(1) else {
            return Ok(());
        };
        let options = Options {
            segment,
            ..self.options
        };
        let mut output = folder.file(&segment_name(segment))?;
        let mut meta = self.writer.told().clone();
        (meta.mono_ns, meta.wall_ns) = (now_ns, clock::wall_ns());
        let (writer, disk) = begin_file(&output, &meta, options)?;
        output.keep()?;
        let mut last = std::mem::replace(&mut self.writer, writer);
        let last_output = std::mem::replace(&mut self.output, output);
        (self.options, self.began_ns) = (options, now_ns);
        // What the last one could not write, this one tells.
        let _ = last.flush();
        if let Some(gap) = last.take_unwritten() {
            self.item(&Item::Gap(gap));
        }
        self.clock();
        let _ = last.finish();
        let stats = last.stats();
        self.before = self.before + stats;
        let mut spool = last.into_sink();
        spool.then(move |file| {
            // What cannot be made smaller stays as it is.
            let _ = make_full(file, &last_output);
            retention::remove_old(&folder, rotation, segment);
        });
        self.closing.retain(|thread| !thread.is_finished());
        self.closing.extend(spool.leave());
        self.disks.retain(|disk| !disk.is_done());
        self.disks.push(disk);
        Ok(())
    }

    /// Closes the record, makes its frames full, and waits for the disk. `seen`
    /// is how many region samples there were in all, if that is known.
    ///
    /// # Errors
    /// The disk failed: what is kept is told.
    pub fn close(mut self, seen: Option<u64>) -> Result<Stats, RecordError> {
        if let Some(disk) = self.disks.last() {
            disk.wait_for_room();
        }
        // Errors are the disk's, which keeps its first one.
        self.clock();
        let _ = self.writer.finish();
        let mut stats = self.stats();
        let written = self.writer.stats().bytes;
        let mut spool = self.writer.into_sink();
        let (send, compacted) = mpsc::channel();
        let (output, folder) = (self.output, self.folder);
        let segment = self.options.segment;
        spool.then(move |file| {
            let smaller = make_full(file, &output).ok().flatten();
            let _ = send.send(smaller);
            if let Some((folder, rotation)) = folder {
                retention::remove_old(&folder, rotation, segment);
            }
        });
        let finished = spool.finish();
        for thread in self.closing {
            // It has told of its errors.
            let _ = thread.join();
        }
        let failed = self.disks.iter().find_map(DiskState::failure);
        match finished.err().or(failed) {
            None => {
                if let Ok(Some(smaller)) = compacted.recv() {
                    stats.bytes = stats.bytes.saturating_sub(written).saturating_add(smaller);
                }
                Ok(stats)
            }
            Some(source) => {
                let kept = kept(&self.path);
                Err(RecordError::Broken {
                    path: self.path,
                    kept,
                    lost: seen.unwrap_or(kept).saturating_sub(kept),
                    source,
                })
            }
        }
    }
}

fn begin_file(
    output: &Output,
    meta: &Meta,
    options: Options,
) -> Result<(Writer<Spool>, DiskState), RecordError> {
    let file = output.file().try_clone().map_err(RecordError::Disk)?;
    let spool = Spool::start(file).map_err(RecordError::Disk)?;
    let disk = spool.disk();
    let mut writer = Writer::with_options(spool, meta, options)?;
    writer.clock(meta.mono_ns, meta.wall_ns)?;
    Ok((writer, disk))
}

/// Puts a file of full frames in place of a closed one of small frames. Gives
/// its size, if that was worth it.
fn make_full(file: &File, output: &Output) -> Result<Option<u64>, Box<dyn std::error::Error>> {
    let mut reader = Reader::from_source(file.try_clone()?, output.path())?;
    if !reader.was_clean() || !store::is_worth_compacting(&reader) {
        return Ok(None);
    }
    let full = output.again()?;
    let stats = store::compact(&mut reader, full.file().try_clone()?)?;
    full.replace(file)?;
    Ok(Some(stats.bytes))
}

/// Region samples that a record holds which could not be finished.
fn kept(path: &Path) -> u64 {
    let count = || -> Result<u64, ReadError> {
        let mut record: Box<dyn Record> = match path.is_dir() {
            true => Box::new(Segments::open(path)?),
            false => Box::new(Reader::open(path)?),
        };
        let mut losses = Losses::default();
        for item in record.items()? {
            losses.add(&item?);
        }
        Ok(losses.stored)
    };
    count().unwrap_or(0)
}

#[cfg(test)]
mod tests;
