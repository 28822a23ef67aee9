#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::model::{Gap, LossCause, Meta};

/// Counts its passes.
struct Counted {
    meta: Meta,
    items: Vec<Item>,
    passes: usize,
}

impl Record for Counted {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn items(&mut self) -> Result<Items<'_>, ReadError> {
        self.passes += 1;
        Ok(Box::new(self.items.iter().cloned().map(Ok)))
    }
}

fn key(target_id: u64) -> TargetKey {
    TargetKey {
        kdamond: 0,
        target_id,
    }
}

fn snapshot(target_id: u64, time: u64, regions: usize) -> Item {
    let region = Region {
        start: 0,
        end: 0,
        nr_accesses: 0,
        age: None,
    };
    Item::Snapshot(Snapshot {
        target: key(target_id),
        start_ns: time,
        end_ns: time + 1,
        intervals: None,
        missing: 0,
        regions: vec![region; regions],
        extra: None,
    })
}

fn gap(target: Option<u64>, time: u64) -> Item {
    Item::Gap(Gap {
        target: target.map(key),
        start_ns: time,
        end_ns: time,
        events: None,
        cause: LossCause::Damaged,
    })
}

fn whose(item: &Item) -> Whose {
    match item {
        Item::Snapshot(snapshot) => Whose::Of(snapshot.target),
        Item::Gap(gap) => gap.target.map_or(Whose::All, Whose::Of),
        Item::Note(_) => Whose::Nobody,
    }
}

/// Targets of so many regions in each of `rounds` snapshots, with gaps of
/// one's and everybody's between.
fn record(regions: &[usize], rounds: u64) -> Counted {
    let mut items = Vec::new();
    for round in 0..rounds {
        for (target, regions) in (0..).zip(regions) {
            items.push(snapshot(target, round * 100 + target, *regions));
        }
        items.push(gap(Some(0), round * 100 + 90));
        items.push(gap(None, round * 100 + 91));
    }
    Counted {
        meta: Meta::default(),
        items,
        passes: 0,
    }
}

/// The walk's items by target, and how many passes it took with so much room.
fn walked(record: &mut Counted, targets: u64, most: u64) -> (Vec<Vec<Item>>, usize) {
    record.passes = 0;
    let weigh = |target: u64| {
        let of = |item: &&Item| [Whose::All, Whose::Of(key(target))].contains(&whose(item));
        record.items.iter().filter(of).map(weight).sum()
    };
    let targets: Vec<(TargetKey, u64)> = (0..targets).map(|it| (key(it), weigh(it))).collect();
    let filter = Filter::default();
    let mut walk = ByTarget::new(record, &filter, targets.into_iter(), whose);
    walk.most = most;
    let mut parts = Vec::new();
    while let Some(items) = walk.next_target().unwrap() {
        parts.push(items.map(Result::unwrap).collect());
    }
    (parts, record.passes)
}

#[test]
fn however_targets_are_read_each_gets_its_items_in_order() {
    let regions = [3, 0, 50, 2, 2000, 7, 1];
    let mut record = record(&regions, 4);
    // A pass for each.
    let (expected, passes) = walked(&mut record, 7, 0);
    assert_eq!(passes, 7);
    for (target, part) in (0..).zip(&expected) {
        let own = |item: &&Item| [Whose::All, Whose::Of(key(target))].contains(&whose(item));
        let own: Vec<Item> = record.items.iter().filter(own).cloned().collect();
        assert_eq!(*part, own);
    }
    let mut seen = Vec::new();
    for most in [1, 3_000, 10_000, 100_000, BATCH] {
        let (parts, passes) = walked(&mut record, 7, most);
        assert!(parts == expected, "with room for {most}");
        seen.push(passes);
    }
    assert!(seen.is_sorted_by(|a, b| a >= b), "{seen:?}");
    // The one that does not fit is between two batches.
    assert_eq!(seen[3], 3, "{seen:?}");
    assert_eq!(seen[4], 1, "{seen:?}");
}

#[test]
fn many_targets_take_as_many_passes_as_they_weigh() {
    let mut record = record(&[1; 80], 3);
    record
        .items
        .retain(|item| matches!(item, Item::Snapshot(_)));
    let whole: u64 = record.items.iter().map(weight).sum();
    for parts in [1, 2, 5, 20] {
        let (_, passes) = walked(&mut record, 80, whole.div_ceil(parts));
        let bound = 2 * parts as usize + 1;
        assert!(
            passes <= bound,
            "{passes} passes for {parts} times the room"
        );
    }
}
