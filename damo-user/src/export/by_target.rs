//! A record's items, one target after the other, in few passes over it.
//!
//! As many targets as fit into [`BATCH`] are collected in one pass; one that
//! alone does not fit has a pass of its own and is kept nowhere. So there are
//! never more passes than targets, nor than twice the record's weight in memory
//! over [`BATCH`], and one.

use std::collections::{HashMap, VecDeque};
use std::mem::size_of;

use super::Filter;
use crate::model::{Item, Items, ReadError, Record, Region, Snapshot, TargetKey};

/// Bytes that the targets of one pass may take in memory.
const BATCH: u64 = 64 << 20;
/// What a small allocation, or an entry of a map, takes beside its bytes.
const ENTRY: usize = 64;

/// Whose an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// One target's.
    Of(TargetKey),
    /// Every target's.
    All,
    /// Not wanted.
    Nobody,
}

/// A walk over a record, target by target.
pub struct ByTarget<'a> {
    record: &'a mut dyn Record,
    filter: &'a Filter,
    whose: fn(&Item) -> Whose,
    /// Targets to come, and what each weighs.
    left: VecDeque<(TargetKey, u64)>,
    /// Targets that were read already.
    batch: VecDeque<Vec<Item>>,
    most: u64,
}

impl<'a> ByTarget<'a> {
    /// `targets` in the order in which they are to come, each with the
    /// [`weight`] of its items in bytes.
    pub fn new(
        record: &'a mut dyn Record,
        filter: &'a Filter,
        targets: impl Iterator<Item = (TargetKey, u64)>,
        whose: fn(&Item) -> Whose,
    ) -> Self {
        ByTarget {
            record,
            filter,
            whose,
            left: targets.collect(),
            batch: VecDeque::new(),
            most: BATCH,
        }
    }

    /// The next target's items, in order; `None` after the last.
    ///
    /// # Errors
    /// The record cannot be read any more.
    pub fn next_target(&mut self) -> Result<Option<Items<'_>>, ReadError> {
        if self.batch.is_empty() {
            let count = self.fitting();
            if count < 2 {
                return self.alone();
            }
            let targets: Vec<TargetKey> = self.left.drain(..count).map(|(key, _)| key).collect();
            self.read(&targets)?;
        }
        let items = self.batch.pop_front().unwrap_or_default();
        Ok(Some(Box::new(items.into_iter().map(Ok))))
    }

    /// How many of the next targets fit into one pass.
    fn fitting(&self) -> usize {
        let mut room = self.most;
        let fits = |(_, weight): &&(TargetKey, u64)| {
            let left = room.checked_sub(*weight);
            room = left.unwrap_or(0);
            left.is_some()
        };
        self.left.iter().take_while(fits).count()
    }

    /// A target that is not kept.
    fn alone(&mut self) -> Result<Option<Items<'_>>, ReadError> {
        let Some((key, _)) = self.left.pop_front() else {
            return Ok(None);
        };
        let whose = self.whose;
        let wanted = move |item: &Result<Item, ReadError>| match item {
            Ok(item) => match whose(item) {
                Whose::Of(target) => target == key,
                Whose::All => true,
                Whose::Nobody => false,
            },
            Err(_) => true,
        };
        let items = self.filter.items(self.record)?;
        Ok(Some(Box::new(items.filter(wanted))))
    }

    fn read(&mut self, targets: &[TargetKey]) -> Result<(), ReadError> {
        let places: HashMap<TargetKey, usize> = targets.iter().copied().zip(0..).collect();
        let mut batch = vec![Vec::new(); targets.len()];
        for item in self.filter.items(self.record)? {
            let item = item?;
            match (self.whose)(&item) {
                Whose::Of(key) => {
                    let place = places.get(&key).and_then(|place| batch.get_mut(*place));
                    if let Some(items) = place {
                        items.push(item);
                    }
                }
                Whose::All => batch.iter_mut().for_each(|items| items.push(item.clone())),
                Whose::Nobody => {}
            }
        }
        self.batch = batch.into();
        Ok(())
    }
}

/// Bytes that an item takes in memory, about.
pub fn weight(item: &Item) -> u64 {
    let inside = match item {
        Item::Snapshot(snapshot) => of_snapshot(snapshot),
        Item::Gap(_) | Item::Note(_) => 0,
    };
    // A list that grows may have room for twice as many.
    (2 * size_of::<Item>() + inside) as u64
}

fn of_snapshot(snapshot: &Snapshot) -> usize {
    let regions = snapshot.regions.capacity() * size_of::<Region>();
    let Some(extra) = &snapshot.extra else {
        return regions;
    };
    let passed = extra.filter_passed.capacity() * size_of::<Option<u64>>();
    let hits = extra.probe_hits.iter();
    let hits = hits.map(|hits| ENTRY + hits.capacity() * size_of::<u32>());
    let stats = extra.scheme_stats.iter().flatten();
    let stats = stats.map(|(name, _)| 2 * ENTRY + name.capacity());
    regions + passed + ENTRY * 2 + hits.sum::<usize>() + stats.sum::<usize>()
}

#[cfg(test)]
mod tests;
