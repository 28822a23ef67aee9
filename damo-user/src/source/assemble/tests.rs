//! The assembler against a kernel that loses events.

use super::*;
use crate::analyze::Losses;
use crate::model::Snapshot;
use proptest::prelude::*;

const KDAMOND: u32 = 77;
const INTERVALS: Intervals = Intervals {
    sample_us: 5_000,
    aggr_us: 100_000,
    update_us: 1_000_000,
};

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Kept,
    /// The program saw it, and the ring was full.
    Lost,
    /// It never reached the program.
    Unseen,
}
use Fate::{Kept, Lost, Unseen};

/// Does what the kernel and the BPF program do: announces snapshots of the
/// given sizes, and each event meets its `fate`.
fn emit(sizes: &[(u64, u32)], mut fate: impl FnMut(usize) -> Fate) -> (Vec<Event>, Kdamond) {
    let mut state = Kdamond::default();
    let mut events = Vec::new();
    let mut index = 0;
    for (burst, &(target_id, nr_regions)) in sizes.iter().enumerate() {
        for region in 0..u64::from(nr_regions) {
            let start = 0x1000 * (1 + region);
            let fate = fate(index);
            index += 1;
            if fate == Unseen {
                continue;
            }
            state.follow(target_id, nr_regions, start);
            if fate == Lost {
                state.lost += 1;
            } else {
                events.push(Event {
                    time_ns: (burst as u64 + 1) * 100_000_000 + region,
                    kdamond: KDAMOND,
                    snapshot: state.snapshot,
                    lost: state.lost as u32,
                    left: state.left,
                    target_id,
                    nr_regions,
                    start,
                    end: start + 0x1000,
                    nr_accesses: region as u32,
                    age: Some(1),
                });
            }
        }
    }
    (events, state)
}

fn assemble(events: &[Event], counters: &Kdamond) -> Vec<Item> {
    let mut items = Vec::new();
    let mut assembler = Assembler::new(Some(INTERVALS), 1);
    assembler.started(1);
    for event in events {
        assembler.push(event, &mut |item| items.push(item));
        // Another is switched on meanwhile: that is not this one's beginning.
        assembler.started(u64::MAX);
    }
    assembler.finish(KDAMOND, Some(counters), u64::MAX, &mut |item| {
        items.push(item)
    });
    items
}

/// Samples that are there, and those that are told to be missing.
fn totals(items: &[Item]) -> (u64, u64) {
    let mut losses = Losses::default();
    items.iter().for_each(|item| losses.add(item));
    assert_eq!(losses.uncounted_gaps, 0);
    (losses.stored, losses.samples())
}

/// Loses the events with these numbers.
fn lost(which: std::ops::Range<usize>) -> impl Fn(usize) -> Fate {
    move |index| if which.contains(&index) { Lost } else { Kept }
}

#[test]
fn frames_targets_in_turn_and_chains_their_times() {
    let (events, counters) = emit(&[(0, 3), (1, 2), (0, 3), (1, 4)], |_| Kept);
    let items = assemble(&events, &counters);
    let told: Vec<_> = items
        .iter()
        .map(|item| match item {
            Item::Snapshot(s) => (
                s.target.target_id,
                s.regions.len(),
                s.missing,
                s.start_ns,
                s.end_ns,
            ),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            (0, 3, 0, 1, 100_000_000),
            (1, 2, 0, 1, 200_000_000),
            (0, 3, 0, 100_000_000, 300_000_000),
            (1, 4, 0, 200_000_000, 400_000_000),
        ]
    );
}

#[test]
fn gives_a_complete_snapshot_at_once() {
    let (events, _) = emit(&[(0, 3)], |_| Kept);
    let mut given = 0;
    let mut assembler = Assembler::new(None, 1);
    for event in &events {
        assembler.push(event, &mut |_| given += 1);
    }
    assert_eq!(given, 1);
}

#[test]
fn tells_missing_regions_from_missing_snapshots() {
    // Lost: the tail of the first, all of the second, the head of the third.
    let (events, counters) = emit(&[(0, 4), (0, 5), (0, 4)], lost(2..10));
    let items = assemble(&events, &counters);
    assert!(matches!(&items[0], Item::Snapshot(s) if s.missing == 2 && s.regions.len() == 2));
    assert!(matches!(&items[1], Item::Gap(g) if g.events == Some(5)
        && g.start_ns == 100_000_001 && g.end_ns == 300_000_001));
    assert!(
        matches!(&items[2], Item::Snapshot(s) if s.missing == 1 && s.regions.len() == 3
        && s.start_ns == 200_000_001)
    );
    assert_eq!(items.len(), 3);
}

#[test]
fn never_mixes_two_snapshots_of_equal_size() {
    // The tail of one and the head of the next are lost: ascending
    // addresses alone would make one snapshot of both.
    let (events, counters) = emit(&[(0, 4), (0, 4)], lost(2..6));
    let items = assemble(&events, &counters);
    assert_eq!(items.len(), 2);
    assert_eq!(totals(&items), (4, 4));
}

#[test]
fn tells_what_was_lost_at_the_end() {
    let (events, counters) = emit(&[(0, 2), (0, 3)], lost(2..5));
    let items = assemble(&events, &counters);
    assert!(matches!(&items[1], Item::Gap(g) if g.events == Some(3)));
    let (events, counters) = emit(&[(0, 3)], |_| Lost);
    assert_eq!(totals(&assemble(&events, &counters)), (0, 3));
}

#[test]
fn tells_what_never_reached_the_program() {
    // The tail of the first; another snapshot's head, middle and tail.
    for unseen in [2..4, 4..6, 5..7, 6..8] {
        let fate = |i: usize| if unseen.contains(&i) { Unseen } else { Kept };
        let (events, counters) = emit(&[(0, 4), (1, 4), (0, 4)], fate);
        assert_eq!(counters.lost, 0);
        let items = assemble(&events, &counters);
        let missing = |item: &Item| match item {
            Item::Snapshot(s) => s.missing,
            other => panic!("{other:?}"),
        };
        let missing: Vec<u32> = items.iter().map(missing).collect();
        let expected = if unseen.start < 4 {
            [2, 0, 0]
        } else {
            [0, 2, 0]
        };
        assert_eq!(missing, expected, "{unseen:?}");
    }
    // Of the first snapshot, the program saw one event, and the ring lost it.
    let fate = |i| match i {
        0 => Lost,
        1..4 => Unseen,
        _ => Kept,
    };
    let (events, counters) = emit(&[(0, 4), (1, 2)], fate);
    assert_eq!(totals(&assemble(&events, &counters)), (2, 4));
    // And where the ring lost nothing, the gap says so.
    let (_, counters) = emit(&[(0, 4)], |i| if i == 0 { Kept } else { Unseen });
    let items = assemble(&[], &counters);
    assert!(matches!(&items[..], [Item::Gap(g)] if g.cause == LossCause::Unseen));
}

#[test]
fn keeps_kdamonds_apart() {
    let (mut events, _) = emit(&[(0, 2)], |_| Kept);
    let other = Event {
        kdamond: 78,
        ..events[0]
    };
    events.insert(1, other);
    let mut items = Vec::new();
    let mut assembler = Assembler::new(None, 1);
    for event in &events {
        assembler.push(event, &mut |item| items.push(item));
    }
    assert!(matches!(&items[..], [Item::Snapshot(s)] if s.regions.len() == 2));
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![3 => Just(Kept), 1 => Just(Lost), 1 => Just(Unseen)];
    prop::collection::vec(fate, 800)
}

proptest! {
    #[test]
    fn seen_is_stored_plus_lost(
        sizes in prop::collection::vec((0u64..3, 1u32..20), 0..40),
        fates in fates(),
    ) {
        let (events, counters) = emit(&sizes, |i| fates[i]);
        let items = assemble(&events, &counters);
        let (stored, lost) = totals(&items);
        prop_assert_eq!(stored, counters.seen - counters.lost);
        let unseen = counters.unseen + u64::from(counters.left);
        prop_assert_eq!(lost, counters.lost + unseen);
        for item in &items {
            if let Item::Snapshot(s) = item {
                prop_assert!(s.start_ns <= s.end_ns);
                prop_assert!(s.regions.is_sorted_by_key(|r| r.start));
            }
        }
    }

    /// Counted by hand, without the program's counters. A target each, so
    /// that no two snapshots can look like one.
    #[test]
    fn announced_is_stored_plus_lost(
        sizes in prop::collection::vec(1u32..20, 0..40),
        fates in fates(),
    ) {
        let sizes: Vec<(u64, u32)> = (0..).zip(sizes).collect();
        let (mut next, mut announced) = (0, 0);
        for &(_, nr_regions) in &sizes {
            let fates = &fates[next..next + nr_regions as usize];
            next += nr_regions as usize;
            // A snapshot of which the program saw nothing leaves no trace.
            if fates.iter().any(|fate| *fate != Unseen) {
                announced += u64::from(nr_regions);
            }
        }
        let (events, counters) = emit(&sizes, |i| fates[i]);
        let (stored, lost) = totals(&assemble(&events, &counters));
        prop_assert_eq!(stored + lost, announced);
    }
}

/// An aggregation of one region that ended at `ms`.
fn aggregation(number: u32, target_id: u64, ms: u64) -> Event {
    Event {
        time_ns: ms * 1_000_000,
        kdamond: KDAMOND,
        snapshot: number,
        lost: 0,
        left: 0,
        target_id,
        nr_regions: 1,
        start: 0x1000,
        end: 0x2000,
        nr_accesses: 1,
        age: Some(3),
    }
}

fn told(ms: u64, what: What) -> Told {
    Told {
        time_ns: ms * 1_000_000,
        kdamond: KDAMOND,
        what,
    }
}

fn snapshots(items: &[Item]) -> Vec<&Snapshot> {
    let snapshots = items.iter().filter_map(|item| match item {
        Item::Snapshot(snapshot) => Some(snapshot),
        _ => None,
    });
    snapshots.collect()
}

#[test]
fn what_is_tuned_counts_from_the_next_aggregation_on_but_ages_at_once() {
    let mut assembler = Assembler::new(Some(INTERVALS), 1);
    let mut items = Vec::new();
    let mut out = |item| items.push(item);
    for target in [0, 1] {
        assembler.push(&aggregation(1 + target, target.into(), 100), &mut out);
    }
    assembler.told(&told(199, What::Tuned(10_000)), &mut out);
    for target in [0, 1] {
        assembler.push(&aggregation(3 + target, target.into(), 200), &mut out);
    }
    // The kernel's own structures say the same again.
    let now = Intervals {
        sample_us: 10_000,
        aggr_us: 200_000,
        ..INTERVALS
    };
    let context = What::Context {
        intervals: now,
        nr_regions: (10, 1000),
        ops: None,
        addr_unit: 1,
    };
    assembler.told(&told(399, context), &mut out);
    for target in [0, 1] {
        assembler.push(&aggregation(5 + target, target.into(), 400), &mut out);
    }
    let notes = items.iter().filter(|item| matches!(item, Item::Note(_)));
    assert_eq!(notes.count(), 1);
    let found: Vec<_> = snapshots(&items)
        .iter()
        .map(|it| (it.intervals.unwrap().aggr_us, it.age_unit_us().unwrap()))
        .collect();
    let (before, after) = (100_000, 200_000);
    let expected = [(before, before), (before, after), (after, after)];
    assert_eq!(found, expected.map(|it| [it, it]).concat());
}

#[test]
fn what_somebody_commits_counts_at_once() {
    let mut assembler = Assembler::new(Some(INTERVALS), 1);
    let mut items = Vec::new();
    let mut out = |item| items.push(item);
    assembler.push(&aggregation(1, 0, 100), &mut out);
    let intervals = Intervals {
        sample_us: 1000,
        aggr_us: 20_000,
        ..INTERVALS
    };
    let context = What::Context {
        intervals,
        nr_regions: (10, 1000),
        ops: None,
        addr_unit: 4096,
    };
    assembler.told(&told(119, context), &mut out);
    assembler.push(&aggregation(2, 0, 120), &mut out);
    let [_, second] = snapshots(&items)[..] else {
        panic!("{items:?}");
    };
    assert_eq!(
        (second.intervals, second.extra.as_ref()),
        (Some(intervals), None)
    );
    assert_eq!(second.regions[0].start, 0x1000 * 4096);
}

#[test]
fn a_time_without_monitoring_is_told_and_in_no_snapshot() {
    let mut assembler = Assembler::new(Some(INTERVALS), 1);
    let mut items = Vec::new();
    let mut out = |item| items.push(item);
    // The fourth takes its time, as on a busy machine; before the fifth DAMON
    // was paused.
    for (number, ms) in [100, 200, 300, 650, 2650, 2750].into_iter().enumerate() {
        assembler.push(&aggregation(number as u32, 0, ms), &mut out);
    }
    let durations: Vec<u64> = snapshots(&items)
        .iter()
        .map(|it| it.duration_ns() / 1_000_000)
        .collect();
    assert_eq!(durations, [100, 100, 100, 350, 350, 100]);
    let silent: Vec<_> = items
        .iter()
        .filter_map(|item| match item {
            Item::Note(note) => Some((note.time_ns / 1_000_000, note.what.clone())),
            _ => None,
        })
        .collect();
    let [(2300, Known::Happened(happened))] = &silent[..] else {
        panic!("{silent:?}");
    };
    assert_eq!(
        (happened.what, happened.value),
        (Happening::Silent, 650_000_000)
    );
}
