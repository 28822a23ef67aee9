//! When a segment ends, and how long segments are kept.

use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, statat, unlinkat};

use crate::store::{Stats, segment_name, segment_number};
use crate::sys::folder::{self, OutputFolder};

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
}

struct Segment {
    number: u32,
    bytes: u64,
    modified: SystemTime,
}

/// Removes whole segments, oldest first, that are beyond what is to be kept:
/// never `current`, nor what is no segment.
pub(super) fn remove_old(folder: &OutputFolder, rotation: Rotation, current: u32) {
    let mut segments = closed_before(folder, current);
    segments.sort_by_key(|segment| segment.number);
    // The current one may grow to its full size.
    let room = rotation.size.unwrap_or(0);
    let mut total = segments
        .iter()
        .fold(room, |sum, segment| sum.saturating_add(segment.bytes));
    let now = SystemTime::now();
    for segment in segments {
        let age = now.duration_since(segment.modified).unwrap_or_default();
        let too_much = rotation.keep_total.is_some_and(|most| total > most);
        let too_old = rotation.keep_age.is_some_and(|most| age > most);
        if !too_much && !too_old {
            return;
        }
        let name = segment_name(segment.number);
        if let Err(error) = unlinkat(folder.as_fd(), &name, AtFlags::empty()) {
            eprintln!("damo: cannot remove the old segment {name}: {error}");
            return;
        }
        total = total.saturating_sub(segment.bytes);
    }
}

fn closed_before(folder: &OutputFolder, current: u32) -> Vec<Segment> {
    let names = folder::names(folder.as_fd()).unwrap_or_default();
    let segment = |name: std::ffi::OsString| {
        let number = segment_number(name.to_str()?).filter(|number| *number < current)?;
        let stat = statat(folder.as_fd(), &name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let seconds = u64::try_from(stat.st_mtime).ok()?;
        Some(Segment {
            number,
            bytes: u64::try_from(stat.st_size).ok()?,
            modified: SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?,
        })
    };
    names.into_iter().filter_map(segment).collect()
}
