//! DAMON's features, where each shows, and since when.

use crate::control::module::Version;
use crate::control::others::Module;

/// Which part of DAMON a feature belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Ways to control DAMON.
    Interface,
    /// Files and keywords of the sysfs interface.
    Sysfs,
    /// The debugfs interface.
    Debugfs,
    /// Tracepoints.
    Trace,
    /// A module's parameters.
    Module(Module),
}

impl Group {
    /// As the first part of features' names.
    pub fn name(self) -> &'static str {
        match self {
            Group::Interface => "interface",
            Group::Sysfs => "sysfs",
            Group::Debugfs => "debugfs",
            Group::Trace => "trace",
            Group::Module(module) => module.name(),
        }
    }
}

/// Where it shows whether the running kernel has a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A folder or file below the root.
    Path(&'static str),
    /// A file below DAMON's `admin/kdamonds`; `*` is any numbered folder, and
    /// exists only when somebody has made one.
    Sysfs(&'static str),
    /// A keyword or behaviour: nothing shows it but the kernel's version.
    Keyword,
    /// An event's folder below tracefs's `events/damon`.
    Event(&'static str),
    /// A file below debugfs's `damon`.
    Debugfs(&'static str),
    /// A module's parameter.
    Param(Module, &'static str),
}

/// A feature.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    /// Its part.
    pub group: Group,
    /// Its name within the part.
    pub name: &'static str,
    /// Where it shows.
    pub sign: Sign,
    /// The first kernel that has it.
    pub since: Version,
    /// The first kernel that has it no more.
    pub until: Option<Version>,
}

impl Feature {
    /// `group/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.group.name(), self.name)
    }
}

const fn feature(group: Group, name: &'static str, sign: Sign, since: (u32, u32)) -> Feature {
    Feature {
        group,
        name,
        sign,
        since: Version(since.0, since.1),
        until: None,
    }
}

const fn file(name: &'static str, path: &'static str, since: (u32, u32)) -> Feature {
    feature(Group::Sysfs, name, Sign::Sysfs(path), since)
}

const fn word(name: &'static str, since: (u32, u32)) -> Feature {
    feature(Group::Sysfs, name, Sign::Keyword, since)
}

const fn event(name: &'static str, since: (u32, u32)) -> Feature {
    feature(Group::Trace, name, Sign::Event(name), since)
}

const fn debugfs(name: &'static str, path: &'static str, since: (u32, u32)) -> Feature {
    Feature {
        until: Some(Version(6, 14)),
        ..feature(Group::Debugfs, name, Sign::Debugfs(path), since)
    }
}

/// All features, modules' parameters included.
pub fn all() -> Vec<Feature> {
    let params = Module::ALL.into_iter().flat_map(|module| {
        module.params().iter().map(move |param| {
            let sign = Sign::Param(module, param.name);
            let since = (param.since.0, param.since.1);
            feature(Group::Module(module), param.name, sign, since)
        })
    });
    FEATURES.iter().copied().chain(params).collect()
}

const FEATURES: &[Feature] = &[
    feature(
        Group::Interface,
        "damon_sysfs",
        Sign::Path("sys/kernel/mm/damon/admin"),
        (5, 18),
    ),
    Feature {
        until: Some(Version(6, 14)),
        ..feature(
            Group::Interface,
            "damon_debugfs",
            Sign::Debugfs("attrs"),
            (5, 15),
        )
    },
    feature(
        Group::Interface,
        "damon_reclaim",
        Sign::Path("sys/module/damon_reclaim/parameters/enabled"),
        (5, 16),
    ),
    feature(
        Group::Interface,
        "damon_lru_sort",
        Sign::Path("sys/module/damon_lru_sort/parameters/enabled"),
        (6, 0),
    ),
    feature(
        Group::Interface,
        "damon_stat",
        Sign::Path("sys/module/damon_stat/parameters/enabled"),
        (6, 17),
    ),
    // Control of kdamonds.
    file("vaddr", "*/contexts/*/operations", (5, 18)),
    word("fvaddr", (5, 19)),
    word("paddr", (5, 18)),
    file("avail_operations", "*/contexts/*/avail_operations", (5, 19)),
    word("commit", (5, 19)),
    word("update_tuned_intervals", (6, 15)),
    word("commit_schemes_quota_goals", (6, 8)),
    word("update_schemes_effective_quotas", (6, 9)),
    file("refresh_ms", "*/refresh_ms", (6, 17)),
    file("addr_unit", "*/contexts/*/addr_unit", (6, 18)),
    file("pause", "*/contexts/*/pause", (7, 2)),
    // Monitoring.
    file(
        "intervals_goal",
        "*/contexts/*/monitoring_attrs/intervals/intervals_goal",
        (6, 15),
    ),
    file("probes", "*/contexts/*/monitoring_attrs/probes", (7, 2)),
    file(
        "probe_weight",
        "*/contexts/*/monitoring_attrs/probes/*/weight",
        (7, 3),
    ),
    file(
        "obsolete_target",
        "*/contexts/*/targets/*/obsolete_target",
        (6, 19),
    ),
    file("init_regions", "*/contexts/*/targets/*/regions", (5, 18)),
    // Schemes.
    file("schemes", "*/contexts/*/schemes", (5, 18)),
    word("schemes_lru_prio", (6, 0)),
    word("schemes_migrate", (6, 11)),
    word("schemes_vaddr_migrate", (6, 17)),
    word("schemes_collapse", (7, 2)),
    file(
        "schemes_target_nid",
        "*/contexts/*/schemes/*/target_nid",
        (6, 11),
    ),
    file(
        "schemes_apply_interval",
        "*/contexts/*/schemes/*/apply_interval_us",
        (6, 7),
    ),
    file("schemes_dests", "*/contexts/*/schemes/*/dests", (6, 17)),
    file(
        "schemes_quotas",
        "*/contexts/*/schemes/*/quotas/bytes",
        (5, 18),
    ),
    file(
        "schemes_prioritization",
        "*/contexts/*/schemes/*/quotas/weights",
        (5, 18),
    ),
    file(
        "schemes_quota_goals",
        "*/contexts/*/schemes/*/quotas/goals",
        (6, 8),
    ),
    file(
        "schemes_quota_effective_bytes",
        "*/contexts/*/schemes/*/quotas/effective_bytes",
        (6, 9),
    ),
    file(
        "schemes_quota_goal_tuner",
        "*/contexts/*/schemes/*/quotas/goal_tuner",
        (7, 1),
    ),
    file(
        "schemes_quota_fail_charge",
        "*/contexts/*/schemes/*/quotas/fail_charge_num",
        (7, 2),
    ),
    file(
        "schemes_quota_goal_metric",
        "*/contexts/*/schemes/*/quotas/goals/*/target_metric",
        (6, 9),
    ),
    word("schemes_quota_goal_some_mem_psi", (6, 9)),
    word("schemes_quota_goal_node_mem", (6, 16)),
    file(
        "schemes_quota_goal_nid",
        "*/contexts/*/schemes/*/quotas/goals/*/nid",
        (6, 16),
    ),
    word("schemes_quota_goal_node_memcg", (6, 19)),
    file(
        "schemes_quota_goal_path",
        "*/contexts/*/schemes/*/quotas/goals/*/path",
        (6, 19),
    ),
    word("schemes_quota_goal_active_mem", (7, 0)),
    word("schemes_quota_goal_node_eligible_mem", (7, 2)),
    file(
        "schemes_wmarks",
        "*/contexts/*/schemes/*/watermarks",
        (5, 18),
    ),
    file("schemes_filters", "*/contexts/*/schemes/*/filters", (6, 3)),
    file(
        "schemes_filters_core_ops_dirs",
        "*/contexts/*/schemes/*/core_filters",
        (6, 15),
    ),
    word("schemes_filters_addr", (6, 6)),
    word("schemes_filters_target", (6, 6)),
    word("schemes_filters_anon", (6, 3)),
    word("schemes_filters_memcg", (6, 3)),
    word("schemes_filters_young", (6, 10)),
    file(
        "schemes_filters_allow",
        "*/contexts/*/schemes/*/filters/*/allow",
        (6, 14),
    ),
    file(
        "schemes_filters_hugepage_size",
        "*/contexts/*/schemes/*/filters/*/max",
        (6, 15),
    ),
    word("schemes_filters_active", (6, 15)),
    word("schemes_filters_unmapped", (6, 15)),
    word("schemes_vaddr_filters", (6, 17)),
    file(
        "schemes_stats",
        "*/contexts/*/schemes/*/stats/nr_tried",
        (5, 18),
    ),
    file(
        "schemes_stats_sz_ops_filter_passed",
        "*/contexts/*/schemes/*/stats/sz_ops_filter_passed",
        (6, 14),
    ),
    file(
        "schemes_stats_nr_snapshots",
        "*/contexts/*/schemes/*/stats/nr_snapshots",
        (7, 0),
    ),
    file(
        "schemes_max_nr_snapshots",
        "*/contexts/*/schemes/*/stats/max_nr_snapshots",
        (7, 0),
    ),
    file(
        "schemes_tried_regions",
        "*/contexts/*/schemes/*/tried_regions",
        (6, 2),
    ),
    file(
        "schemes_tried_regions_sz",
        "*/contexts/*/schemes/*/tried_regions/total_bytes",
        (6, 6),
    ),
    file(
        "schemes_tried_regions_sz_filter_passed",
        "*/contexts/*/schemes/*/tried_regions/*/sz_filter_passed",
        (6, 14),
    ),
    file(
        "schemes_tried_regions_probes",
        "*/contexts/*/schemes/*/tried_regions/*/probes",
        (7, 2),
    ),
    // debugfs.
    debugfs("attrs", "attrs", (5, 15)),
    debugfs("target_ids", "target_ids", (5, 15)),
    debugfs("kdamond_pid", "kdamond_pid", (5, 15)),
    debugfs("init_regions", "init_regions", (5, 16)),
    debugfs("schemes", "schemes", (5, 16)),
    debugfs("mk_contexts", "mk_contexts", (5, 16)),
    debugfs("rm_contexts", "rm_contexts", (5, 16)),
    // Tracepoints.
    event("damon_aggregated", (5, 15)),
    event("damos_before_apply", (6, 7)),
    event("damon_monitor_intervals_tune", (6, 17)),
    event("damos_esz", (6, 17)),
    event("damos_stat_after_apply_interval", (7, 0)),
    event("damon_region_aggregated", (7, 2)),
];
