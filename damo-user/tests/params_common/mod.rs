//! Any parameters that the model can hold, and DAMON takes.
#![allow(dead_code, clippy::unwrap_used)]

use damo_user::control::params::*;
use damo_user::model::Ops;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn word() -> impl Strategy<Value = String> {
    "[a-z/][a-z0-9/ ._-]{0,12}[a-z]"
}

fn rate() -> impl Strategy<Value = (AccessRate, AccessRate)> {
    let percent = |n: u64| AccessRate::Percent(Decimal::whole(n).unwrap());
    prop_oneof![
        (0..=20u64, 0..=20u64)
            .prop_map(|(a, b)| (AccessRate::Samples(a.min(b)), AccessRate::Samples(a.max(b)))),
        // Whole samples, with the intervals below.
        (0..=20u64, 0..=20u64)
            .prop_map(move |(a, b)| (percent(a.min(b) * 5), percent(a.max(b) * 5))),
        (0..=20u64).prop_map(move |a| (percent(a * 5), AccessRate::Max)),
        (0..=20u64).prop_map(|a| {
            let hz: AccessRate = format!("{} hz", a * 10).parse().unwrap();
            (hz, AccessRate::Max)
        }),
    ]
}

fn age() -> impl Strategy<Value = (Age, Age)> {
    let most = u64::from(u32::MAX) - 1;
    prop_oneof![
        (0..most, 0..most).prop_map(|(a, b)| (Age::Aggrs(a.min(b)), Age::Aggrs(a.max(b)))),
        (0..most, 0..most)
            .prop_map(|(a, b)| (Age::Us(a.min(b) * 100_000), Age::Us(a.max(b) * 100_000))),
        (0..most).prop_map(|a| (Age::Us(a), Age::Max)),
    ]
}

fn pattern() -> impl Strategy<Value = AccessPattern> {
    (any::<(u64, u64)>(), rate(), age()).prop_map(|((a, b), rate, age)| AccessPattern {
        sz_bytes: SizeRange {
            min: a.min(b),
            max: a.max(b),
        },
        nr_accesses: RateRange {
            min: rate.0,
            max: rate.1,
        },
        age: AgeRange {
            min: age.0,
            max: age.1,
        },
    })
}

fn filter(young: bool) -> impl Strategy<Value = Filter> {
    let kind = prop_oneof![
        Just(FilterKind::Anon),
        Just(if young {
            FilterKind::Young
        } else {
            FilterKind::Anon
        }),
        Just(if young {
            FilterKind::Active
        } else {
            FilterKind::Anon
        }),
        Just(if young {
            FilterKind::Unmapped
        } else {
            FilterKind::Anon
        }),
        word().prop_map(FilterKind::Memcg),
        (any::<u32>(), 1..u64::MAX / 2).prop_map(move |(start, len)| {
            let start = u64::from(start);
            match young {
                true => FilterKind::Addr(Region {
                    start,
                    end: start + len,
                }),
                false => FilterKind::Anon,
            }
        }),
        Just(if young {
            FilterKind::Target(0)
        } else {
            FilterKind::Anon
        }),
        any::<(u64, u64)>().prop_map(move |(a, b)| match young {
            true => FilterKind::HugepageSize {
                min: a.min(b),
                max: a.max(b)
            },
            false => FilterKind::Anon,
        }),
    ];
    (kind, any::<bool>(), any::<bool>()).prop_map(|(kind, matching, allow)| Filter {
        kind,
        matching,
        allow,
    })
}

fn goal() -> impl Strategy<Value = Goal> {
    let metric = select(GoalMetric::ALL.to_vec());
    (metric, 1..u64::MAX, any::<u64>(), 0..9i32, word()).prop_map(
        |(metric, target, current, nid, path)| Goal {
            metric,
            target_value: target,
            current_value: current,
            nid: if metric.of_node() { nid } else { 0 },
            path: if metric.of_memcg() {
                path
            } else {
                String::new()
            },
        },
    )
}

fn quotas() -> impl Strategy<Value = Quotas> {
    let amounts = (any::<u64>(), any::<u64>(), 1..=u64::MAX);
    let small = any::<[u32; 5]>();
    (
        amounts,
        vec(goal(), 0..3),
        select(GoalTuner::ALL.to_vec()),
        small,
    )
        .prop_map(
            |((time_ms, sz_bytes, reset_interval_ms), goals, goal_tuner, small)| {
                let [sz, rate, age, num, denom] = small.map(u64::from);
                Quotas {
                    time_ms,
                    sz_bytes,
                    reset_interval_ms,
                    goals,
                    goal_tuner,
                    fail_charge_num: num,
                    fail_charge_denom: denom,
                    effective_sz_bytes: 0,
                    weights: Weights {
                        sz_permil: sz,
                        nr_accesses_permil: rate,
                        age_permil: age,
                    },
                }
            },
        )
}

fn watermarks() -> impl Strategy<Value = Watermarks> {
    let metric = select(WatermarkMetric::ALL.to_vec());
    (metric, any::<u64>(), any::<[u16; 3]>()).prop_map(|(metric, interval_us, marks)| {
        let mut marks = marks.map(|mark| u64::from(mark % 1001));
        marks.sort_unstable();
        let [low_permil, mid_permil, high_permil] = marks;
        Watermarks {
            metric,
            interval_us,
            high_permil,
            mid_permil,
            low_permil,
        }
    })
}

fn scheme() -> impl Strategy<Value = Scheme> {
    let dest = any::<(u32, u32)>().prop_map(|(id, weight)| Dest {
        id: id.into(),
        weight: weight.into(),
    });
    (
        (select(Action::ALL.to_vec()), 0..9i32, vec(dest, 0..3)),
        (pattern(), any::<u64>(), any::<u64>()),
        (quotas(), watermarks(), vec(filter(true), 0..5)),
    )
        .prop_map(|(action, pattern, rest)| Scheme {
            action: action.0,
            target_nid: action.1,
            dests: action.2,
            access_pattern: pattern.0,
            apply_interval_us: pattern.1,
            max_nr_snapshots: pattern.2,
            quotas: rest.0,
            watermarks: rest.1,
            filters: rest.2,
        })
}

fn regions(most: usize) -> impl Strategy<Value = Vec<Region>> {
    vec((1..1u64 << 32, 1..1u64 << 32), 1..most).prop_map(|gaps| {
        let mut at = 0;
        let mut region = |(gap, len)| {
            let start = at + gap;
            at = start + len;
            Region { start, end: at }
        };
        gaps.into_iter().map(&mut region).collect()
    })
}

fn context() -> impl Strategy<Value = Context> {
    let ops = select(vec![Ops::Vaddr, Ops::Fvaddr, Ops::Paddr]);
    let target = (1..i32::MAX as u32, regions(4), any::<bool>());
    let probe = (0..1u64 << 20, vec(filter(false), 0..3))
        .prop_map(|(weight, filters)| Probe { weight, filters });
    let goal = (1..=10_000u64, 1..u64::MAX, 1..=5_000u64, 5_000..u64::MAX);
    (
        (ops, 0..20u32, any::<bool>()),
        (vec(target, 1..4), vec(probe, 0..4), goal, any::<bool>()),
        (any::<u64>(), 3..u64::MAX, 3..u64::MAX),
        vec(scheme(), 0..3),
    )
        .prop_map(|(first, second, third, schemes)| {
            let (ops, unit, pause) = first;
            let (targets, probes, goal, tune) = second;
            let paddr = ops == Ops::Paddr;
            let eligible = |goal: &Goal| paddr || goal.metric != GoalMetric::NodeEligibleMemBp;
            Context {
                ops,
                addr_unit: if paddr { 1 << unit } else { 1 },
                pause,
                targets: targets
                    .into_iter()
                    .take(if paddr { 1 } else { 4 })
                    .map(|(pid, regions, obsolete)| Target {
                        pid: (!paddr).then_some(pid),
                        regions,
                        obsolete,
                    })
                    .collect(),
                probes: if paddr { probes } else { Vec::new() },
                intervals: MonitoringIntervals {
                    ops_update_us: third.0,
                    intervals_goal: if tune {
                        IntervalsGoal {
                            access_bp: goal.0,
                            aggrs: goal.1,
                            min_sample_us: goal.2,
                            max_sample_us: goal.3,
                        }
                    } else {
                        IntervalsGoal::default()
                    },
                    ..MonitoringIntervals::default()
                },
                nr_regions: NrRegions {
                    min: third.1.min(third.2),
                    max: third.1.max(third.2),
                },
                schemes: schemes
                    .into_iter()
                    .map(|mut scheme| {
                        scheme.quotas.goals.retain(eligible);
                        scheme
                    })
                    .collect(),
            }
        })
}

/// Any parameters that the newest DAMON takes.
pub fn params() -> impl Strategy<Value = Params> {
    let kdamond = (any::<u32>(), context()).prop_map(|(refresh_ms, context)| Kdamond {
        refresh_ms: refresh_ms.into(),
        contexts: vec![context],
    });
    vec(kdamond, 0..3).prop_map(|kdamonds| Params { kdamonds })
}

/// The same, as far as a kernel has it.
pub fn fitted(mut params: Params, features: &Features) -> Params {
    let has = |feature| features.has(feature) == Some(true);
    let knows = |since| features.knows(since) == Some(true);
    for kdamond in &mut params.kdamonds {
        reset(has(Feature::RefreshMs), &mut kdamond.refresh_ms, 0);
        for context in &mut kdamond.contexts {
            reset(has(Feature::AddrUnit), &mut context.addr_unit, 1);
            reset(has(Feature::Pause), &mut context.pause, false);
            let goal = &mut context.intervals.intervals_goal;
            reset(has(Feature::IntervalsGoal), goal, IntervalsGoal::default());
            reset(has(Feature::Probes), &mut context.probes, Vec::new());
            for probe in &mut context.probes {
                reset(has(Feature::ProbeWeight), &mut probe.weight, 0);
            }
            for target in &mut context.targets {
                reset(has(Feature::ObsoleteTarget), &mut target.obsolete, false);
            }
            for scheme in &mut context.schemes {
                let quotas = &mut scheme.quotas;
                reset(
                    knows(scheme.action.since()),
                    &mut scheme.action,
                    Action::Stat,
                );
                reset(has(Feature::Dests), &mut scheme.dests, Vec::new());
                reset(
                    has(Feature::MaxNrSnapshots),
                    &mut scheme.max_nr_snapshots,
                    0,
                );
                reset(
                    has(Feature::GoalTuner),
                    &mut quotas.goal_tuner,
                    GoalTuner::Consist,
                );
                reset(has(Feature::FailCharge), &mut quotas.fail_charge_num, 0);
                reset(has(Feature::FailCharge), &mut quotas.fail_charge_denom, 0);
                quotas.goals.retain(|goal| knows(goal.metric.since()));
                scheme.filters.retain(|filter| knows(filter.kind.since()));
                for filter in &mut scheme.filters {
                    reset(has(Feature::FilterAllow), &mut filter.allow, false);
                }
            }
        }
    }
    params
}

fn reset<T>(there: bool, value: &mut T, default: T) {
    if !there {
        *value = default;
    }
}
