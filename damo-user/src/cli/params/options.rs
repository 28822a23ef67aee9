//! The options by name.

/// An option.
pub struct Opt {
    /// Its long name.
    pub name: &'static str,
    /// Its letter.
    pub short: Option<char>,
    /// Names of its words.
    pub values: &'static str,
    /// Fewest and most words of one use.
    pub words: (usize, usize),
    /// Under which it is listed.
    pub heading: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// No limit of words.
pub const MANY: usize = usize::MAX - 1;
const MONITORING: &str = "Monitoring";
const SCHEMES: &str = "Schemes (each --damos_* once per --damos_action)";

const fn monitoring(
    name: &'static str,
    words: (usize, usize),
    values: &'static str,
    help: &'static str,
) -> Opt {
    Opt {
        name,
        short: None,
        values,
        words,
        heading: MONITORING,
        help,
    }
}

const fn short(letter: char, option: Opt) -> Opt {
    Opt {
        short: Some(letter),
        ..option
    }
}

const fn damos(
    name: &'static str,
    words: (usize, usize),
    values: &'static str,
    help: &'static str,
) -> Opt {
    Opt {
        name,
        short: None,
        values,
        words,
        heading: SCHEMES,
        help,
    }
}

/// What short help shows of them.
pub const COMMON: &[&str] = &[
    "kdamonds",
    "ops",
    "target_pid",
    "regions",
    "sample",
    "aggr",
    "minr",
    "maxr",
    "schemes",
    "damos_action",
    "damos_sz_region",
    "damos_access_rate",
    "damos_age",
    "damos_quotas",
];

/// Every option.
pub const OPTIONS: &[Opt] = &[
    monitoring(
        "kdamonds",
        (1, 1),
        "JSON|FILE",
        "All parameters, as json or yaml",
    ),
    monitoring(
        "kdamond",
        (0, 0),
        "",
        "The options behind it are another kdamond's, up to the next --kdamond",
    ),
    monitoring(
        "damon_ctx",
        (0, 0),
        "",
        "The options behind it are another context's",
    ),
    monitoring(
        "damon_target",
        (0, 0),
        "",
        "The options behind it are another target's",
    ),
    monitoring(
        "ops",
        (1, 1),
        "OPS",
        "Operations set: vaddr, fvaddr or paddr",
    ),
    monitoring(
        "target_pid",
        (1, 1),
        "PID",
        "Process to watch; repeat it for more",
    ),
    short(
        'r',
        monitoring(
            "regions",
            (1, 1),
            "RANGES",
            "Addresses in bytes to watch, as \"START-END START-END\"; once per target",
        ),
    ),
    monitoring(
        "numa_node",
        (1, MANY),
        "NODE",
        "Watch the physical memory of these nodes",
    ),
    short(
        's',
        monitoring(
            "sample",
            (1, 1),
            "TIME",
            "Time between two checks of a region; a number is in microseconds [default: 5ms]",
        ),
    ),
    short(
        'a',
        monitoring(
            "aggr",
            (1, 1),
            "TIME",
            "Time over which checks are counted [default: 100ms]",
        ),
    ),
    short(
        'u',
        monitoring(
            "updr",
            (1, 1),
            "TIME",
            "Time between two updates of the address ranges [default: 1s]",
        ),
    ),
    short(
        'n',
        monitoring("minr", (1, 1), "N", "Fewest regions [default: 10]"),
    ),
    short(
        'm',
        monitoring("maxr", (1, 1), "N", "Most regions [default: 1000]"),
    ),
    monitoring(
        "monitoring_intervals",
        (3, 3),
        "SAMPLE AGGR UPDATE",
        "The three intervals",
    ),
    monitoring(
        "monitoring_nr_regions_range",
        (2, 2),
        "MIN MAX",
        "Fewest and most regions",
    ),
    monitoring(
        "monitoring_intervals_goal",
        (4, 4),
        "ACCESS_BP AGGRS MIN MAX",
        "Tune the intervals until that share of accesses is seen",
    ),
    monitoring(
        "monitoring_intervals_autotune",
        (0, 0),
        "",
        "The same as --monitoring_intervals_goal 4% 3 5ms 10s",
    ),
    monitoring(
        "damon_addr_unit",
        (1, 1),
        "BYTES",
        "Bytes that one unit of an address means (paddr)",
    ),
    monitoring(
        "nr_ctxs",
        (1, MANY),
        "N",
        "Number of contexts of each kdamond: 1 each",
    ),
    monitoring(
        "nr_targets",
        (1, MANY),
        "N",
        "Number of targets of each context",
    ),
    monitoring(
        "nr_schemes",
        (1, MANY),
        "N",
        "Number of schemes of each context",
    ),
    monitoring(
        "obsolete_targets",
        (1, MANY),
        "IDX",
        "Targets that the next commit takes away",
    ),
    monitoring(
        "pause_ctx",
        (1, MANY),
        "IDX",
        "Contexts whose monitoring stands still",
    ),
    monitoring(
        "refresh_stat",
        (1, 1),
        "MS",
        "Let DAMON refresh its statistics that often; once per kdamond",
    ),
    monitoring(
        "probe",
        (0, 0),
        "",
        "The options behind it are another probe's",
    ),
    monitoring(
        "probe_filter",
        (2, MANY),
        "allow|reject",
        "A filter of a probe: allow|reject [none] anon | memcg PATH",
    ),
    monitoring(
        "nr_probe_filters",
        (1, MANY),
        "N",
        "Number of filters of each probe",
    ),
    monitoring(
        "nr_probes",
        (1, MANY),
        "N",
        "Number of probes of each context",
    ),
    monitoring(
        "probe_weight",
        (1, 1),
        "N",
        "What a probe's hit counts; once per probe",
    ),
    short(
        'c',
        damos(
            "schemes",
            (1, 1),
            "JSON|TEXT|FILE",
            "Schemes, as json, yaml or in the classic text form",
        ),
    ),
    damos(
        "damos_scheme",
        (0, 0),
        "",
        "The options behind it are another scheme's",
    ),
    damos(
        "damos_action",
        (1, MANY),
        "ACTION",
        "What to do; migrate_hot and migrate_cold: and a node, or nodes with their weights",
    ),
    damos(
        "damos_sz_region",
        (2, 2),
        "MIN MAX",
        "Sizes of regions [default: min max]",
    ),
    damos(
        "damos_access_rate",
        (2, 2),
        "MIN MAX",
        "Access rates: percent, '3 samples' or '10 hz' [default: min max]",
    ),
    damos(
        "damos_age",
        (2, 2),
        "MIN MAX",
        "Ages: a number is in microseconds; '2 aggr_intervals' [default: min max]",
    ),
    damos(
        "damos_apply_interval",
        (1, 1),
        "TIME",
        "Time between two times [default: the aggregation interval]",
    ),
    damos(
        "damos_max_nr_snapshots",
        (1, 1),
        "N",
        "End after so many times",
    ),
    damos(
        "damos_quotas",
        (1, 6),
        "MS BYTES RESET_MS SZ_WEIGHT FREQ_WEIGHT AGE_WEIGHT",
        "Limits per reset interval, and what counts in choosing",
    ),
    damos(
        "damos_quota_interval",
        (1, 1),
        "MS",
        "Reset interval of the quotas",
    ),
    damos("damos_quota_time", (1, 1), "MS", "Time to spend at most"),
    damos(
        "damos_quota_space",
        (1, 1),
        "BYTES",
        "Memory to act on at most",
    ),
    damos(
        "damos_quota_weights",
        (3, 3),
        "SZ FREQ AGE",
        "What counts in choosing [default: 1 1 1]",
    ),
    damos(
        "damos_quota_goal",
        (2, 5),
        "METRIC TARGET",
        "Tune the quota: METRIC TARGET [CURRENT | NODE [CGROUP]]",
    ),
    damos(
        "damos_nr_quota_goals",
        (1, MANY),
        "N",
        "Number of goals of each scheme",
    ),
    damos(
        "damos_quota_goal_tuner",
        (1, 1),
        "TUNER",
        "consist or temporal",
    ),
    damos(
        "damos_quota_fail_charge_ratio",
        (2, 2),
        "NUM DENOM",
        "What counts of memory on which the action failed",
    ),
    damos(
        "damos_filter",
        (1, MANY),
        "FILTER",
        "allow|reject [none] anon | active | young | unmapped | memcg PATH | addr START END | target IDX | hugepage_size MIN MAX",
    ),
    damos(
        "damos_nr_filters",
        (1, MANY),
        "N",
        "Number of filters of each scheme",
    ),
    damos(
        "damos_wmarks",
        (5, 5),
        "METRIC INTERVAL HIGH MID LOW",
        "When it is active: none or free_mem_rate",
    ),
];
