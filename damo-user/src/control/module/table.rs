//! Every parameter of every module, in one table.

use std::fmt;

use crate::control::others::Module;

/// A kernel version, as far as features go by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl Version {
    /// The version in a release as `7.3.4-cloud-amd64`; `None` if it has none.
    pub fn parse(release: &str) -> Option<Version> {
        let mut parts = release.split(|c: char| !c.is_ascii_digit());
        Some(Version(
            parts.next()?.parse().ok()?,
            parts.next()?.parse().ok()?,
        ))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// What a parameter's number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `Y` or `N`.
    Bool,
    /// Microseconds.
    Us,
    /// Milliseconds.
    Ms,
    /// Bytes.
    Bytes,
    /// A physical address, in units of `addr_unit`.
    Address,
    /// 1/1000.
    Permil,
    /// 1/10000.
    Bp,
    /// Anything else that is counted.
    Count,
    /// A thread id, or -1.
    Pid,
    /// Bytes per second.
    Bandwidth,
    /// 101 times in milliseconds, with commas between; negative: accessed.
    IdlePercentiles,
}

impl Unit {
    /// Its name in json.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Bool => "bool",
            Unit::Us => "us",
            Unit::Ms => "ms",
            Unit::Bytes => "bytes",
            Unit::Address => "address",
            Unit::Permil => "permil",
            Unit::Bp => "bp",
            Unit::Count => "count",
            Unit::Pid => "pid",
            Unit::Bandwidth => "bytes_per_second",
            Unit::IdlePercentiles => "ms_percentiles",
        }
    }
}

/// What a parameter is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Switches and commands: they have subcommands of their own.
    Control,
    /// Set by users, read when the module starts or commits.
    Input,
    /// Written by the kernel.
    Statistic,
}

/// A parameter of a module.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its file below `/sys/module/NAME/parameters`.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// Who writes it.
    pub role: Role,
    /// The first kernel that has it.
    pub since: Version,
}

impl Module {
    /// The first kernel that has the module.
    pub fn since(self) -> Version {
        match self {
            Module::Reclaim => Version(5, 16),
            Module::LruSort => Version(6, 0),
            Module::Stat => Version(6, 17),
        }
    }

    /// Its name in commands.
    pub fn short_name(self) -> &'static str {
        self.name().trim_start_matches("damon_")
    }

    /// The kernel's configuration option.
    pub fn config(self) -> String {
        format!("CONFIG_{}", self.name().to_ascii_uppercase())
    }

    /// Its parameters, in the order that `status` shows.
    pub fn params(self) -> &'static [Param] {
        match self {
            Module::Reclaim => RECLAIM,
            Module::LruSort => LRU_SORT,
            Module::Stat => STAT,
        }
    }

    /// One of them.
    pub fn param(self, name: &str) -> Option<&'static Param> {
        self.params().iter().find(|param| param.name == name)
    }
}

const fn control(name: &'static str, unit: Unit, since: Version) -> Param {
    Param {
        name,
        unit,
        role: Role::Control,
        since,
    }
}

const fn input(name: &'static str, unit: Unit, since: Version) -> Param {
    Param {
        name,
        unit,
        role: Role::Input,
        since,
    }
}

const fn statistic(name: &'static str, unit: Unit, since: Version) -> Param {
    Param {
        name,
        unit,
        role: Role::Statistic,
        since,
    }
}

const V5_16: Version = Version(5, 16);
const V5_17: Version = Version(5, 17);
const V5_19: Version = Version(5, 19);
const V6_0: Version = Version(6, 0);
const V6_3: Version = Version(6, 3);
const V6_9: Version = Version(6, 9);
const V6_17: Version = Version(6, 17);
const V6_18: Version = Version(6, 18);
const V7_0: Version = Version(7, 0);
const V7_2: Version = Version(7, 2);

const RECLAIM: &[Param] = &[
    control("enabled", Unit::Bool, V5_16),
    control("commit_inputs", Unit::Bool, V5_19),
    input("min_age", Unit::Us, V5_16),
    input("quota_ms", Unit::Ms, V5_16),
    input("quota_sz", Unit::Bytes, V5_16),
    input("quota_reset_interval_ms", Unit::Ms, V5_16),
    input("quota_mem_pressure_us", Unit::Us, V6_9),
    input("quota_autotune_feedback", Unit::Bp, V6_9),
    input("wmarks_interval", Unit::Us, V5_16),
    input("wmarks_high", Unit::Permil, V5_16),
    input("wmarks_mid", Unit::Permil, V5_16),
    input("wmarks_low", Unit::Permil, V5_16),
    input("sample_interval", Unit::Us, V5_16),
    input("aggr_interval", Unit::Us, V5_16),
    input("autotune_monitoring_intervals", Unit::Bool, V7_2),
    input("min_nr_regions", Unit::Count, V5_16),
    input("max_nr_regions", Unit::Count, V5_16),
    input("monitor_region_start", Unit::Address, V5_16),
    input("monitor_region_end", Unit::Address, V5_16),
    input("addr_unit", Unit::Count, V6_18),
    input("skip_anon", Unit::Bool, V6_3),
    statistic("kdamond_pid", Unit::Pid, V5_16),
    statistic("nr_reclaim_tried_regions", Unit::Count, V5_17),
    statistic("bytes_reclaim_tried_regions", Unit::Bytes, V5_17),
    statistic("nr_reclaimed_regions", Unit::Count, V5_17),
    statistic("bytes_reclaimed_regions", Unit::Bytes, V5_17),
    statistic("nr_quota_exceeds", Unit::Count, V5_17),
];

const LRU_SORT: &[Param] = &[
    control("enabled", Unit::Bool, V6_0),
    control("commit_inputs", Unit::Bool, V6_0),
    input("hot_thres_access_freq", Unit::Permil, V6_0),
    input("cold_min_age", Unit::Us, V6_0),
    input("active_mem_bp", Unit::Bp, V7_0),
    input("filter_young_pages", Unit::Bool, V7_0),
    input("quota_ms", Unit::Ms, V6_0),
    input("quota_reset_interval_ms", Unit::Ms, V6_0),
    input("wmarks_interval", Unit::Us, V6_0),
    input("wmarks_high", Unit::Permil, V6_0),
    input("wmarks_mid", Unit::Permil, V6_0),
    input("wmarks_low", Unit::Permil, V6_0),
    input("sample_interval", Unit::Us, V6_0),
    input("aggr_interval", Unit::Us, V6_0),
    input("autotune_monitoring_intervals", Unit::Bool, V7_0),
    input("min_nr_regions", Unit::Count, V6_0),
    input("max_nr_regions", Unit::Count, V6_0),
    input("monitor_region_start", Unit::Address, V6_0),
    input("monitor_region_end", Unit::Address, V6_0),
    input("addr_unit", Unit::Count, V6_18),
    statistic("kdamond_pid", Unit::Pid, V6_0),
    statistic("nr_lru_sort_tried_hot_regions", Unit::Count, V6_0),
    statistic("bytes_lru_sort_tried_hot_regions", Unit::Bytes, V6_0),
    statistic("nr_lru_sorted_hot_regions", Unit::Count, V6_0),
    statistic("bytes_lru_sorted_hot_regions", Unit::Bytes, V6_0),
    statistic("nr_hot_quota_exceeds", Unit::Count, V6_0),
    statistic("nr_lru_sort_tried_cold_regions", Unit::Count, V6_0),
    statistic("bytes_lru_sort_tried_cold_regions", Unit::Bytes, V6_0),
    statistic("nr_lru_sorted_cold_regions", Unit::Count, V6_0),
    statistic("bytes_lru_sorted_cold_regions", Unit::Bytes, V6_0),
    statistic("nr_cold_quota_exceeds", Unit::Count, V6_0),
];

const STAT: &[Param] = &[
    control("enabled", Unit::Bool, V6_17),
    statistic("kdamond_pid", Unit::Pid, V7_2),
    statistic("aggr_interval_us", Unit::Us, V6_18),
    statistic("estimated_memory_bandwidth", Unit::Bandwidth, V6_17),
    statistic("memory_idle_ms_percentiles", Unit::IdlePercentiles, V6_17),
];
