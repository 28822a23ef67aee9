//! Filters while recording: the same regions as those of a full record that is
//! filtered afterwards, and nothing that is not counted.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::ops::Range;

use damo_user::control::params::{AccessPattern, AccessRate, Age, AgeRange, RateRange, SizeRange};
use damo_user::export::Filter;
use damo_user::import;
use damo_user::model::{Extra, Intervals, Item, Meta, Region, Snapshot, TargetKey};
use damo_user::recorder::{Filters, Sieve};
use damo_user::store::Writer;
use proptest::prelude::*;

const PAGE: u64 = 4096;

/// A record's snapshots, written and read again.
fn stored(snapshots: impl Iterator<Item = Snapshot>, filter: &Filter) -> Vec<Snapshot> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damon.data");
    let mut writer = Writer::new(std::fs::File::create(&path).unwrap(), &Meta::default()).unwrap();
    for snapshot in snapshots {
        writer.snapshot(&snapshot).unwrap();
    }
    writer.finish().unwrap();
    let mut record = import::open(&path).unwrap();
    let items = filter.items(&mut *record).unwrap();
    let snapshot = |item| match item {
        Item::Snapshot(snapshot) => Some(snapshot),
        _ => None,
    };
    items.filter_map(|item| snapshot(item.unwrap())).collect()
}

fn snapshots() -> impl Strategy<Value = Vec<Snapshot>> {
    let region = (
        0..3u64,
        0..6u64,
        0..25u32,
        prop::option::of(0..20u32),
        0..PAGE,
    );
    let snapshot = (
        prop::collection::vec(region, 0..12),
        prop::option::of((1..4u64, 1..30u64)),
        any::<bool>(),
    );
    prop::collection::vec(snapshot, 0..6).prop_map(|all| {
        let all = all.into_iter().zip(0..);
        all.map(|((parts, intervals, extra), n)| {
            let (mut regions, mut passed, mut end) = (Vec::new(), Vec::new(), 0);
            for (gap, pages, nr_accesses, age, bytes) in parts {
                let start = end + gap * PAGE;
                end = start + pages * PAGE;
                regions.push(Region {
                    start,
                    end,
                    nr_accesses,
                    age,
                });
                passed.push(Some(bytes));
            }
            let extra = extra.then(|| {
                Box::new(Extra {
                    filter_passed: passed,
                    ..Extra::default()
                })
            });
            Snapshot {
                target: TargetKey {
                    kdamond: 1,
                    target_id: 0,
                },
                start_ns: n * 100,
                end_ns: n * 100 + 100,
                intervals: intervals.map(|(ms, samples)| Intervals {
                    sample_us: ms * 1000,
                    aggr_us: ms * 1000 * samples,
                    update_us: 1,
                }),
                missing: 0,
                extra: extra.filter(|_| !regions.is_empty()),
                regions,
            }
        })
        .collect()
    })
}

/// Limits as typed: pages, percents and milliseconds.
#[derive(Clone, Debug)]
struct Typed {
    pages: Option<(u64, u64)>,
    percent: Option<(u64, u64)>,
    ms: Option<(u64, u64)>,
    addresses: Vec<Range<u64>>,
}

fn typed() -> impl Strategy<Value = Typed> {
    let pair = |most: u64| {
        prop::option::of((0..most, 0..most))
            .prop_map(|pair| pair.map(|(a, b)| (a.min(b), a.max(b))))
    };
    let addresses = prop::collection::btree_set(0..60u64, 0..6).prop_map(|bounds| {
        // Half pages, too.
        let bounds: Vec<u64> = bounds.into_iter().map(|half| half * PAGE / 2).collect();
        bounds
            .chunks_exact(2)
            .map(|pair| pair[0]..pair[1])
            .collect()
    });
    (pair(7), pair(130), pair(600), addresses).prop_map(|(pages, percent, ms, addresses)| Typed {
        pages,
        percent,
        ms,
        addresses,
    })
}

impl Typed {
    fn filters(&self) -> Filters {
        let mut pattern = AccessPattern::default();
        if let Some((min, max)) = self.pages {
            pattern.sz_bytes = SizeRange {
                min: min * PAGE,
                max: max * PAGE,
            };
        }
        let percent = |number: u64| number.to_string().parse::<AccessRate>().unwrap();
        if let Some((min, max)) = self.percent {
            pattern.nr_accesses = RateRange {
                min: percent(min),
                max: percent(max),
            };
        }
        if let Some((min, max)) = self.ms {
            pattern.age = AgeRange {
                min: Age::Us(min * 1000),
                max: Age::Us(max * 1000),
            };
        }
        Filters {
            pattern,
            addresses: self.addresses.clone(),
            typed: Vec::new(),
        }
    }

    /// What the words mean, without any of the code that is tested.
    fn wants(&self, region: &Region, intervals: Option<Intervals>) -> bool {
        let within = |value: u64, unit: u64, limits: Option<(u64, u64)>| {
            limits.is_none_or(|(min, max)| value >= min * unit && value <= max * unit)
        };
        let size = within(region.end - region.start, PAGE, self.pages);
        let (accesses, age) = (u64::from(region.nr_accesses), region.age.map(u64::from));
        let (rate, old) = match intervals {
            Some(it) => (
                within(accesses * 100 * it.sample_us, it.aggr_us, self.percent),
                age.is_none_or(|age| within(age * it.aggr_us, 1000, self.ms)),
            ),
            // Only zero is known to be zero.
            None => (
                accesses > 0 || within(0, 1, self.percent),
                age.is_none_or(|age| age > 0 || within(0, 1, self.ms)),
            ),
        };
        size && rate && old
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn recording_keeps_what_a_filter_of_the_full_record_would(all in snapshots(), typed in typed()) {
        let filters = typed.filters();
        let later = Filter {
            pattern: filters.pattern,
            addresses: filters.addresses.clone(),
            ..Filter::default()
        };
        let mut sieve = Sieve::new(filters);
        let kept: Vec<Snapshot> = all.iter().cloned().map(|it| sieve.pass(it)).collect();
        let recorded = stored(kept.clone().into_iter(), &Filter::default());
        // Empty ones, too, are there when they are read.
        prop_assert_eq!(recorded.len(), all.len());
        prop_assert_eq!(&recorded, &stored(all.iter().cloned(), &later));

        let seen: usize = all.iter().map(|it| it.regions.len()).sum();
        let held: usize = kept.iter().map(|it| it.regions.len()).sum();
        prop_assert_eq!(sieve.expected(seen as u64), held as u64);
        let mut left_out = 0;
        for (before, after) in all.iter().zip(&recorded) {
            let mut expected = Vec::new();
            for region in &before.regions {
                let count = expected.len();
                if typed.wants(region, before.intervals) {
                    let mut ranges = typed.addresses.clone();
                    if ranges.is_empty() {
                        ranges.push(region.start..region.end);
                    }
                    for range in ranges {
                        let (start, end) = (region.start.max(range.start), region.end.min(range.end));
                        if start < end || typed.addresses.is_empty() {
                            expected.push(Region { start, end, ..*region });
                        }
                    }
                }
                left_out += u64::from(expected.len() == count);
            }
            prop_assert_eq!(&expected, &after.regions);
            if let Some(extra) = &after.extra {
                prop_assert_eq!(extra.filter_passed.len(), after.regions.len());
            }
        }
        prop_assert_eq!(sieve.left_out(), left_out);
    }
}

#[test]
fn a_snapshot_without_regions_stays() {
    let idle = Snapshot {
        target: TargetKey {
            kdamond: 1,
            target_id: 3,
        },
        start_ns: 5,
        end_ns: 9,
        intervals: None,
        missing: 2,
        regions: vec![Region {
            start: 0,
            end: PAGE,
            nr_accesses: 0,
            age: Some(1),
        }],
        extra: None,
    };
    let filters = Filters {
        pattern: AccessPattern {
            nr_accesses: RateRange {
                min: AccessRate::Samples(1),
                max: AccessRate::Max,
            },
            ..AccessPattern::default()
        },
        ..Filters::default()
    };
    let mut sieve = Sieve::new(filters);
    let passed = sieve.pass(idle.clone());
    let empty = Snapshot {
        regions: Vec::new(),
        ..idle
    };
    assert_eq!(passed, empty);
    assert_eq!((sieve.left_out(), sieve.expected(10)), (1, 9));
    let back = stored(
        [passed.clone(), passed.clone()].into_iter(),
        &Filter::default(),
    );
    assert_eq!(back, [passed.clone(), passed]);
}

#[test]
fn what_nothing_can_match_is_told_beforehand() {
    let intervals = Intervals {
        sample_us: 5_000,
        aggr_us: 100_000,
        update_us: 1_000_000,
    };
    let mut filters = Filters::default();
    assert!(!filters.any());
    filters.pattern.nr_accesses.min = "1".parse().unwrap();
    filters.pattern.nr_accesses.max = "4".parse().unwrap();
    let error = filters.check(&intervals).unwrap_err().to_string();
    assert!(
        error.starts_with("--access_rate: ") && error.contains("samples"),
        "{error}"
    );
    filters.pattern.nr_accesses.max = "5".parse().unwrap();
    assert!(filters.any() && filters.check(&intervals).is_ok());
    filters.pattern.age = AgeRange {
        min: Age::Us(1),
        max: Age::Us(99_999),
    };
    let error = filters.check(&intervals).unwrap_err().to_string();
    assert!(error.starts_with("--age: "), "{error}");
}
