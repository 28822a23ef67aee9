//! What DAMON would refuse, cut off or not have is refused first, by name.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use crate::common;

use common::fake_kernel::{FakeKernel, Version};
use damo_user::control::params::*;
use damo_user::model::Ops;

fn context(ops: Ops) -> Context {
    let target = match ops {
        Ops::Paddr => Target {
            regions: vec![Region {
                start: 0,
                end: 4096,
            }],
            ..Target::default()
        },
        _ => Target {
            pid: Some(1),
            ..Target::default()
        },
    };
    Context {
        ops,
        targets: vec![target],
        schemes: vec![Scheme::default()],
        ..Context::default()
    }
}

fn refused(ops: Ops, change: impl FnOnce(&mut Context)) -> String {
    let mut params = Params::of(context(ops));
    params.validate().unwrap();
    change(&mut params.kdamonds[0].contexts[0]);
    params.validate().unwrap_err().to_string()
}

type Change = fn(&mut Context);

#[test]
fn rules() {
    const TOO_LARGE: u64 = 1 << 32;
    let cut = "4294967296: at most 4294967295 fits; DAMON would cut it off silently";
    let table: &[(Ops, Change, &str, &str)] = &[
        (
            Ops::Vaddr,
            |c| c.addr_unit = 2,
            "--damon_addr_unit 2: only --ops paddr",
            "addr_unit",
        ),
        (
            Ops::Paddr,
            |c| c.addr_unit = 0,
            "--damon_addr_unit 0: must be at least 1",
            "addr_unit",
        ),
        (
            Ops::Paddr,
            |c| c.addr_unit = 3,
            "--damon_addr_unit 3: 4096 divided",
            "addr_unit",
        ),
        (
            Ops::Vaddr,
            |c| c.intervals.sample_us = 0,
            "--sample 0: ",
            "intervals.sample_us",
        ),
        (
            Ops::Vaddr,
            |c| {
                c.intervals.intervals_goal = IntervalsGoal {
                    min_sample_us: 6_000,
                    ..IntervalsGoal::AUTOTUNE
                }
            },
            "--monitoring_intervals_goal 6ms 10s: --sample 5ms must lie in that range",
            "intervals.intervals_goal.min_sample_us",
        ),
        (
            Ops::Vaddr,
            |c| {
                c.intervals.intervals_goal = IntervalsGoal {
                    access_bp: 0,
                    ..IntervalsGoal::AUTOTUNE
                }
            },
            "--monitoring_intervals_goal 0: must lie from 1",
            "intervals.intervals_goal.access_bp",
        ),
        (
            Ops::Vaddr,
            |c| c.probes = vec![Probe::default()],
            "--nr_probes 1: only --ops paddr",
            "probes",
        ),
        (
            Ops::Paddr,
            |c| c.probes = vec![Probe::default(); 5],
            "--nr_probes 5: a context has at most 4",
            "probes",
        ),
        (
            Ops::Paddr,
            |c| {
                c.intervals.sample_us = 100;
                c.probes = vec![Probe {
                    weight: 1,
                    filters: vec![],
                }];
            },
            "--probe_weight 1: with weights, --aggr must be at most 255 times --sample",
            "probes[0].weight",
        ),
        (
            Ops::Vaddr,
            |c| c.schemes[0].access_pattern.nr_accesses.min = AccessRate::Samples(TOO_LARGE),
            &format!("--damos_access_rate {cut}"),
            "schemes[0].access_pattern.nr_accesses",
        ),
        (
            Ops::Vaddr,
            |c| c.schemes[0].access_pattern.age.max = Age::Aggrs(TOO_LARGE),
            &format!("--damos_age {cut}"),
            "schemes[0].access_pattern.age",
        ),
        (
            Ops::Vaddr,
            |c| c.schemes[0].access_pattern.age.max = Age::Us(TOO_LARGE * 100_000),
            &format!("--damos_age {cut}"),
            "schemes[0].access_pattern.age",
        ),
        (
            Ops::Vaddr,
            |c| c.schemes[0].access_pattern.sz_bytes = SizeRange { min: 2, max: 1 },
            "--damos_sz_region 2 1: the minimum must not be above the maximum",
            "schemes[0].access_pattern.sz_bytes.min",
        ),
        (
            Ops::Vaddr,
            |c| {
                c.schemes[0].access_pattern.nr_accesses = RateRange {
                    min: "1 %".parse().unwrap(),
                    max: "4 %".parse().unwrap(),
                };
            },
            "--damos_access_rate 1 % to 4 %: no whole number of samples",
            "schemes[0].access_pattern.nr_accesses",
        ),
        (
            Ops::Vaddr,
            |c| c.schemes[0].action = Action::MigrateHot,
            "--damos_action migrate_hot: needs a node",
            "schemes[0].target_nid",
        ),
        (
            Ops::Vaddr,
            |c| c.schemes[0].quotas.weights.age_permil = TOO_LARGE,
            &format!("--damos_quota_weights {cut}"),
            "schemes[0].quotas.weights.age_permil",
        ),
        (
            Ops::Vaddr,
            |c| c.schemes[0].quotas.time_ms = 1,
            "--damos_quota_interval 0: a quota needs a reset interval",
            "schemes[0].quotas.reset_interval_ms",
        ),
        (
            Ops::Vaddr,
            |c| {
                c.schemes[0].quotas.reset_interval_ms = 1;
                c.schemes[0].quotas.goals = vec![Goal::default()];
            },
            "--damos_quota_goal 0: must be above 0",
            "schemes[0].quotas.goals[0].target_value",
        ),
        (
            Ops::Vaddr,
            |c| {
                c.schemes[0].quotas.reset_interval_ms = 1;
                let metric = GoalMetric::NodeEligibleMemBp;
                c.schemes[0].quotas.goals = vec![Goal {
                    metric,
                    target_value: 1,
                    ..Goal::default()
                }];
            },
            "--damos_quota_goal node_eligible_mem_bp: only --ops paddr",
            "schemes[0].quotas.goals[0].metric",
        ),
        (
            Ops::Vaddr,
            |c| {
                c.schemes[0].watermarks.metric = WatermarkMetric::FreeMemRate;
                c.schemes[0].watermarks.low_permil = 1;
            },
            "--damos_wmarks 0 0 1: high must not be below mid",
            "schemes[0].watermarks",
        ),
        (
            Ops::Vaddr,
            |c| {
                c.schemes[0].filters = vec![Filter {
                    kind: FilterKind::Target(1),
                    ..Filter::default()
                }]
            },
            "--damos_filter target 1: there are 1 targets",
            "schemes[0].filters[0].damon_target_idx",
        ),
        (
            Ops::Vaddr,
            |c| {
                let kind = FilterKind::Addr(Region { start: 2, end: 1 });
                c.schemes[0].filters = vec![Filter {
                    kind,
                    ..Filter::default()
                }];
            },
            "--damos_filter addr 2 1: the end must be above the start",
            "schemes[0].filters[0].address_range",
        ),
        (
            Ops::Vaddr,
            |c| {
                let kind = FilterKind::Memcg("a\nb".into());
                c.schemes[0].filters = vec![Filter {
                    kind,
                    ..Filter::default()
                }];
            },
            "--damos_filter \"a\\nb\": must be one line",
            "schemes[0].filters[0].memcg_path",
        ),
    ];
    for (ops, change, message, path) in table {
        let text = refused(*ops, change);
        assert!(text.starts_with(message), "{message}\n{text}");
        assert!(
            text.ends_with(&format!("(kdamonds[0].contexts[0].{path})")),
            "{path}\n{text}"
        );
    }
    let mut params = Params::of(context(Ops::Vaddr));
    params.kdamonds[0].contexts.clear();
    assert!(
        params
            .validate()
            .unwrap_err()
            .to_string()
            .starts_with("--nr_ctxs 0: ")
    );
}

/// Every parameter that came later, on a kernel that it had not come to.
#[test]
fn what_a_kernel_lacks_is_named_with_the_kernel_that_has_it() {
    let table: &[(Change, &str, Version)] = &[
        (
            |c| c.addr_unit = 2,
            "--damon_addr_unit 2: this kernel's DAMON does not have that; it came with Linux 6.18",
            Version::V6_17,
        ),
        (
            |c| c.pause = true,
            "--pause_ctx Y: this kernel's DAMON does not have that; it came with Linux 7.2",
            Version::V6_17,
        ),
        (
            |c| c.intervals.intervals_goal = IntervalsGoal::AUTOTUNE,
            "Linux 6.15",
            Version::V6_12,
        ),
        (
            |c| c.probes = vec![Probe::default()],
            "Linux 7.2",
            Version::V6_17,
        ),
        (
            |c| {
                c.probes = vec![Probe {
                    weight: 1,
                    ..Probe::default()
                }]
            },
            "--probe_weight 1: this kernel's DAMON does not have that; it came with Linux 7.3",
            Version::V7_2,
        ),
        (
            |c| c.targets[0].obsolete = true,
            "Linux 6.19",
            Version::V6_17,
        ),
        (
            |c| c.schemes[0].dests = vec![Dest::default()],
            "Linux 6.17",
            Version::V6_12,
        ),
        (
            |c| c.schemes[0].max_nr_snapshots = 1,
            "Linux 7.0",
            Version::V6_17,
        ),
        (
            |c| c.schemes[0].quotas.goal_tuner = GoalTuner::Temporal,
            "Linux 7.1",
            Version::V6_17,
        ),
        (
            |c| c.schemes[0].quotas.fail_charge_denom = 1,
            "Linux 7.2",
            Version::V6_17,
        ),
        (
            |c| {
                c.schemes[0].quotas.goals = vec![Goal {
                    nid: 1,
                    ..Goal::default()
                }]
            },
            "Linux 6.16",
            Version::V6_12,
        ),
        (
            |c| {
                c.schemes[0].quotas.goals = vec![Goal {
                    path: "/x".into(),
                    ..Goal::default()
                }]
            },
            "Linux 6.19",
            Version::V6_17,
        ),
        (
            |c| {
                c.schemes[0].filters = vec![Filter {
                    allow: true,
                    ..Filter::default()
                }]
            },
            "Linux 6.14",
            Version::V6_12,
        ),
    ];
    for (change, message, version) in table {
        let kernel = FakeKernel::new(*version);
        let features = Features::probe(&kernel.system().admin(), None).unwrap();
        let mut params = Params::of(context(Ops::Paddr));
        plan_params(&params, &features, Scope::Fresh).unwrap();
        change(&mut params.kdamonds[0].contexts[0]);
        let text = plan_params(&params, &features, Scope::Fresh)
            .unwrap_err()
            .to_string();
        assert!(text.contains(message), "{message}\n{text}");
    }
    let old = Features::of_release("6.1.0-30-amd64".parse().unwrap());
    let mut params = Params::of(context(Ops::Paddr));
    params.kdamonds[0].contexts[0].schemes[0].action = Action::Collapse;
    let text = plan_params(&params, &old, Scope::Fresh)
        .unwrap_err()
        .to_string();
    assert!(
        text.starts_with("--damos_action collapse: ") && text.contains("Linux 7.2"),
        "{text}"
    );
}

/// Filters go to the folders that a kernel has, and come back from them.
#[test]
fn filters_by_kernel() {
    let addr = FilterKind::Addr(Region { start: 1, end: 2 });
    let filters: Vec<Filter> = [FilterKind::Anon, addr, FilterKind::Memcg("/a b".into())]
        .map(|kind| Filter {
            kind,
            matching: true,
            allow: false,
        })
        .into();
    let mut params = Params::of(context(Ops::Paddr));
    params.kdamonds[0].contexts[0].schemes[0].filters = filters;
    for (version, folders) in [
        (Version::V6_12, [("filters", "3"), ("filters", "3")]),
        (Version::V7_3, [("core_filters", "1"), ("ops_filters", "2")]),
    ] {
        let kernel = FakeKernel::new(version);
        let tree = kernel.system().admin();
        let features = Features::probe(&tree, None).unwrap();
        for write in plan_params(&params, &features, Scope::Fresh).unwrap() {
            tree.write(&write.path, &write.value).unwrap();
        }
        for (folder, count) in folders {
            let path = format!("kdamonds/0/contexts/0/schemes/0/{folder}/nr_filters");
            assert_eq!(kernel.get(&path), count);
        }
        assert_eq!(read(&tree).unwrap(), params.resolved().unwrap());
    }
}

/// Looking changes nothing, and says what it cannot know.
#[test]
fn features_are_seen_where_folders_are() {
    let kernel = FakeKernel::new(Version::V6_17);
    let tree = kernel.system().admin();
    let before = kernel.dump();
    let blind = Features::read(&tree, None).unwrap();
    assert_eq!(blind.has(Feature::AddrUnit), None);
    let by_release = Features::read(&tree, Some(Release(6, 18))).unwrap();
    assert_eq!(by_release.has(Feature::AddrUnit), Some(true));
    assert!(before == kernel.dump());
    // Files count more than the release: they may have been ported back.
    let probed = Features::probe(&tree, Some(Release(6, 18))).unwrap();
    assert_eq!(probed.has(Feature::AddrUnit), Some(false));
    assert_eq!(probed.has(Feature::Dests), Some(true));
}
