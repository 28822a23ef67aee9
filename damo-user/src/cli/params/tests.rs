use clap::Parser;

use super::*;
use crate::control::params::*;
use crate::model::Ops;

#[derive(Debug, Parser)]
struct Command {
    target: Vec<String>,
    #[command(flatten)]
    args: ParamArgs,
}

pub(super) fn params(line: &str) -> Result<Params, String> {
    let command = Command::try_parse_from(format!("damo {line}").split_whitespace())
        .map_err(|error| error.to_string())?;
    let words = command.target.iter().chain(command.args.swallowed());
    let deduced = Deduced {
        physical: words.clone().any(|word| word == "paddr"),
        pids: words.filter_map(|word| word.parse().ok()).collect(),
        ram: vec![Region {
            start: 4096,
            end: 8192,
        }],
    };
    command
        .args
        .params(&deduced)
        .map_err(|error| error.to_string())
}

pub(super) fn context(line: &str) -> Context {
    params(line).unwrap().kdamonds.remove(0).contexts.remove(0)
}

pub(super) fn schemes(line: &str) -> Vec<Scheme> {
    context(line).schemes
}

#[test]
fn the_documents_command() {
    // The action is followed by the target, which is not the action's.
    let context = context(
        "--damos_access_rate 0 0 --damos_sz_region 4K max --damos_age 60s max --damos_action pageout 4242",
    );
    assert_eq!(context.targets[0].pid, Some(4242));
    let scheme = &context.schemes[0];
    let pattern = scheme.access_pattern;
    assert_eq!(
        (scheme.action, pattern.sz_bytes.min),
        (Action::Pageout, 4096)
    );
    assert_eq!(
        (pattern.age.min, pattern.age.max),
        (Age::Us(60_000_000), Age::Max)
    );
    assert_eq!(pattern.nr_accesses.max.to_string(), "0 %");
}

#[test]
fn monitoring() {
    let defaults = context("42");
    assert_eq!(
        (defaults.ops, defaults.intervals),
        (Ops::Vaddr, MonitoringIntervals::default())
    );
    let typed = context(
        "--sample 5ms --aggr 100ms --updr 1s --minr 10 --maxr 1,000 --regions=1K-4K --ops paddr",
    );
    assert_eq!(
        typed.targets[0].regions,
        [Region {
            start: 1024,
            end: 4096
        }]
    );
    assert_eq!((typed.ops, typed.nr_regions.max), (Ops::Paddr, 1000));
    let typed = context(
        "--monitoring_intervals 4ms 120ms 1.5s --monitoring_nr_regions_range 25 5000 paddr",
    );
    assert_eq!(typed.intervals.ops_update_us, 1_500_000);
    assert_eq!(
        (typed.nr_regions.min, typed.targets[0].regions.len()),
        (25, 1)
    );
    let goal = context("--monitoring_intervals_autotune 1")
        .intervals
        .intervals_goal;
    assert_eq!(
        goal,
        context("--monitoring_intervals_goal 4% 3 5ms 10s 1")
            .intervals
            .intervals_goal
    );
    let unit = context("--damon_addr_unit 4096 --pause_ctx 0 paddr");
    assert_eq!(
        (unit.pause, unit.targets[0].regions[0]),
        (true, Region { start: 1, end: 2 })
    );
    let probes = context("--probe_filter allow anon --probe_filter reject none memcg /a --nr_probe_filters 1 1 --probe_weight 3 paddr").probes;
    assert_eq!(
        (probes.len(), probes[0].weight, probes[1].weight),
        (2, 3, 0)
    );
    assert!(!probes[1].filters[0].matching);
}

#[test]
fn several_kdamonds() {
    let params = params(
        "--ops vaddr --target_pid 1 --target_pid 2 --ops paddr --nr_targets 2 0 --sample 1ms --sample 2ms --refresh_stat 7 \
         --damos_action stat --damos_action cold --nr_schemes 0 2 --damos_sz_region 4K max --damos_sz_region 8K max",
    )
    .unwrap();
    let [first, second] = params.kdamonds.as_slice() else {
        panic!("{params:?}")
    };
    assert_eq!((first.refresh_ms, second.refresh_ms), (7, 0));
    assert_eq!(first.contexts[0].targets.len(), 2);
    let second = &second.contexts[0];
    assert_eq!(
        (second.ops, second.intervals.sample_us),
        (Ops::Paddr, 2_000)
    );
    assert_eq!(second.schemes[1].access_pattern.sz_bytes.min, 8192);
}

#[test]
fn filters_in_both_spellings() {
    let reject = |kind| Filter {
        kind,
        matching: true,
        allow: false,
    };
    let path = |path: &str| FilterKind::Memcg(path.to_owned());
    for (typed, expected) in [
        ("anon matching", vec![reject(FilterKind::Anon)]),
        (
            "anon matching allow",
            vec![Filter {
                allow: true,
                ..reject(FilterKind::Anon)
            }],
        ),
        (
            "memcg nomatching a/b/c reject",
            vec![Filter {
                matching: false,
                ..reject(path("a/b/c"))
            }],
        ),
        (
            "addr matching 123 567",
            vec![reject(FilterKind::Addr(Region {
                start: 123,
                end: 567,
            }))],
        ),
        (
            "allow none memcg /a",
            vec![Filter {
                kind: path("/a"),
                matching: false,
                allow: true,
            }],
        ),
        ("deny target 0", vec![reject(FilterKind::Target(0))]),
        (
            "block hugepage_size 4K 2M",
            vec![reject(FilterKind::HugepageSize {
                min: 4096,
                max: 2 << 20,
            })],
        ),
        (
            "reject anon reject none young",
            vec![
                reject(FilterKind::Anon),
                Filter {
                    matching: false,
                    ..reject(FilterKind::Young)
                },
            ],
        ),
        (
            "reject anon --damos_filter reject active",
            vec![reject(FilterKind::Anon), reject(FilterKind::Active)],
        ),
        (
            "anon matching reject young",
            vec![reject(FilterKind::Anon), reject(FilterKind::Young)],
        ),
        (
            "anon matching young nomatching",
            vec![
                reject(FilterKind::Anon),
                Filter {
                    matching: false,
                    ..reject(FilterKind::Young)
                },
            ],
        ),
    ] {
        let found = schemes(&format!("42 --damos_action stat --damos_filter {typed}"));
        assert_eq!(found[0].filters, expected, "{typed}");
    }
    let found = schemes(
        "--damos_action stat --damos_action cold --damos_nr_filters 0 1 --damos_filter reject anon 42",
    );
    assert_eq!((found[0].filters.len(), found[1].filters.len()), (0, 1));
}

#[test]
fn quotas_and_the_rest() {
    let scheme = schemes(
        "42 --damos_action migrate_cold 0 1 2 3 --damos_quotas 10ms 1G 1s 0 3% 97% --damos_quota_goal node_mem_used_bp 99.5% 1 \
         --damos_quota_goal_tuner temporal --damos_quota_fail_charge_ratio 1 2 --damos_wmarks free_mem_rate 5s 60% 500 30% \
         --damos_apply_interval 1s --damos_max_nr_snapshots 3",
    )
    .remove(0);
    assert_eq!(
        scheme.dests,
        [Dest { id: 0, weight: 1 }, Dest { id: 2, weight: 3 }]
    );
    assert_eq!(
        (scheme.quotas.time_ms, scheme.quotas.weights.age_permil),
        (10, 970)
    );
    assert_eq!(
        (
            scheme.quotas.goals[0].target_value,
            scheme.quotas.goals[0].nid
        ),
        (9950, 1)
    );
    assert_eq!(
        (scheme.quotas.goal_tuner, scheme.quotas.fail_charge_denom),
        (GoalTuner::Temporal, 2)
    );
    assert_eq!(
        (scheme.watermarks.high_permil, scheme.watermarks.mid_permil),
        (600, 500)
    );
    assert_eq!(
        (scheme.apply_interval_us, scheme.max_nr_snapshots),
        (1_000_000, 3)
    );
    let apart =
        schemes("42 --damos_action pageout --damos_quota_space 1G --damos_quota_interval 1s")
            .remove(0);
    assert_eq!(
        (apart.quotas.sz_bytes, apart.quotas.weights.sz_permil),
        (1 << 30, 1)
    );
}

#[test]
fn refusals_name_the_option() {
    for (line, message) in [
        ("42 --damos_age 1 2", "--damos_age: needs --damos_action"),
        (
            "42 --damos_action stat --damos_age 1 2 --damos_age 1 2",
            "--damos_age: given 2 times for 1",
        ),
        (
            "42 --damos_action bake",
            "--damos_action bake: 'bake' is not an action",
        ),
        (
            "42 --damos_action stat --damos_age 2s 1s",
            "--damos_age 20 10: the minimum must not be above",
        ),
        (
            "42 --damos_action stat --damos_filter reject spam",
            "--damos_filter reject spam: 'spam' is not a type",
        ),
        (
            "42 --damos_action stat --damos_quotas 1 --damos_quota_time 1",
            "--damos_quotas and --damos_quota_time",
        ),
        (
            "42 --damos_action stat --damos_quota_goal node_mem_used_bp 50%",
            "--damos_quota_goal node_mem_used_bp 50%: the metric needs a node",
        ),
        ("42 --sample 5parsecs", "--sample 5parsecs: "),
        (
            "42 --sample 1 --sample 2",
            "--sample: given 2 times for 1 contexts",
        ),
        (
            "42 --nr_ctxs 2",
            "--nr_ctxs 2: a kdamond has exactly one context",
        ),
        (
            "--target_pid 1 --target_pid 2 --nr_targets 1 2",
            "--nr_targets 1 2: there are 2",
        ),
        (
            "--numa_node 0 --target_pid 1",
            "--numa_node and process 1: ",
        ),
        (
            "--probe_prep set_pgidle paddr",
            "--probe_prep set_pgidle: no kernel up to 7.3",
        ),
        (
            "--sample_primitives page_fault paddr",
            "--sample_primitives page_fault: no kernel",
        ),
        (
            "--damos_action stat --damos_filter allow probe_hits_wsum 1 2 --ops paddr paddr",
            "--damos_filter allow probe_hits_wsum 1 2: no kernel up to 7.3 has filters of type probe_hits_wsum",
        ),
        (
            "42 --damos_action stat --damos_quota_goal node_mem_used_bp 50% complement 0",
            "--damos_quota_goal node_mem_used_bp 50% complement 0: no kernel up to 7.3",
        ),
        ("--schemes 7 42", "--schemes 7: No such file"),
        ("--kdamonds [] --sample 1", "--kdamonds and --sample"),
        ("42 --minr 2", "--minr 2: must be at least 3"),
    ] {
        let error = params(line).unwrap_err();
        assert!(error.starts_with(message), "{line}: {error}");
    }
}
