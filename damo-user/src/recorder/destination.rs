//! Where a recording goes: into a file, or into a folder of segments.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::RecordError;
use super::retention::{Segments as Kept, make_room};
use super::spool::{DiskState, Spool};
use crate::model::{Item, KdamondInfo, Meta, TargetInfo};
use crate::store::{self, Options, Stats, Writer, segment_name};
use crate::sys::clock;
use crate::sys::output::{Output, OutputError};
use crate::sys::tell::tell;

mod close;
mod place;

use close::make_full;
pub use place::Place;

/// How long a segment that could not be begun is left alone.
const RETRY_NS: u64 = 1_000_000_000;

/// How often it is looked whether segments are too old, or too large.
const LOOK_NS: u64 = 30_000_000_000;

/// A wall clock that is so far off has been set.
const JUMP_NS: u64 = 100_000_000;

/// So many kdamonds that have ended, and targets of theirs, stay known: there may
/// be any number of them in a year.
const MOST_ENDED: usize = 1024;

/// Segments that may be waiting for a slow disk; then the last one goes on.
const CLOSING: usize = 4;

/// A record that is being written.
pub struct Destination {
    path: PathBuf,
    writer: Writer<Spool>,
    /// The file that is being written.
    output: Arc<Mutex<Output>>,
    /// For segments.
    segments: Option<Arc<Kept>>,
    options: Options,
    began_ns: u64,
    retry_ns: u64,
    look_ns: u64,
    told: bool,
    /// Somebody wants the next segment to begin.
    asked: bool,
    /// What both clocks showed differed by this much when it was told last.
    apart_ns: u64,
    /// Of the segments before this one.
    before: Stats,
    /// Kdamonds that are gone since the segment was begun: the next one need not
    /// tell of them.
    gone: HashSet<u32>,
    closing: Vec<JoinHandle<()>>,
    disks: Vec<DiskState>,
}

impl Destination {
    /// Begins the record; it has no name before [`Destination::keep`].
    ///
    /// # Errors
    /// Nothing can be written there.
    pub fn begin(place: Place, meta: &Meta) -> Result<Destination, RecordError> {
        let mut options = Options {
            uuid: Some(store::new_uuid().map_err(RecordError::Disk)?),
            ..Options::default()
        };
        let (output, segments) = match place {
            Place::File(output) => (output, None),
            Place::Folder(folder, rotation) => {
                let kept = Kept::new(folder, rotation).map_err(RecordError::Disk)?;
                options.segment = kept.first;
                let first = kept.folder.file(&segment_name(kept.first))?;
                (first, Some(Arc::new(kept)))
            }
        };
        let path = match &segments {
            Some(segments) => segments.folder.path().to_owned(),
            None => output.path().to_owned(),
        };
        let (writer, disk) = begin_file(&output, segments.as_ref(), meta, options)?;
        Ok(Destination {
            path,
            writer,
            output: Arc::new(Mutex::new(output)),
            segments,
            options,
            began_ns: meta.mono_ns,
            retry_ns: 0,
            look_ns: 0,
            told: false,
            asked: false,
            apart_ns: meta.wall_ns.wrapping_sub(meta.mono_ns),
            before: Stats::default(),
            gone: HashSet::new(),
            closing: Vec::new(),
            disks: vec![disk],
        })
    }

    /// Gives the record its name: there is something to keep. A folder gets its
    /// name with the first segment in it.
    ///
    /// # Errors
    /// See [`OutputError`].
    pub fn keep(&mut self) -> Result<(), OutputError> {
        lock(&self.output).keep()?;
        match &self.segments {
            Some(segments) => segments.folder.keep(),
            None => Ok(()),
        }
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

    /// Says anew what is known of the kdamonds that run; as for targets. Of those
    /// that do not, what was known last is kept in the next segments.
    pub fn kdamonds(&mut self, running: &[KdamondInfo]) {
        let mut meta = self.writer.told().clone();
        meta.learn(running);
        meta.forget_ended(running, MOST_ENDED);
        let _ = self.writer.replace_meta(meta);
    }

    /// Tells what both clocks show.
    pub fn clock(&mut self) {
        let _ = self.writer.clock(clock::monotonic_ns(), clock::wall_ns());
    }

    /// Begins the next segment with the next tick, if there are segments.
    pub fn rotate_soon(&mut self) {
        self.asked = true;
    }

    /// Number of the segment that is being written; 0 for a file.
    pub fn segment(&self) -> u32 {
        self.options.segment
    }

    /// From now on, waits for the disk rather than lose anything.
    pub fn wait_for_room(&self) {
        self.disks.iter().for_each(DiskState::wait_for_room);
    }

    /// How many files this recording has begun.
    pub fn files(&self) -> u64 {
        let first = self.segments.as_ref().map_or(0, |segments| segments.first);
        u64::from(self.options.segment.saturating_sub(first)) + 1
    }

    /// A kdamond is gone: the segments to come say nothing of it.
    pub fn forget(&mut self, kdamond: u32) {
        self.gone.insert(kdamond);
    }

    /// Tells what both clocks show, if one of them has jumped: somebody has set
    /// the wall clock, or the machine was asleep.
    pub fn note_clock(&mut self, now_ns: u64) {
        let wall_ns = clock::wall_ns();
        let apart_ns = wall_ns.wrapping_sub(now_ns);
        if apart_ns.abs_diff(self.apart_ns) > JUMP_NS {
            self.apart_ns = apart_ns;
            let _ = self.writer.clock(now_ns, wall_ns);
        }
    }

    /// To be called regularly: writes what is old enough, and begins the next
    /// segment when it is time.
    pub fn tick(&mut self, now_ns: u64) {
        let _ = self.writer.tick(now_ns);
        let Some(segments) = self.segments.clone() else {
            return;
        };
        let age_ns = now_ns.saturating_sub(self.began_ns);
        let due = self.asked || segments.rotation.is_due(self.writer.stats(), age_ns);
        if now_ns >= self.look_ns {
            self.look_ns = now_ns.saturating_add(LOOK_NS);
            self.writer.sink_mut().then(move |_| {
                segments.remove_old();
                Ok(())
            });
        }
        if due && now_ns >= self.retry_ns {
            self.retry_ns = now_ns.saturating_add(RETRY_NS);
            self.asked = false;
            let rotated = self.rotate(now_ns);
            if let Err(error) = rotated
                && !std::mem::replace(&mut self.told, true)
            {
                tell(format_args!(
                    "damo: cannot begin the next segment: {error}; going on in the last one"
                ));
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
    /// What the disk said; or somebody has removed the file.
    pub fn check_disk(&self) -> Result<(), RecordError> {
        let failed = self.disks.iter().find_map(DiskState::failure);
        match failed {
            Some(error) => Err(RecordError::Disk(error)),
            None if self.is_removed() => Err(RecordError::Disk(io::ErrorKind::NotFound.into())),
            None => Ok(()),
        }
    }

    /// Whether somebody has removed what is being written. One that is just
    /// getting its name is there.
    fn is_removed(&self) -> bool {
        let output = self.output.try_lock();
        output.is_ok_and(|output| output.is_removed())
    }

    /// Begins the next segment; the last one is closed in a thread of its own.
    /// Nothing in here waits for the disk.
    fn rotate(&mut self, now_ns: u64) -> Result<(), RecordError> {
        self.closing.retain(|thread| !thread.is_finished());
        let (Some(segments), true) = (self.segments.clone(), self.closing.len() < CLOSING) else {
            return Ok(());
        };
        let last_number = self.options.segment;
        let Some(number) = last_number.checked_add(1) else {
            return Ok(());
        };
        let options = Options {
            segment: number,
            ..self.options
        };
        let output = segments.folder.file(&segment_name(number))?;
        let mut meta = self.writer.told().clone();
        (meta.mono_ns, meta.wall_ns) = (now_ns, clock::wall_ns());
        meta.kdamonds.retain(|it| !self.gone.contains(&it.tid));
        meta.targets.retain(|it| !self.gone.contains(&it.kdamond));
        let (mut writer, disk) = begin_file(&output, Some(&segments), &meta, options)?;
        let output = Arc::new(Mutex::new(output));
        // It has a name when it has a beginning that survives a power cut.
        let named = Arc::clone(&output);
        writer.sink_mut().then(move |file| {
            file.sync_data()?;
            lock(&named).keep().map_err(OutputError::into_io)
        });
        let mut last = std::mem::replace(&mut self.writer, writer);
        let last_output = std::mem::replace(&mut self.output, output);
        (self.options, self.began_ns) = (options, now_ns);
        self.gone.clear();
        // What the last one could not write, this one tells.
        let _ = last.flush();
        if let Some(gap) = last.take_unwritten() {
            self.item(&Item::Gap(gap));
        }
        self.before = self.before + last.stats();
        // Of those that are closed, errors stay known.
        self.disks
            .retain(|disk| disk.failure().is_some() || disk.is_in_use());
        self.disks.push(disk);
        let finish = move || {
            last.sink_mut().disk().wait_for_room();
            // Errors are the disk's, which keeps its first one.
            let _ = last.finish();
            let mut spool = last.into_sink();
            spool.then(move |file| {
                // The room is needed now.
                segments.remove_old();
                // What cannot be made smaller stays as it is.
                let _ = make_full(file, &lock(&last_output));
                segments.close(last_number);
                segments.remove_old();
                Ok(())
            });
            let _ = spool.finish();
        };
        let thread = std::thread::Builder::new().name("damo-closer".to_owned());
        self.closing
            .push(thread.spawn(finish).map_err(RecordError::Disk)?);
        Ok(())
    }
}

fn lock(output: &Mutex<Output>) -> MutexGuard<'_, Output> {
    // A panic elsewhere leaves nothing half done in it.
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

fn begin_file(
    output: &Output,
    segments: Option<&Arc<Kept>>,
    meta: &Meta,
    options: Options,
) -> Result<(Writer<Spool>, DiskState), RecordError> {
    let file = output.file().try_clone().map_err(RecordError::Disk)?;
    let spool = match segments {
        Some(segments) => Spool::with_room(file, make_room(segments)),
        None => Spool::start(file),
    };
    let spool = spool.map_err(RecordError::Disk)?;
    let disk = spool.disk();
    let mut writer = Writer::with_options(spool, meta, options)?;
    writer.clock(meta.mono_ns, meta.wall_ns)?;
    Ok((writer, disk))
}

#[cfg(test)]
mod tests;
