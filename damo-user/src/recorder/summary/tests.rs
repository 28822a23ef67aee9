//! What is written of counts that only grow.

use std::io::Cursor;

use damo_ebpf::summary::Counted;

use super::*;
use crate::model::{Intervals, Meta, Tuned};
use crate::store::{Reader, Writer, compact};

const TARGET: TargetKey = TargetKey {
    kdamond: 7,
    target_id: 1,
};

fn told(summarizer: &mut Summarizer, now: &Summary, now_ns: u64) -> (u64, Vec<Summed>) {
    let mut told = Vec::new();
    let left_out = summarizer.tell(TARGET, Box::new(*now), now_ns, &mut |note| {
        assert_eq!(note.time_ns, now_ns);
        let Known::Summed(summed) = note.what else {
            panic!("{note:?}");
        };
        assert_eq!(summed.target, TARGET);
        told.push(summed);
    });
    summarizer.since_ns = now_ns;
    (left_out, told)
}

fn plain(told: &[Summed]) -> Vec<(Figure, u32, u64)> {
    let rows = told.iter().map(|it| (it.figure, it.step, it.value));
    rows.collect()
}

#[test]
fn differences_are_told_and_nothing_between_is_lost() {
    let mut summarizer = Summarizer::new(Duration::from_secs(60), 1000);
    let mut summary = *NOTHING;
    (summary.snapshots, summary.regions) = (2, 5);
    summary.rates[0] = u64::MAX - PAGE / 2;
    summary.idle[9] = 3 * PAGE - 1;
    summary.sizes[4] = u32::MAX;
    let (_, first) = told(&mut summarizer, &summary, 5000);
    let expected = [
        (Figure::Length, 0, 4000),
        (Figure::Snapshots, 0, 2),
        (Figure::Regions, 0, 5),
        (Figure::Rate, 0, (1 << 52) - 1),
        (Figure::Idle, 9, 2),
        (Figure::WorkingSet, 4, u32::MAX.into()),
    ];
    assert_eq!(plain(&first), expected);
    // Sums go around; what was less than a page is told now.
    (summary.snapshots, summary.regions) = (3, 6);
    summary.rates[0] = summary.rates[0].wrapping_add(PAGE);
    summary.idle[9] += 1;
    summary.sizes[4] = summary.sizes[4].wrapping_add(2);
    let (_, second) = told(&mut summarizer, &summary, 6000);
    let expected = [
        (Figure::Length, 0, 1000),
        (Figure::Snapshots, 0, 1),
        (Figure::Regions, 0, 1),
        (Figure::Rate, 0, 1),
        (Figure::Idle, 9, 1),
        (Figure::WorkingSet, 4, 2),
    ];
    assert_eq!(plain(&second), expected);
    assert!(told(&mut summarizer, &summary, 7000).1.is_empty());
    let totals = Totals {
        snapshots: 3,
        regions: 6,
    };
    assert_eq!(summarizer.totals(), totals);
    // Another has its place.
    let mut other = *NOTHING;
    (other.snapshots, other.regions) = (1, 1);
    let (_, third) = told(&mut summarizer, &other, 8000);
    assert_eq!(third.len(), 3);
}

/// A process of 140 regions, of which each is used now and then.
fn minute(summary: &mut Summary, ages: &mut [u64; 140], random: &mut impl FnMut() -> u64) {
    for _ in 0..600 {
        for (index, age) in (0u64..).zip(ages.iter_mut()) {
            let in_use = random() % 1000 < 20 + 600 / (index + 1);
            *age = if in_use { 0 } else { *age + 1 };
            summary.count(&Counted {
                bytes: (index * 37 % 1000 + 1) * PAGE,
                nr_accesses: if in_use { 1 + random() % 20 } else { 0 },
                checks: 20,
                idle_us: *age * 100_000,
                begins: index == 0,
                ends: index == 139,
            });
        }
    }
}

#[test]
fn a_minute_takes_a_few_hundred_bytes() {
    let mut summarizer = Summarizer::new(Duration::from_secs(60), 0);
    let mut summary = *NOTHING;
    let mut writer = Writer::new(Vec::new(), &Meta::default()).unwrap();
    let mut state = 1u64;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state >> 33
    };
    let mut ages = [0; 140];
    let begun = writer.stats().bytes;
    for number in 1..=10 {
        minute(&mut summary, &mut ages, &mut random);
        let (_, rows) = told(&mut summarizer, &summary, number * 60_000_000_000);
        for summed in rows {
            let what = Known::Summed(summed);
            let time_ns = number * 60_000_000_000;
            writer.note(&Note { time_ns, what }).unwrap();
        }
        writer.flush().unwrap();
    }
    let apart = (writer.stats().bytes - begun) / 10;
    writer.finish().unwrap();
    let file = writer.into_sink();
    let mut reader = Reader::from_source(Cursor::new(file), "x").unwrap();
    let mut full = Vec::new();
    compact(&mut reader, &mut full).unwrap();
    let together = (full.len() as u64 - begun) / 10;
    println!("{apart} bytes each, {together} of a closed file");
    assert!(apart < 1000 && together < 700, "{apart} {together}");
}

#[test]
fn what_is_left_out_is_counted_once() {
    let mut summarizer = Summarizer::new(Duration::from_secs(60), 0);
    let mut summary = *NOTHING;
    (summary.snapshots, summary.regions) = (1, 1);
    assert_eq!(told(&mut summarizer, &summary, 1).0, 0);
    for (now, left_out) in [(1, 0), (4, 3), (4, 0), (5, 1)] {
        summary.left_out = now;
        let (counted, rows) = told(&mut summarizer, &summary, 2);
        assert_eq!((counted, rows.len()), (left_out, 0));
    }
}

#[test]
fn it_is_due_in_step_and_once_after_a_sleep() {
    let mut summarizer = Summarizer::new(Duration::from_nanos(100), 1000);
    for (now_ns, next_ns) in [(1100, 1200), (1250, 1300), (9000, 9100), (9100, 9200)] {
        assert!(summarizer.is_due(now_ns));
        summarizer.step(now_ns);
        assert_eq!(summarizer.since_ns(), now_ns);
        assert!(!summarizer.is_due(next_ns - 1), "{now_ns}");
        assert!(summarizer.is_due(next_ns), "{now_ns}");
    }
}

#[test]
fn of_tuned_intervals_only_the_latest_is_kept() {
    let mut summarizer = Summarizer::new(Duration::from_secs(60), 0);
    let note = |time_ns, kdamond| Note {
        time_ns,
        what: Known::Tuned(Tuned {
            kdamond,
            intervals: Intervals {
                sample_us: 1,
                aggr_us: 20,
                update_us: 1000,
            },
        }),
    };
    for (time_ns, kdamond) in [(1, 7), (2, 8), (3, 7)] {
        assert_eq!(summarizer.hold(note(time_ns, kdamond)), None);
    }
    let clock = Note {
        time_ns: 4,
        what: Known::Clock(5),
    };
    assert_eq!(summarizer.hold(clock.clone()), Some(clock));
    let held: Vec<Note> = summarizer.held.into_values().collect();
    assert_eq!(held, [note(3, 7), note(2, 8)]);
}
