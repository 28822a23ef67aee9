//! One snapshot of what runs now, for a report: by BPF, which changes nothing of
//! anybody's DAMON, or of the regions that schemes try.

mod by_bpf;
mod by_schemes;

use std::time::Duration;

use crate::control::{ControlError, FileError};
use crate::model::{Item, Items, Meta, ReadError, Record, Region, Snapshot};
use crate::source::SourceError;

use super::SnapshotError;

pub use by_bpf::glance;
pub use by_schemes::{glance_filtered, glance_tried};

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum GlanceError {
    /// Nobody runs.
    #[error(
        "no kdamond runs: nothing to show; name a record with --input, or switch DAMON on first (damo start)"
    )]
    NothingRuns,
    /// The tracepoint could not be tapped.
    #[error(
        "{0}; what DAMON's own files tell is to be had with --snapshot_damos_filter or --input tried_regions_of, and for DAMON_STAT with `damo module stat read`"
    )]
    Source(#[from] SourceError),
    /// DAMON's files.
    #[error(transparent)]
    File(#[from] FileError),
    /// A scheme could not be added, or not be taken away.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// There can be no schemes that show regions.
    #[error(transparent)]
    Schemes(#[from] SnapshotError),
    /// All that ran have ended.
    #[error("every kdamond has ended before it told of an aggregation")]
    Ended,
    /// They run and do nothing.
    #[error(
        "no kdamond has told of an aggregation within {} s: it may be paused, or off by its watermarks; see `damo status`",
        .0.as_secs()
    )]
    Silent(Duration),
    /// A kdamond does not do what it is asked to.
    #[error("kdamond {index} {what}")]
    Untold {
        /// Its number.
        index: usize,
        /// What it did instead.
        what: &'static str,
    },
    /// No such scheme.
    #[error("kdamond {kdamond} has no scheme {scheme} now, but {count}")]
    NoScheme {
        /// The kdamond.
        kdamond: usize,
        /// What was asked for.
        scheme: usize,
        /// How many there are.
        count: usize,
    },
}

/// What was seen, as a record.
#[derive(Clone, Debug, Default)]
pub struct Glance {
    meta: Meta,
    items: Vec<Item>,
}

impl Glance {
    /// Puts neighbouring regions together that are alike.
    pub fn merge_alike(&mut self) {
        for item in &mut self.items {
            if let Item::Snapshot(snapshot) = item {
                merge_alike(snapshot);
            }
        }
    }
}

fn merge_alike(snapshot: &mut Snapshot) {
    let extra = snapshot.extra.as_ref();
    if extra.is_some_and(|it| !it.filter_passed.is_empty() || !it.probe_hits.is_empty()) {
        return;
    }
    snapshot
        .regions
        .dedup_by(|next: &mut Region, last: &mut Region| {
            let alike = (next.nr_accesses, next.age) == (last.nr_accesses, last.age);
            let merge = alike && last.end == next.start;
            if merge {
                last.end = next.end;
            }
            merge
        });
}

impl Record for Glance {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn items(&mut self) -> Result<Items<'_>, ReadError> {
        Ok(Box::new(self.items.iter().cloned().map(Ok)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::access::tests::snapshot;

    #[test]
    fn neighbours_that_are_alike_are_one() {
        let mut taken = snapshot(&[
            (0, 4, 1, 1),
            (4, 8, 1, 1),
            (8, 9, 1, 1),
            (9, 10, 1, 2),
            (11, 12, 1, 2),
        ]);
        merge_alike(&mut taken);
        let ranges: Vec<_> = taken.regions.iter().map(|it| (it.start, it.end)).collect();
        assert_eq!(ranges, [(0, 9), (9, 10), (11, 12)]);
    }
}
