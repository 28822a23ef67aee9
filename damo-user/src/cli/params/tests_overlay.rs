//! `tune` changes what is named, and nothing else.

use clap::Parser;
use serde_json::{Value, json};

use super::{Deduced, ParamArgs, UsageError};
use crate::control::params::Params;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: ParamArgs,
}

fn typed(line: &str) -> ParamArgs {
    let words = std::iter::once("damo").chain(line.split(' ').filter(|word| !word.is_empty()));
    Line::try_parse_from(words).unwrap().args
}

/// Two processes and two schemes with something in every place.
fn before() -> Params {
    let line = "--target_pid 7 --target_pid 8 --sample 7ms --aggr 70ms --updr 700ms --minr 20 --maxr 700 \
        --monitoring_intervals_goal 4% 3 7ms 1s --refresh_stat 50 \
        --damos_action pageout --damos_action stat \
        --damos_sz_region 4K 8M --damos_access_rate 10% 50% --damos_age 1s 5s --damos_apply_interval 1s \
        --damos_max_nr_snapshots 9 --damos_quotas 10 1M 1000 1 2 3 --damos_wmarks free_mem_rate 5s 60% 50% 30% \
        --damos_filter reject anon --damos_filter allow young --damos_nr_filters 2 0 \
        --damos_quota_goal user_input 70 --damos_nr_quota_goals 1 0";
    typed(line).params(&Deduced::default()).unwrap()
}

fn tuned(line: &str) -> Result<Params, UsageError> {
    typed(line).applied_to(&before(), &Deduced::default())
}

/// Where two json values differ.
fn differing(a: &Value, b: &Value, at: &str, into: &mut Vec<String>) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, a) in a {
                differing(a, &b[key], &format!("{at}.{key}"), into);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differing(a, b, &format!("{at}[{index}]"), into);
            }
        }
        (a, b) if a != b => into.push(at.to_owned()),
        _ => {}
    }
}

#[test]
fn an_option_changes_its_own_place_only() {
    let context = ".kdamonds[0].contexts[0]";
    let cases: &[(&str, &[&str])] = &[
        ("--sample 8ms", &["intervals.sample_us"]),
        ("--aggr 80ms", &["intervals.aggr_us"]),
        ("--updr 9s", &["intervals.ops_update_us"]),
        (
            "--monitoring_intervals 8ms 80ms 9s",
            &[
                "intervals.aggr_us",
                "intervals.ops_update_us",
                "intervals.sample_us",
            ],
        ),
        ("--minr 30", &["nr_regions.min"]),
        ("--maxr 800", &["nr_regions.max"]),
        ("--target_pid 9", &["targets"]),
        (
            "--ops fvaddr --regions 1-2",
            &["ops", "targets[0].regions", "targets[1].regions"],
        ),
        ("--obsolete_targets 1", &["targets[1].obsolete"]),
        ("--pause_ctx 0", &["pause"]),
        (
            "--damos_sz_region 4K 9M",
            &["schemes[0].access_pattern.sz_bytes.max"],
        ),
        ("--damos_age 1s 6s", &["schemes[0].access_pattern.age.max"]),
        (
            "--damos_access_rate 20% 50%",
            &["schemes[0].access_pattern.nr_accesses.min"],
        ),
        (
            "--damos_apply_interval 2s",
            &["schemes[0].apply_interval_us"],
        ),
        (
            "--damos_max_nr_snapshots 8",
            &["schemes[0].max_nr_snapshots"],
        ),
        ("--damos_quota_space 2M", &["schemes[0].quotas.sz_bytes"]),
        ("--damos_quota_time 20", &["schemes[0].quotas.time_ms"]),
        (
            "--damos_quota_interval 2000",
            &["schemes[0].quotas.reset_interval_ms"],
        ),
        (
            "--damos_quota_weights 1 2 4",
            &["schemes[0].quotas.weights.age_permil"],
        ),
        (
            "--damos_quota_goal user_input 80",
            &["schemes[0].quotas.goals[0].target_value"],
        ),
        ("--damos_filter reject young", &["schemes[0].filters"]),
        (
            "--damos_wmarks free_mem_rate 6s 60% 50% 30%",
            &["schemes[0].watermarks.interval_us"],
        ),
        ("--damos_action cold", &["schemes[0].action"]),
        (
            "--damos_action cold --damos_action hugepage",
            &["schemes[0].action", "schemes[1].action"],
        ),
        (
            "--damos_action cold --damos_action stat --damos_action willneed",
            &["schemes"],
        ),
        ("--schemes [{\"action\":\"stat\"}]", &["schemes"]),
    ];
    let old = before().to_json(true);
    for (line, places) in cases {
        let new = tuned(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let mut found = Vec::new();
        differing(&old, &new.to_json(true), "", &mut found);
        let mut wanted: Vec<String> = places
            .iter()
            .map(|place| format!("{context}.{place}"))
            .collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{line}");
    }
    let mut found = Vec::new();
    let new = tuned("--refresh_stat 60").unwrap().to_json(true);
    differing(&old, &new, "", &mut found);
    assert_eq!(found, [".kdamonds[0].refresh_ms"]);
}

#[test]
fn a_scheme_beyond_the_last_is_appended_as_typed() {
    let line = "--damos_action pageout --damos_action stat --damos_action cold";
    let new = tuned(line).unwrap();
    let schemes = &new.kdamonds[0].contexts[0].schemes;
    assert_eq!(schemes.len(), 3);
    assert_eq!(schemes[..2], before().kdamonds[0].contexts[0].schemes[..]);
    assert_eq!(
        new.to_json(true)["kdamonds"][0]["contexts"][0]["schemes"][2]["action"],
        json!("cold")
    );
}

#[test]
fn schemes_are_counted_through_all_contexts() {
    let line = "--ops vaddr --target_pid 7 --ops vaddr --target_pid 8 --nr_targets 1 1 \
        --damos_action pageout --damos_action stat --damos_action cold --nr_schemes 2 1";
    let before = typed(line).params(&Deduced::default()).unwrap();
    let new =
        typed("--damos_apply_interval 1s --damos_apply_interval 2s --damos_apply_interval 3s")
            .applied_to(&before, &Deduced::default())
            .unwrap();
    let intervals: Vec<Vec<u64>> = new
        .contexts()
        .map(|(.., context)| {
            let schemes = context
                .schemes
                .iter()
                .map(|scheme| scheme.apply_interval_us);
            schemes.collect()
        })
        .collect();
    assert_eq!(intervals, [vec![1_000_000, 2_000_000], vec![3_000_000]]);
    let mut found = Vec::new();
    let third = typed("--damos_action pageout --damos_action stat --damos_action willneed")
        .applied_to(&before, &Deduced::default())
        .unwrap();
    differing(&before.to_json(true), &third.to_json(true), "", &mut found);
    assert_eq!(found, [".kdamonds[1].contexts[0].schemes[0].action"]);
}

#[test]
fn addresses_are_in_bytes_also_where_units_are_others() {
    let line = "--ops paddr --damon_addr_unit 4096 --regions 0-1M";
    let before = typed(line).params(&Deduced::default()).unwrap();
    let new = typed("--regions 0-2M")
        .applied_to(&before, &Deduced::default())
        .unwrap();
    let context = &new.kdamonds[0].contexts[0];
    assert_eq!(
        (context.addr_unit, context.targets[0].regions[0].end),
        (4096, 512)
    );
}

#[test]
fn lists_of_later_schemes_are_reached_by_counts() {
    let filters = |line: &str| -> Vec<usize> {
        let new = tuned(line).unwrap();
        let schemes = &new.kdamonds[0].contexts[0].schemes;
        schemes.iter().map(|scheme| scheme.filters.len()).collect()
    };
    assert_eq!(
        filters("--damos_filter reject anon --damos_nr_filters 0 1"),
        [2, 1]
    );
    assert_eq!(filters("--damos_nr_filters 0"), [0, 0]);
}

#[test]
fn schemes_given_as_a_whole_get_no_others() {
    let error = tuned("--schemes [{\"action\":\"stat\"}] --damos_age 60s max").unwrap_err();
    assert!(error.to_string().contains("--damos_action"), "{error}");
}

#[test]
fn what_cannot_be_is_refused() {
    for (line, says) in [
        ("--obsolete_targets 2", "--obsolete_targets 2: there are 2"),
        ("--pause_ctx 1", "--pause_ctx 1: there are 1"),
        ("--minr 2", "--minr 2: must be at least 3"),
        ("--sample 1s", "--sample 1s above --aggr 70ms"),
        ("--ops vaddr --ops vaddr", "there are 1"),
        ("--damon_ctx --sample 1ms", "--replace"),
        ("--damon_addr_unit 4096", "--damon_addr_unit 4096"),
    ] {
        let error = tuned(line).unwrap_err().to_string();
        assert!(error.contains(says), "{line}: {error}");
    }
}
