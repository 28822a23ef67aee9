//! Access filters while recording: what is not wanted is not written, and is
//! counted.

use std::ops::Range;

use crate::control::params::{AccessPattern, NoWholeNumber};
use crate::export::{Kept, keep_wanted};
use crate::model::{Intervals, Item, Snapshot};

/// Which regions are wanted; by default all. The same as `damo convert`'s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// Sizes, access rates and ages of regions, as DAMON reports them.
    pub pattern: AccessPattern,
    /// Bytes, ascending and disjoint; regions are cut to them. Empty for all.
    pub addresses: Vec<Range<u64>>,
    /// Each filter as it was typed, for [`crate::model::Meta::filters`].
    pub typed: Vec<String>,
}

impl Filters {
    /// Whether anything may be left out.
    pub fn any(&self) -> bool {
        self.pattern != AccessPattern::default() || !self.addresses.is_empty()
    }

    /// Checks that something can match with these intervals.
    ///
    /// # Errors
    /// DAMON counts whole samples and aggregations, and none is in the range of
    /// this option.
    pub fn check(&self, intervals: &Intervals) -> Result<(), NothingMatches> {
        let nothing = |option, unit| move |NoWholeNumber| NothingMatches { option, unit };
        let AccessPattern {
            nr_accesses, age, ..
        } = &self.pattern;
        nr_accesses
            .samples(intervals)
            .map_err(nothing("--access_rate", "samples"))?;
        age.aggrs(intervals)
            .map_err(nothing("--age", "aggregation intervals"))?;
        Ok(())
    }
}

/// No region can match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{option}: no whole number of {unit} lies in that range, with these intervals: nothing would be recorded; make the range wider"
)]
pub struct NothingMatches {
    /// The option.
    pub option: &'static str,
    /// What DAMON counts.
    pub unit: &'static str,
}

/// Applies [`Filters`] to what is recorded, and counts. Of every region sample
/// that DAMON reports, `seen + split = stored + lost + left out` holds.
#[derive(Clone, Debug, Default)]
pub struct Sieve {
    filters: Filters,
    kept: Kept,
}

impl Sieve {
    /// Nothing is counted yet.
    pub fn new(filters: Filters) -> Sieve {
        Sieve {
            filters,
            kept: Kept::default(),
        }
    }

    /// The snapshot with those of its regions that are wanted, maybe none: that
    /// DAMON looked then is known all the same.
    pub fn pass(&mut self, mut snapshot: Snapshot) -> Snapshot {
        let Filters {
            pattern, addresses, ..
        } = &self.filters;
        let Kept { left_out, split } = keep_wanted(&mut snapshot, pattern, addresses);
        self.kept.left_out += left_out;
        self.kept.split += split;
        snapshot
    }

    /// As [`Sieve::pass`]; what is no snapshot stays as it is.
    pub fn item(&mut self, item: Item) -> Item {
        match item {
            Item::Snapshot(snapshot) => Item::Snapshot(self.pass(snapshot)),
            other => other,
        }
    }

    /// Region samples of which nothing was wanted. They are not lost.
    pub fn left_out(&self) -> u64 {
        self.kept.left_out
    }

    /// How many region samples are to be in the file, if DAMON reported `seen`
    /// and none of those that were lost would have been left out.
    pub fn expected(&self, seen: u64) -> u64 {
        seen.saturating_sub(self.kept.left_out)
            .saturating_add(self.kept.split)
    }
}
