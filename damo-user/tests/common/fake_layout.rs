//! Which files DAMON has on which kernel, and what they take.
use std::path::Path;

use rustix::io::Errno;

use super::fake_kernel::Version;

/// What may be written to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Domain {
    /// A count of folders, up to this many.
    Count(u32),
    Unsigned,
    Signed,
    Bool,
    Words(&'static [&'static str]),
    /// Stored as written, newline and all.
    Text,
}

impl Domain {
    /// What the kernel keeps of a value.
    pub fn stored(&self, value: &str) -> Result<String, Errno> {
        let line = value.strip_suffix('\n').unwrap_or(value);
        match self {
            Domain::Count(most) => match line.parse::<i32>() {
                Ok(count) if u32::try_from(count).is_ok_and(|count| count <= *most) => {
                    Ok(count.to_string())
                }
                _ => Err(Errno::INVAL),
            },
            Domain::Unsigned => Ok(line.parse::<u64>().map_err(|_| Errno::INVAL)?.to_string()),
            Domain::Signed => Ok(line.parse::<i32>().map_err(|_| Errno::INVAL)?.to_string()),
            Domain::Bool => match line {
                "Y" | "1" => Ok("Y".to_owned()),
                "N" | "0" => Ok("N".to_owned()),
                _ => Err(Errno::INVAL),
            },
            Domain::Words(words) if words.contains(&line) => Ok(line.to_owned()),
            Domain::Words(_) => Err(Errno::INVAL),
            Domain::Text => Ok(value.to_owned()),
        }
    }
}

pub fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// What a numbered folder in `dir` is; a probe's filters are not a scheme's.
pub fn kind(dir: &Path) -> String {
    match name(dir) {
        "filters" if dir.components().any(|part| part.as_os_str() == "probes") => "probe_filters",
        other => other,
    }
    .to_owned()
}

/// Actions, the latest last.
const ACTIONS: &[&str] = &[
    "stat",
    "pageout",
    "willneed",
    "cold",
    "hugepage",
    "nohugepage",
    "lru_prio",
    "lru_deprio",
    "migrate_hot",
    "migrate_cold",
    "collapse",
];

/// Metrics of goals, in the order in which they came.
const METRICS: &[&str] = &[
    "user_input",
    "some_mem_psi_us",
    "node_mem_used_bp",
    "node_mem_free_bp",
    "node_memcg_used_bp",
    "node_memcg_free_bp",
    "active_mem_bp",
    "inactive_mem_bp",
    "node_eligible_mem_bp",
];

pub fn domain(version: Version, path: &Path, default: &str) -> Domain {
    let folder = name(path.parent().unwrap());
    match name(path) {
        "nr_contexts" => Domain::Count(1),
        "nr_probes" => Domain::Count(4),
        "nr_accesses_permil" => Domain::Unsigned,
        name if name.starts_with("nr_") => Domain::Count(u32::MAX),
        "state" => Domain::Words(&[
            "on",
            "off",
            "commit",
            "update_schemes_stats",
            "update_schemes_tried_regions",
            "update_tuned_intervals",
        ]),
        "operations" => Domain::Words(&["vaddr", "fvaddr", "paddr"]),
        "action" if version < V7_2 => Domain::Words(&ACTIONS[..ACTIONS.len() - 1]),
        "action" => Domain::Words(ACTIONS),
        "metric" => Domain::Words(&["none", "free_mem_rate"]),
        "target_metric" => Domain::Words(match version {
            Version::V6_12 => &METRICS[..2],
            Version::V6_17 => &METRICS[..4],
            _ => METRICS,
        }),
        "goal_tuner" => Domain::Words(&["consist", "temporal"]),
        "type" => Domain::Words(match path.ancestors().nth(2).map(name).unwrap_or(folder) {
            "core_filters" => &["addr", "target"],
            "ops_filters" => &[
                "anon",
                "memcg",
                "young",
                "active",
                "hugepage_size",
                "unmapped",
            ],
            _ => &["anon", "memcg", "addr", "target", "young"],
        }),
        "path" | "memcg_path" => Domain::Text,
        "pid_target" | "nid" | "target_nid" | "damon_target_idx" => Domain::Signed,
        _ if ["Y", "N"].contains(&default) => Domain::Bool,
        _ => Domain::Unsigned,
    }
}

type File = (&'static str, &'static str, bool);

/// Files of a numbered folder, given its parent's name: path, default, writable.
pub fn children(version: Version, parent: &str) -> Vec<File> {
    let all: &[(Version, &'static str, &'static str, bool)] = match parent {
        "kdamonds" => KDAMOND,
        "contexts" => CONTEXT,
        "targets" => TARGET,
        "regions" => &[(V6_12, "start", "0", true), (V6_12, "end", "0", true)],
        "schemes" => SCHEME,
        "goals" => GOAL,
        "filters" | "core_filters" | "ops_filters" => FILTER,
        "dests" => &[(V6_12, "id", "0", true), (V6_12, "weight", "0", true)],
        "probes" => &[
            (V7_3, "weight", "0", true),
            (V7_2, "filters/nr_filters", "0", true),
        ],
        "probe_filters" => PROBE_FILTER,
        // Made by the kernel only.
        "tried_regions" => &[
            (V6_12, "start", "0", false),
            (V6_12, "end", "0", false),
            (V6_12, "nr_accesses", "0", false),
            (V6_12, "age", "0", false),
            (V6_17, "sz_filter_passed", "0", false),
        ],
        "hits" => &[(V7_2, "hits", "0", false)],
        other => unreachable!("{other}"),
    };
    let mut files: Vec<File> = all
        .iter()
        .filter(|(since, ..)| *since <= version)
        .map(|&(_, path, default, writable)| (path, default, writable))
        .collect();
    // The layers' types differ, and so do their defaults.
    if parent == "core_filters" {
        files[0].1 = "addr";
    }
    files
}

const V6_12: Version = Version::V6_12;
const V6_17: Version = Version::V6_17;
const V7_2: Version = Version::V7_2;
const V7_3: Version = Version::V7_3;

type Row = (Version, &'static str, &'static str, bool);

const KDAMOND: &[Row] = &[
    (V6_12, "state", "off", true),
    (V6_12, "pid", "-1", false),
    (V6_17, "refresh_ms", "0", true),
    (V6_12, "contexts/nr_contexts", "0", true),
];

const CONTEXT: &[Row] = &[
    (V6_12, "avail_operations", "vaddr\nfvaddr\npaddr", false),
    (V6_12, "operations", "vaddr", true),
    (V7_2, "addr_unit", "1", true),
    (V7_2, "pause", "N", true),
    (V6_12, "monitoring_attrs/intervals/sample_us", "5000", true),
    (V6_12, "monitoring_attrs/intervals/aggr_us", "100000", true),
    (
        V6_12,
        "monitoring_attrs/intervals/update_us",
        "60000000",
        true,
    ),
    (
        V6_17,
        "monitoring_attrs/intervals/intervals_goal/access_bp",
        "0",
        true,
    ),
    (
        V6_17,
        "monitoring_attrs/intervals/intervals_goal/aggrs",
        "0",
        true,
    ),
    (
        V6_17,
        "monitoring_attrs/intervals/intervals_goal/min_sample_us",
        "0",
        true,
    ),
    (
        V6_17,
        "monitoring_attrs/intervals/intervals_goal/max_sample_us",
        "0",
        true,
    ),
    (V6_12, "monitoring_attrs/nr_regions/min", "10", true),
    (V6_12, "monitoring_attrs/nr_regions/max", "1000", true),
    (V7_2, "monitoring_attrs/probes/nr_probes", "0", true),
    (V6_12, "targets/nr_targets", "0", true),
    (V6_12, "schemes/nr_schemes", "0", true),
];

const TARGET: &[Row] = &[
    (V6_12, "pid_target", "0", true),
    (V7_2, "obsolete_target", "N", true),
    (V6_12, "regions/nr_regions", "0", true),
];

const SCHEME: &[Row] = &[
    (V6_12, "action", "stat", true),
    (V6_12, "target_nid", "-1", true),
    (V6_12, "apply_interval_us", "0", true),
    (V6_12, "access_pattern/sz/min", "0", true),
    (V6_12, "access_pattern/sz/max", "0", true),
    (V6_12, "access_pattern/nr_accesses/min", "0", true),
    (V6_12, "access_pattern/nr_accesses/max", "0", true),
    (V6_12, "access_pattern/age/min", "0", true),
    (V6_12, "access_pattern/age/max", "0", true),
    (V6_12, "quotas/ms", "0", true),
    (V6_12, "quotas/bytes", "0", true),
    (V6_12, "quotas/reset_interval_ms", "0", true),
    (V6_12, "quotas/effective_bytes", "0", false),
    (V7_2, "quotas/goal_tuner", "consist", true),
    (V7_2, "quotas/fail_charge_num", "0", true),
    (V7_2, "quotas/fail_charge_denom", "0", true),
    (V6_12, "quotas/weights/sz_permil", "0", true),
    (V6_12, "quotas/weights/nr_accesses_permil", "0", true),
    (V6_12, "quotas/weights/age_permil", "0", true),
    (V6_12, "quotas/goals/nr_goals", "0", true),
    (V6_12, "watermarks/metric", "none", true),
    (V6_12, "watermarks/interval_us", "0", true),
    (V6_12, "watermarks/high", "0", true),
    (V6_12, "watermarks/mid", "0", true),
    (V6_12, "watermarks/low", "0", true),
    (V6_12, "filters/nr_filters", "0", true),
    (V6_17, "core_filters/nr_filters", "0", true),
    (V6_17, "ops_filters/nr_filters", "0", true),
    (V6_17, "dests/nr_dests", "0", true),
    (V6_12, "stats/nr_tried", "0", false),
    (V6_12, "stats/sz_tried", "0", false),
    (V6_12, "stats/nr_applied", "0", false),
    (V6_12, "stats/sz_applied", "0", false),
    (V6_17, "stats/sz_ops_filter_passed", "0", false),
    (V6_12, "stats/qt_exceeds", "0", false),
    (V7_2, "stats/nr_snapshots", "0", false),
    (V7_2, "stats/max_nr_snapshots", "0", true),
    (V6_12, "tried_regions/total_bytes", "0", false),
];

const GOAL: &[Row] = &[
    (V6_12, "target_metric", "user_input", true),
    (V6_12, "target_value", "0", true),
    (V6_12, "current_value", "0", true),
    (V6_17, "nid", "0", true),
    (V7_2, "path", "", true),
];

const FILTER: &[Row] = &[
    (V6_12, "type", "anon", true),
    (V6_12, "matching", "N", true),
    (V6_17, "allow", "N", true),
    (V6_12, "memcg_path", "", true),
    (V6_12, "addr_start", "0", true),
    (V6_12, "addr_end", "0", true),
    (V6_17, "min", "0", true),
    (V6_17, "max", "0", true),
    (V6_12, "damon_target_idx", "0", true),
];

const PROBE_FILTER: &[Row] = &[
    (V6_12, "type", "anon", true),
    (V6_12, "matching", "N", true),
    (V6_12, "allow", "N", true),
    (V6_12, "path", "", true),
];
