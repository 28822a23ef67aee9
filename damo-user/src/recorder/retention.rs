//! When a segment ends, and how long segments are kept.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{AtFlags, Mode, OFlags, Stat, openat, statat, unlinkat};
use rustix::io::Errno;

use crate::store::{Reader, Stats, segment_name, segment_number};
use crate::sys::folder::{self, OutputFolder};
use crate::sys::tell::tell;

/// When to begin the next segment, and what to remove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// A segment of so many bytes is full.
    pub size: Option<u64>,
    /// So old a segment is closed.
    pub age: Option<Duration>,
    /// All segments together take at most so many bytes.
    pub keep_total: Option<u64>,
    /// A segment is removed so long after it was closed.
    pub keep_age: Option<Duration>,
}

impl Rotation {
    /// Whether a segment with `stats`, begun `age_ns` ago, is to be closed. One
    /// without samples is not worth another.
    pub(super) fn is_due(&self, stats: Stats, age_ns: u64) -> bool {
        let full = self.size.is_some_and(|size| stats.bytes >= size);
        let old = self
            .age
            .is_some_and(|age| u128::from(age_ns) >= age.as_nanos());
        full || (old && stats.snapshots > 0)
    }

    fn removes(&self) -> bool {
        self.keep_total.is_some() || self.keep_age.is_some()
    }
}

/// The segments of a recording, as far as they were closed.
#[derive(Debug)]
pub(super) struct Segments {
    pub folder: OutputFolder,
    pub rotation: Rotation,
    /// When each was closed, by this machine's uptime: a wall clock that jumps
    /// must not make everything old.
    closed: Mutex<Closed>,
    /// Those before this one are of earlier recordings.
    pub first: u32,
}

#[derive(Debug, Default)]
struct Closed {
    at: BTreeMap<u32, Instant>,
    removed_samples: u64,
}

impl Segments {
    /// With what earlier recordings have left in the folder.
    ///
    /// # Errors
    /// The folder cannot be read, or there is no number after the last one.
    pub fn new(folder: OutputFolder, rotation: Rotation) -> io::Result<Segments> {
        let names = folder::names(folder.as_fd())?;
        let numbers = names
            .iter()
            .filter_map(|name| segment_number(name.to_str()?));
        let earlier: Vec<u32> = numbers.collect();
        let first = match earlier.iter().max() {
            Some(last) => last.checked_add(1).ok_or(io::ErrorKind::QuotaExceeded)?,
            None => 0,
        };
        let segments = Segments {
            folder,
            rotation,
            closed: Mutex::default(),
            first,
        };
        let now = Instant::now();
        // When they were closed only their files tell.
        let closed = earlier.into_iter().map(|number| {
            let at = now.checked_sub(segments.age(number));
            (number, at.unwrap_or(now))
        });
        let closed: BTreeMap<u32, Instant> = closed.collect();
        segments.lock().at = closed;
        Ok(segments)
    }

    /// From now on the segment may be removed.
    pub fn close(&self, number: u32) {
        self.lock().at.insert(number, Instant::now());
    }

    /// Samples of this recording's segments that were removed.
    pub fn removed_samples(&self) -> u64 {
        self.lock().removed_samples
    }

    /// Bytes of all segments that are there.
    pub fn bytes(&self) -> u64 {
        let names = folder::names(self.folder.as_fd()).unwrap_or_default();
        names
            .iter()
            .filter_map(|name| segment_number(name.to_str()?))
            .fold(0, |sum, number| sum.saturating_add(self.size(number)))
    }

    /// Removes whole segments, oldest first, that are beyond what is to be
    /// kept: of those that were closed, and never what is no segment.
    pub fn remove_old(&self) {
        if !self.rotation.removes() {
            return;
        }
        let mut closed = self.lock();
        let of_closed = closed
            .at
            .keys()
            .fold(0u64, |sum, number| sum.saturating_add(self.size(*number)));
        // The one that is being written may grow to its full size.
        let open = self.bytes().saturating_sub(of_closed);
        let mut total = of_closed.saturating_add(open.max(self.rotation.size.unwrap_or(0)));
        while let Some((&number, at)) = closed.at.first_key_value() {
            let too_much = self.rotation.keep_total.is_some_and(|most| total > most);
            let too_old = self
                .rotation
                .keep_age
                .is_some_and(|most| at.elapsed() > most);
            if !too_much && !too_old {
                return;
            }
            total = total.saturating_sub(self.size(number));
            if !self.remove(&mut closed, number) {
                return;
            }
        }
    }

    /// Makes room on a full disk, if anything may be removed.
    pub fn remove_oldest(&self) -> bool {
        let mut closed = self.lock();
        match closed.at.first_key_value() {
            Some((&number, _)) if self.rotation.removes() => self.remove(&mut closed, number),
            _ => false,
        }
    }

    fn remove(&self, closed: &mut Closed, number: u32) -> bool {
        let name = segment_name(number);
        let samples = match number < self.first {
            true => 0,
            false => self.samples(&name),
        };
        match unlinkat(self.folder.as_fd(), &name, AtFlags::empty()) {
            Ok(()) => {
                closed.removed_samples = closed.removed_samples.saturating_add(samples);
            }
            // Somebody else was quicker.
            Err(Errno::NOENT) => {}
            Err(error) => {
                tell(format_args!(
                    "damo: cannot remove the old segment {name}: {error}"
                ));
                return false;
            }
        }
        closed.at.remove(&number);
        true
    }

    fn samples(&self, name: &str) -> u64 {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(self.folder.as_fd(), name, flags, Mode::empty()).ok();
        let reader = file.and_then(|file| Reader::from_source(File::from(file), name).ok());
        reader.map_or(0, |reader| reader.totals().samples)
    }

    fn size(&self, number: u32) -> u64 {
        let stat = self.stat(number);
        stat.map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0))
    }

    /// How long a segment has not been written to.
    fn age(&self, number: u32) -> Duration {
        let written = self.stat(number).map_or(0, |stat| stat.st_mtime);
        let written = Duration::from_secs(u64::try_from(written).unwrap_or(0));
        // One from the future is as old as can be told: not at all.
        let written = SystemTime::UNIX_EPOCH.checked_add(written);
        let age = written.and_then(|it| SystemTime::now().duration_since(it).ok());
        age.unwrap_or_default()
    }

    fn stat(&self, number: u32) -> Result<Stat, Errno> {
        let name = segment_name(number);
        statat(self.folder.as_fd(), &name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// A panic elsewhere leaves nothing half done here.
    fn lock(&self) -> std::sync::MutexGuard<'_, Closed> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What makes room for a write that found none.
pub(super) fn make_room(segments: &Arc<Segments>) -> impl FnMut() -> bool + Send + 'static {
    let segments = Arc::clone(segments);
    move || segments.remove_oldest()
}
