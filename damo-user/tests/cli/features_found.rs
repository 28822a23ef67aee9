//! Features are found by reading: what each kernel's files show, what only its
//! version tells, and what nobody can know.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use damo_user::control::LiveFiles;
use damo_user::control::features::{Evidence, Found, Look};
use damo_user::control::module::Version;
use damo_user::render::{Section, Sysinfo};
use tempfile::TempDir;

/// Where files are, and on which of 6.12, 6.17, 7.2 and 7.3: the columns of
/// DAMON-ABI.md 1.
const FILES: &[(&str, &str)] = &[
    ("nr_kdamonds", "xxxx"),
    ("0/state", "xxxx"),
    ("0/refresh_ms", " xxx"),
    ("0/contexts/0/operations", "xxxx"),
    ("0/contexts/0/avail_operations", "xxxx"),
    ("0/contexts/0/addr_unit", "  xx"),
    ("0/contexts/0/pause", "  xx"),
    ("0/contexts/0/monitoring_attrs/intervals/sample_us", "xxxx"),
    (
        "0/contexts/0/monitoring_attrs/intervals/intervals_goal/aggrs",
        " xxx",
    ),
    ("0/contexts/0/monitoring_attrs/probes/nr_probes", "  xx"),
    (
        "0/contexts/0/monitoring_attrs/probes/0/filters/nr_filters",
        "  xx",
    ),
    ("0/contexts/0/monitoring_attrs/probes/0/weight", "   x"),
    ("0/contexts/0/targets/0/pid_target", "xxxx"),
    ("0/contexts/0/targets/0/obsolete_target", "  xx"),
    ("0/contexts/0/targets/0/regions/nr_regions", "xxxx"),
    ("0/contexts/0/schemes/0/action", "xxxx"),
    ("0/contexts/0/schemes/0/target_nid", "xxxx"),
    ("0/contexts/0/schemes/0/apply_interval_us", "xxxx"),
    ("0/contexts/0/schemes/0/quotas/bytes", "xxxx"),
    ("0/contexts/0/schemes/0/quotas/effective_bytes", "xxxx"),
    ("0/contexts/0/schemes/0/quotas/goal_tuner", "  xx"),
    ("0/contexts/0/schemes/0/quotas/fail_charge_num", "  xx"),
    ("0/contexts/0/schemes/0/quotas/weights/age_permil", "xxxx"),
    (
        "0/contexts/0/schemes/0/quotas/goals/0/target_metric",
        "xxxx",
    ),
    ("0/contexts/0/schemes/0/quotas/goals/0/nid", " xxx"),
    ("0/contexts/0/schemes/0/quotas/goals/0/path", "  xx"),
    ("0/contexts/0/schemes/0/watermarks/metric", "xxxx"),
    ("0/contexts/0/schemes/0/filters/0/type", "xxxx"),
    ("0/contexts/0/schemes/0/filters/0/allow", " xxx"),
    ("0/contexts/0/schemes/0/filters/0/max", " xxx"),
    ("0/contexts/0/schemes/0/core_filters/nr_filters", " xxx"),
    ("0/contexts/0/schemes/0/dests/nr_dests", " xxx"),
    ("0/contexts/0/schemes/0/stats/nr_tried", "xxxx"),
    ("0/contexts/0/schemes/0/stats/sz_ops_filter_passed", " xxx"),
    ("0/contexts/0/schemes/0/stats/nr_snapshots", "  xx"),
    ("0/contexts/0/schemes/0/stats/max_nr_snapshots", "  xx"),
    ("0/contexts/0/schemes/0/tried_regions/total_bytes", "xxxx"),
    ("0/contexts/0/schemes/0/tried_regions/3/start", "xxxx"),
    (
        "0/contexts/0/schemes/0/tried_regions/3/sz_filter_passed",
        " xxx",
    ),
    (
        "0/contexts/0/schemes/0/tried_regions/3/probes/0/hits",
        "  xx",
    ),
];

const EVENTS: &[(&str, &str)] = &[
    ("damon_aggregated", "xxxx"),
    ("damos_before_apply", "xxxx"),
    ("damon_monitor_intervals_tune", " xxx"),
    ("damos_esz", " xxx"),
    ("damos_stat_after_apply_interval", "  xx"),
    ("damon_region_aggregated", "  xx"),
];

const PARAMS: &[(&str, &str)] = &[
    ("damon_reclaim/parameters/enabled", "xxxx"),
    ("damon_reclaim/parameters/skip_anon", "xxxx"),
    ("damon_reclaim/parameters/addr_unit", "  xx"),
    (
        "damon_reclaim/parameters/autotune_monitoring_intervals",
        "  xx",
    ),
    ("damon_lru_sort/parameters/enabled", "xxxx"),
    ("damon_lru_sort/parameters/active_mem_bp", "  xx"),
    ("damon_stat/parameters/enabled", " xxx"),
    ("damon_stat/parameters/kdamond_pid", "  xx"),
    ("damon_stat/parameters/aggr_interval_us", "  xx"),
];

const KERNELS: [&str; 4] = [
    "6.12.95+deb13-cloud-amd64",
    "6.17.13+deb13-cloud-amd64",
    "7.2.12+deb14-cloud-amd64",
    "7.3.4-cloud-amd64",
];

/// The newest feature of each.
const NEWEST: [Version; 4] = [Version(6, 11), Version(6, 17), Version(7, 2), Version(7, 3)];

fn make(root: &Path, folder: &str, files: &[(&str, &str)], column: usize) {
    for (path, columns) in files {
        if columns.as_bytes()[column] == b'x' {
            let path = root.join(folder).join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "0\n").unwrap();
        }
    }
}

const KDAMONDS: &str = "sys/kernel/mm/damon/admin/kdamonds";

/// A kernel with all of its files, or with those that are there from boot on.
fn kernel(column: usize, all: bool) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let files = if all { FILES } else { &FILES[..1] };
    make(root.path(), KDAMONDS, files, column);
    make(root.path(), "sys/module", PARAMS, column);
    if all {
        let events: Vec<(String, &str)> = EVENTS
            .iter()
            .map(|(name, columns)| (format!("{name}/format"), *columns))
            .collect();
        let events: Vec<(&str, &str)> = events.iter().map(|(n, c)| (&**n, *c)).collect();
        make(
            root.path(),
            "sys/kernel/tracing/events/damon",
            &events,
            column,
        );
    }
    root
}

fn look(root: &TempDir, release: &str) -> Look {
    Look::new(Arc::new(LiveFiles), root.path(), release.to_owned())
}

fn by_name(found: &[Found]) -> BTreeMap<String, Found> {
    found
        .iter()
        .map(|found| (found.feature.full_name(), *found))
        .collect()
}

#[test]
fn names_are_unique() {
    let root = kernel(3, true);
    let found = look(&root, KERNELS[3]).features();
    assert_eq!(by_name(&found).len(), found.len());
    assert!(found.len() > 130, "{}", found.len());
}

#[test]
fn files_that_are_there_are_seen_whatever_the_version_says() {
    for (column, kernel_name) in KERNELS.into_iter().enumerate() {
        let root = kernel(column, true);
        // A version that has nothing, and one that has everything.
        for release in ["5.14.0", "99.0"] {
            let found = by_name(&look(&root, release).features());
            for (name, at) in [
                ("sysfs/refresh_ms", "0/refresh_ms"),
                ("sysfs/addr_unit", "0/contexts/0/addr_unit"),
                ("sysfs/pause", "0/contexts/0/pause"),
                (
                    "sysfs/probes",
                    "0/contexts/0/monitoring_attrs/probes/nr_probes",
                ),
                (
                    "sysfs/probe_weight",
                    "0/contexts/0/monitoring_attrs/probes/0/weight",
                ),
                (
                    "sysfs/intervals_goal",
                    "0/contexts/0/monitoring_attrs/intervals/intervals_goal/aggrs",
                ),
                (
                    "sysfs/obsolete_target",
                    "0/contexts/0/targets/0/obsolete_target",
                ),
                (
                    "sysfs/schemes_dests",
                    "0/contexts/0/schemes/0/dests/nr_dests",
                ),
                (
                    "sysfs/schemes_quota_goal_tuner",
                    "0/contexts/0/schemes/0/quotas/goal_tuner",
                ),
                (
                    "sysfs/schemes_quota_goal_nid",
                    "0/contexts/0/schemes/0/quotas/goals/0/nid",
                ),
                (
                    "sysfs/schemes_filters_core_ops_dirs",
                    "0/contexts/0/schemes/0/core_filters/nr_filters",
                ),
                (
                    "sysfs/schemes_filters_allow",
                    "0/contexts/0/schemes/0/filters/0/allow",
                ),
                (
                    "sysfs/schemes_tried_regions",
                    "0/contexts/0/schemes/0/tried_regions/total_bytes",
                ),
                (
                    "sysfs/schemes_tried_regions_probes",
                    "0/contexts/0/schemes/0/tried_regions/3/probes/0/hits",
                ),
            ] {
                let (_, columns) = FILES.iter().find(|(path, _)| *path == at).unwrap();
                let expected = columns.as_bytes()[column] == b'x';
                let found = found[name];
                assert_eq!(found.available, expected, "{name} on {kernel_name}");
                assert_eq!(found.evidence, Evidence::Seen, "{name}");
            }
            for (event, columns) in EVENTS {
                let found = found[&format!("trace/{event}")];
                assert_eq!(
                    found.available,
                    columns.as_bytes()[column] == b'x',
                    "{event}"
                );
                assert_eq!(found.evidence, Evidence::Seen);
            }
            for (param, columns) in PARAMS {
                let found = found[&param.replace("/parameters", "")];
                let module = param.split('/').next().unwrap();
                assert_eq!(
                    found.available,
                    columns.as_bytes()[column] == b'x',
                    "{param}"
                );
                let has_module = column > 0 || module != "damon_stat";
                assert_eq!(found.evidence == Evidence::Seen, has_module, "{param}");
            }
        }
    }
}

#[test]
fn every_inferred_answer_is_what_the_files_would_have_said() {
    for (column, release) in KERNELS.into_iter().enumerate() {
        let (bare, full) = (kernel(column, false), kernel(column, true));
        let inferred = by_name(&look(&bare, release).features());
        let seen = by_name(&look(&full, release).features());
        let mut differ = 0;
        for (name, found) in &seen {
            let before = inferred[name];
            assert_eq!(found.available, before.available, "{name} on {release}");
            differ += usize::from(found.evidence != before.evidence);
        }
        assert!(differ > 30, "only {differ} were inferred");
    }
}

#[test]
fn the_version_is_that_of_the_newest_feature() {
    for (column, release) in KERNELS.into_iter().enumerate() {
        for all in [false, true] {
            let root = kernel(column, all);
            let found = look(&root, release).features();
            assert_eq!(
                Look::damon_version(&found),
                Some(NEWEST[column]),
                "{release}"
            );
        }
    }
}

#[test]
fn what_others_remove_meanwhile_is_inferred() {
    let root = kernel(3, true);
    let context = root.path().join(KDAMONDS).join("0/contexts/0");
    fs::remove_dir_all(context).unwrap();
    let found = by_name(&look(&root, KERNELS[3]).features());
    assert_eq!(found["sysfs/refresh_ms"].evidence, Evidence::Seen);
    assert_eq!(found["sysfs/pause"].evidence, Evidence::Inferred);
    assert!(found["sysfs/pause"].available);
}

fn print(look: &Look, sections: &[Section]) -> String {
    let mut out = Vec::new();
    Sysinfo::of(look).write(&mut out, sections).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn sysinfo_has_the_peers_form() {
    let root = kernel(2, false);
    let text = print(
        &look(&root, KERNELS[2]),
        &[Section::Versions, Section::Available],
    );
    let head = format!(
        "damo version: {}\nkernel version: {}\nDAMON version: 7.2\navailable DAMON features:\n- interface/damon_sysfs (merged in v5.18)\n",
        env!("CARGO_PKG_VERSION"),
        KERNELS[2]
    );
    assert!(text.starts_with(&head), "{text}");
    assert!(
        text.contains("- sysfs/pause (merged in v7.2, inferred)\n"),
        "{text}"
    );
    assert!(!text.contains("probe_weight"), "{text}");
    let missing = print(&look(&root, KERNELS[2]), &[Section::Unavailable]);
    assert!(
        missing.contains("- sysfs/probe_weight (merged in v7.3, inferred)\n"),
        "{missing}"
    );
    assert!(
        missing.contains("- debugfs/schemes (merged in v5.16, removed in v6.14)\n"),
        "{missing}"
    );
}

#[test]
fn a_kernel_without_damon_says_so_and_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("sys/kernel/mm/damon")).unwrap();
    for (release, hint) in [
        ("5.10.0-1-amd64", "Linux 5.10 does not have DAMON"),
        ("5.16.0", "before 5.18, DAMON is in debugfs only"),
        ("7.3.4", "boot a kernel that is built with CONFIG_DAMON,"),
        ("odd", "boot a kernel that is built with CONFIG_DAMON,"),
    ] {
        let text = print(
            &look(&root, release),
            &[Section::Versions, Section::Available],
        );
        let mut lines = text.lines().skip(2);
        assert_eq!(lines.next(), Some("DAMON version: <5.15"));
        assert_eq!(lines.next(), Some("DAMON is not available on this system."));
        assert!(lines.all(|line| line.starts_with("- ")), "{text}");
        assert!(text.contains(hint), "{text}");
        assert!(!text.contains("available DAMON features"), "{text}");
    }
}

#[test]
fn debugfs_counts_where_it_can_be_looked_at() {
    let root = tempfile::tempdir().unwrap();
    let files = [
        "attrs",
        "target_ids",
        "monitor_on",
        "init_regions",
        "schemes",
    ];
    let files = files.map(|name| (name, "x"));
    make(root.path(), "sys/kernel/debug/damon", &files, 0);
    let look = look(&root, "5.16.3");
    let found = by_name(&look.features());
    assert!(found["interface/damon_debugfs"].available);
    assert!(found["debugfs/schemes"].available);
    assert!(!found["debugfs/mk_contexts"].available);
    assert_eq!(found["sysfs/schemes"].evidence, Evidence::NoInterface);
    assert_eq!(Look::damon_version(&look.features()), Some(Version(5, 16)));
}

fn damo(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_damo"))
        .args(args)
        .env_clear()
        .output()
        .unwrap()
}

#[test]
fn the_commands_work_with_nothing_in_the_environment() {
    for args in [
        &["report", "sysinfo"][..],
        &["report", "sysinfo", "--print", "all"],
        &[
            "report",
            "sysinfo",
            "--print",
            "versions",
            "fs_info",
            "interfaces",
        ],
        &["features"],
        &["features", "supported"],
        &["features", "json"],
        &["diagnose", "--verbose"],
        &["version"],
    ] {
        let output = damo(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
    }
    let json: serde_json::Value =
        serde_json::from_slice(&damo(&["features", "json"]).stdout).unwrap();
    assert_eq!(json["sysfs/probe_weight"]["since"], "7.3");
    let version = String::from_utf8(damo(&["version"]).stdout).unwrap();
    assert_eq!(version.trim(), env!("CARGO_PKG_VERSION"));
    let wrong = damo(&["report", "sysinfo", "--print", "nothing"]);
    assert_eq!(wrong.status.code(), Some(2));
}
