//! Parameters as DAMON's debugfs files say them, on each kernel that has them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use crate::debugfs_fake;
use crate::params_common;

use damo_user::control::params::*;
use damo_user::model::Ops;
use debugfs_fake::{FakeDebugfs, Version, plan, process};
use params_common::params;
use proptest::prelude::*;

/// The admin guide's example scheme.
fn guides_scheme() -> Scheme {
    Scheme {
        action: Action::Pageout,
        access_pattern: AccessPattern {
            sz_bytes: SizeRange {
                min: 4096,
                max: 8192,
            },
            nr_accesses: RateRange {
                min: AccessRate::Samples(0),
                max: AccessRate::Samples(5),
            },
            age: AgeRange {
                min: Age::Aggrs(10),
                max: Age::Aggrs(20),
            },
        },
        quotas: Quotas {
            time_ms: 10,
            sz_bytes: 1 << 30,
            reset_interval_ms: 1000,
            weights: Weights {
                age_permil: 100,
                ..Weights::default()
            },
            ..Quotas::default()
        },
        watermarks: Watermarks {
            metric: WatermarkMetric::FreeMemRate,
            interval_us: 5_000_000,
            high_permil: 600,
            mid_permil: 500,
            low_permil: 300,
        },
        ..Scheme::default()
    }
}

/// The admin guide's example as a whole.
fn guides_context() -> Context {
    Context {
        targets: vec![
            process(42, &[(1, 100), (100, 200)]),
            process(4242, &[(20, 40), (50, 100)]),
        ],
        schemes: vec![guides_scheme()],
        ..Context::default()
    }
}

const ATTRS: (&str, &str) = ("attrs", "5000 100000 1000000 10 1000");
const SCHEME: &str = "4096 8192 0 5 10 20 2 10 1073741824 1000 0 0 100 1 5000000 600 500 300";

fn owned(writes: &[(&str, &str)]) -> Vec<(String, String)> {
    writes
        .iter()
        .map(|&(path, value)| (path.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_guides_example_is_what_is_written() {
    let params = Params::of(guides_context());
    for version in [Version::V6_1, Version::V6_12] {
        let expected = [
            ATTRS,
            ("target_ids", "42 4242"),
            ("init_regions", "0 1 100\n0 100 200\n1 20 40\n1 50 100\n"),
            ("schemes", SCHEME),
        ];
        assert_eq!(plan(version, &params), owned(&expected), "{version:?}");
    }
    for version in [Version::V5_16, Version::V5_17] {
        let expected = [
            ATTRS,
            ("target_ids", "42 4242"),
            (
                "init_regions",
                "42 1 100\n42 100 200\n4242 20 40\n4242 50 100\n",
            ),
            ("schemes", SCHEME),
        ];
        assert_eq!(plan(version, &params), owned(&expected), "{version:?}");
    }
}

#[test]
fn the_usage_page_of_5_15_is_what_is_written() {
    let params = Params::of(Context {
        targets: vec![process(42, &[]), process(4242, &[])],
        ..Context::default()
    });
    let expected = [ATTRS, ("target_ids", "42 4242")];
    assert_eq!(plan(Version::V5_15, &params), owned(&expected));
}

#[test]
fn what_the_guide_writes_is_read() {
    let kernel = FakeDebugfs::new(Version::V6_1);
    kernel.state(|state| state.processes.extend([(42, false), (4242, false)]));
    for (file, value) in [
        ("attrs", "5000 100000 1000000 10 1000\n"),
        ("target_ids", "42 4242\n"),
        (
            "init_regions",
            "0 1 100\n  0 100 200\n 1 20 40\n 1 50 100\n",
        ),
        ("schemes", SCHEME),
    ] {
        kernel.set(file, value);
    }
    let debugfs = kernel.debugfs();
    assert_eq!(debugfs.read().unwrap(), Params::of(guides_context()));
    let stats = debugfs.stats().unwrap()[0][0];
    assert_eq!((stats.nr_tried, stats.qt_exceeds), (7, Some(7)));

    kernel.state(|state| state.processes.insert(42, true));
    kernel.set("target_ids", "paddr\n");
    assert_eq!(kernel.get("target_ids"), "42\n");
    assert_eq!(
        debugfs.read().unwrap().kdamonds[0].contexts[0].ops,
        Ops::Paddr
    );
    kernel.set("schemes", "");
    assert_eq!(debugfs.stats().unwrap(), [[]]);

    kernel.set("mk_contexts", "foo\n");
    assert_eq!(kernel.get("foo/kdamond_pid"), "none\n");
    assert_eq!(debugfs.read().unwrap().kdamonds.len(), 2);
}

#[test]
fn statistics_are_of_the_kernels_form() {
    for (version, applied) in [(Version::V5_16, None), (Version::V5_17, Some(7))] {
        let kernel = FakeDebugfs::new(version);
        kernel.set("schemes", SCHEME);
        let stats = kernel.debugfs().stats().unwrap()[0][0];
        assert_eq!((stats.sz_tried, stats.sz_applied), (7, applied));
    }
}

/// 42 is the physical address space, or somebody's process.
#[test]
fn forty_two_is_told_apart() {
    for (version, user, regions, ops) in [
        (Version::V6_1, false, "", Ops::Paddr),
        (Version::V6_1, true, "", Ops::Vaddr),
        (Version::V6_1, true, "0 1 2", Ops::Paddr),
        (Version::V5_15, true, "", Ops::Vaddr),
    ] {
        let kernel = FakeDebugfs::new(version);
        kernel.state(|state| state.processes.insert(42, !user));
        kernel.set("target_ids", "42");
        if !regions.is_empty() {
            kernel.set("init_regions", regions);
        }
        let found = &kernel.debugfs().read().unwrap().kdamonds[0].contexts[0];
        assert_eq!(found.ops, ops, "{version:?} {user} {regions}");
    }
}

#[test]
fn kdamonds_are_contexts_and_others_are_removed() {
    let kernel = FakeDebugfs::new(Version::V6_12);
    kernel.state(|state| {
        state
            .processes
            .extend([(10, false), (11, false), (12, false)])
    });
    kernel.set("mk_contexts", "theirs");
    let kdamonds = (0..12).map(|k| Kdamond {
        refresh_ms: 0,
        contexts: vec![Context {
            targets: vec![process(10 + k % 3, &[])],
            ..Context::default()
        }],
    });
    let params = Params {
        kdamonds: kdamonds.collect(),
    };
    let debugfs = kernel.debugfs();
    debugfs.apply(&debugfs.plan(&params).unwrap()).unwrap();
    let found = debugfs.read().unwrap();
    assert_eq!(found, params, "in order, the tenth after the second");
    assert_eq!(debugfs.tids().unwrap(), [None; 12]);

    assert!(!debugfs.is_on().unwrap());
    debugfs.turn_on().unwrap();
    assert!(debugfs.is_on().unwrap());
    assert!(debugfs.tids().unwrap().iter().all(Option::is_some));
    assert_eq!(kernel.get("monitor_on_DEPRECATED"), "on\n");
    debugfs.read().unwrap();
    assert!(debugfs.turn_on().is_err());
    debugfs.turn_off().unwrap();
    debugfs.turn_off().unwrap();
    assert!(!debugfs.is_on().unwrap());
}

#[test]
fn without_kdamond_pid_the_switch_tells() {
    let kernel = FakeDebugfs::new(Version::V5_15);
    kernel.set("target_ids", "1");
    let debugfs = kernel.debugfs();
    assert!(!debugfs.is_on().unwrap());
    debugfs.turn_on().unwrap();
    assert!(debugfs.is_on().unwrap());
    assert_eq!(debugfs.tids().unwrap(), [Some(900)]);
    debugfs.turn_off().unwrap();
    assert_eq!(debugfs.tids().unwrap(), [None]);
}

#[test]
fn what_no_kernel_says_is_odd() {
    let kernel = FakeDebugfs::new(Version::V5_17);
    kernel.state(|state| state.processes.extend([(5, false), (6, false)]));
    kernel.set("target_ids", "5 6");
    // Its lines name an address of the kernel's, so whose they are is unknown.
    kernel.set("init_regions", "6 1 2");
    let error = kernel.debugfs().read().unwrap_err().to_string();
    assert!(error.contains("init_regions: '"), "{error}");
}

/// Without what debugfs has no place for.
fn expressible(mut params: Params) -> Params {
    params
        .kdamonds
        .sort_by_key(|kdamond| kdamond.contexts[0].ops != Ops::Paddr);
    for kdamond in &mut params.kdamonds {
        kdamond.refresh_ms = 0;
        for context in &mut kdamond.contexts {
            if context.ops == Ops::Fvaddr {
                context.ops = Ops::Vaddr;
            }
            (context.addr_unit, context.pause) = (1, false);
            context.probes.clear();
            context.intervals.intervals_goal = IntervalsGoal::default();
            context.targets.iter_mut().for_each(|t| t.obsolete = false);
            for scheme in &mut context.schemes {
                let plain = Scheme::default();
                if scheme.action.since() > Release(5, 16) {
                    scheme.action = plain.action;
                }
                let quotas = &mut scheme.quotas;
                quotas.goals.clear();
                quotas.goal_tuner = GoalTuner::Consist;
                (quotas.fail_charge_num, quotas.fail_charge_denom) = (0, 0);
                *scheme = Scheme {
                    action: scheme.action,
                    access_pattern: scheme.access_pattern,
                    quotas: quotas.clone(),
                    watermarks: scheme.watermarks.clone(),
                    ..plain
                };
            }
        }
    }
    params
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_written_is_read(params in params(), version in 1..5usize) {
        let params = expressible(params);
        prop_assume!(!params.kdamonds.is_empty());
        let kernel = FakeDebugfs::new(Version::ALL[version]);
        let pids: Vec<u32> = params
            .contexts()
            .flat_map(|(_, _, context)| context.targets.iter().filter_map(|t| t.pid))
            .collect();
        kernel.state(|state| state.processes.extend(pids.iter().map(|pid| (*pid, false))));
        let debugfs = kernel.debugfs();
        debugfs.apply(&debugfs.plan(&params).unwrap()).unwrap();
        let found = debugfs.read().unwrap();
        prop_assert_eq!(&found, &params.resolved().unwrap());
        // And over itself.
        let saved = debugfs.save().unwrap();
        debugfs.apply(&debugfs.plan(&found).unwrap()).unwrap();
        prop_assert_eq!(debugfs.save().unwrap(), saved);
    }
}
