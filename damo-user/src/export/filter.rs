//! Which part of a record is wanted.

use std::ops::Range;

use crate::model::{Item, Items, ReadError, Record, Region, Snapshot};

/// Which part of a record is wanted; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Nanoseconds of the record's clock. Snapshots that reach into it are kept
    /// whole.
    pub time: Option<Range<u64>>,
    /// Bytes. Regions are cut to what lies in one of the ranges; empty for all.
    pub addresses: Vec<Range<u64>>,
    /// DAMON's target ids; empty for all.
    pub targets: Vec<u64>,
}

impl Filter {
    /// The wanted items of a record, in order. A gap of unknown target is
    /// everybody's; notes are kept whatever the targets are.
    ///
    /// # Errors
    /// The record cannot be read any more.
    pub fn items<'a>(&'a self, record: &'a mut dyn Record) -> Result<Items<'a>, ReadError> {
        let items = match &self.time {
            Some(time) => record.items_in(time.clone())?,
            None => record.items()?,
        };
        Ok(Box::new(items.filter_map(|item| match item {
            Ok(item) => self.pass(item).map(Ok),
            Err(error) => Some(Err(error)),
        })))
    }

    fn pass(&self, item: Item) -> Option<Item> {
        let wanted = |id: u64| self.targets.is_empty() || self.targets.contains(&id);
        match item {
            Item::Snapshot(snapshot) => {
                wanted(snapshot.target.target_id).then(|| Item::Snapshot(self.cut(snapshot)))
            }
            Item::Gap(gap) => gap
                .target
                .is_none_or(|target| wanted(target.target_id))
                .then_some(Item::Gap(gap)),
            Item::Note(note) => Some(Item::Note(note)),
        }
    }

    /// The snapshot's regions as far as they are wanted.
    fn cut(&self, mut snapshot: Snapshot) -> Snapshot {
        if self.addresses.is_empty() {
            return snapshot;
        }
        let regions = std::mem::take(&mut snapshot.regions);
        let extra = snapshot.extra.as_deref_mut();
        let (mut passed, mut hits) = (Vec::new(), Vec::new());
        for (i, region) in regions.iter().enumerate() {
            for range in &self.addresses {
                let (start, end) = (region.start.max(range.start), region.end.min(range.end));
                if start >= end {
                    continue;
                }
                snapshot.regions.push(Region {
                    start,
                    end,
                    ..*region
                });
                if let Some(extra) = &extra {
                    let share = extra.filter_passed.get(i).copied().flatten();
                    passed.push(share.map(|bytes| in_proportion(bytes, end - start, region.len())));
                    hits.push(extra.probe_hits.get(i).cloned().unwrap_or_default());
                }
            }
        }
        if let Some(extra) = extra {
            if !extra.filter_passed.is_empty() {
                extra.filter_passed = passed;
            }
            if !extra.probe_hits.is_empty() {
                extra.probe_hits = hits;
            }
            extra.total_bytes = None;
        }
        snapshot
    }
}

fn in_proportion(bytes: u64, part: u64, whole: u64) -> u64 {
    let share = u128::from(bytes) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}
