//! Which of DAMON's parameters this kernel has: by the presence of files, and
//! where no folder is there to look into, by the kernel's release.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::control::files::Kind;
use crate::control::sysfs::{FileError, Tree};

/// A kernel's release, major and minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release(pub u32, pub u32);

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for Release {
    type Err = ();

    /// The beginning of what `uname -r` prints.
    fn from_str(text: &str) -> Result<Release, ()> {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit());
        let mut next = || {
            numbers
                .next()
                .and_then(|digits| digits.parse().ok())
                .ok_or(())
        };
        Ok(Release(next()?, next()?))
    }
}

const KDAMOND: &str = "kdamonds/*";
const CONTEXT: &str = "kdamonds/*/contexts/*";
const PROBE: &str = "kdamonds/*/contexts/*/monitoring_attrs/probes/*";
const TARGET: &str = "kdamonds/*/contexts/*/targets/*";
const SCHEME: &str = "kdamonds/*/contexts/*/schemes/*";
const GOAL: &str = "kdamonds/*/contexts/*/schemes/*/quotas/goals/*";
const FILTER: &str = "kdamonds/*/contexts/*/schemes/*/filters/*";

/// The folders that must have an entry for [`Features::read`] to see everything.
const COUNTS: [&str; 9] = [
    "kdamonds/nr_kdamonds",
    "kdamonds/0/contexts/nr_contexts",
    "kdamonds/0/contexts/0/monitoring_attrs/probes/nr_probes",
    "kdamonds/0/contexts/0/targets/nr_targets",
    "kdamonds/0/contexts/0/schemes/nr_schemes",
    "kdamonds/0/contexts/0/schemes/0/quotas/goals/nr_goals",
    "kdamonds/0/contexts/0/schemes/0/filters/nr_filters",
    "kdamonds/0/contexts/0/schemes/0/core_filters/nr_filters",
    "kdamonds/0/contexts/0/schemes/0/ops_filters/nr_filters",
];

macro_rules! features {
    ($($(#[$doc:meta])* $name:ident: $folder:ident, $file:literal, $major:literal $minor:literal;)*) => {
        /// A parameter that not every kernel has.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Feature {
            $($(#[$doc])* $name,)*
        }

        impl Feature {
            /// Every one.
            pub const ALL: &'static [Feature] = &[$(Feature::$name,)*];

            /// The folder and the file that tell of it; `*` is a number.
            pub fn file(self) -> (&'static str, &'static str) {
                match self { $(Feature::$name => ($folder, $file),)* }
            }

            /// The first kernel that has it.
            pub fn since(self) -> Release {
                match self { $(Feature::$name => Release($major, $minor),)* }
            }
        }
    };
}

features! {
    /// Results that refresh themselves.
    RefreshMs: KDAMOND, "refresh_ms", 6 17;
    /// Addresses in other units than bytes.
    AddrUnit: CONTEXT, "addr_unit", 6 18;
    /// Monitoring that stands still.
    Pause: CONTEXT, "pause", 7 2;
    /// Tuning of intervals.
    IntervalsGoal: CONTEXT, "monitoring_attrs/intervals/intervals_goal/aggrs", 6 15;
    /// Probes.
    Probes: CONTEXT, "monitoring_attrs/probes/nr_probes", 7 2;
    /// Weights of probes.
    ProbeWeight: PROBE, "weight", 7 3;
    /// Targets that a commit takes away.
    ObsoleteTarget: TARGET, "obsolete_target", 6 19;
    /// A node to move memory to.
    TargetNid: SCHEME, "target_nid", 6 11;
    /// Schemes with an interval of their own.
    ApplyInterval: SCHEME, "apply_interval_us", 6 7;
    /// Goals of quotas.
    Goals: SCHEME, "quotas/goals/nr_goals", 6 8;
    /// Goals of other metrics than the user's.
    GoalMetric: GOAL, "target_metric", 6 9;
    /// Goals on a node.
    GoalNid: GOAL, "nid", 6 16;
    /// Goals on a cgroup.
    GoalPath: GOAL, "path", 6 19;
    /// Ways of tuning.
    GoalTuner: SCHEME, "quotas/goal_tuner", 7 1;
    /// Charging of failures.
    FailCharge: SCHEME, "quotas/fail_charge_num", 7 2;
    /// Filters.
    Filters: SCHEME, "filters/nr_filters", 6 3;
    /// Filters of regions and of pages apart.
    LayeredFilters: SCHEME, "core_filters/nr_filters", 6 15;
    /// Filters that let through.
    FilterAllow: FILTER, "allow", 6 14;
    /// Filters of addresses and targets.
    FilterAddr: FILTER, "addr_start", 6 6;
    /// Filters of sizes.
    FilterSize: FILTER, "min", 6 15;
    /// Several nodes to move memory to.
    Dests: SCHEME, "dests/nr_dests", 6 17;
    /// Schemes that end.
    MaxNrSnapshots: SCHEME, "stats/max_nr_snapshots", 7 0;
}

/// What a kernel's DAMON has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    present: BTreeMap<Feature, bool>,
    release: Option<Release>,
}

impl Features {
    /// By the release alone.
    pub fn of_release(release: Release) -> Features {
        Features {
            present: BTreeMap::new(),
            release: Some(release),
        }
    }

    /// By what folders there are, changing nothing; `release` tells the rest.
    ///
    /// # Errors
    /// A folder cannot be listed.
    pub fn read(tree: &Tree, release: Option<Release>) -> Result<Features, FileError> {
        let mut present = BTreeMap::new();
        for &feature in Feature::ALL {
            let (folder, file) = feature.file();
            if let Some(folder) = folders(tree, folder)?.first() {
                present.insert(feature, tree.exists(format!("{folder}/{file}")));
            }
        }
        Ok(Features { present, release })
    }

    /// By folders that this makes, one of each: to be called while no kdamond
    /// runs, with what was there saved, and to be put back by the caller.
    ///
    /// # Errors
    /// A count cannot be written, or a folder not be listed.
    pub fn probe(tree: &Tree, release: Option<Release>) -> Result<Features, FileError> {
        for count in COUNTS {
            if tree.exists(count) {
                tree.write(count, "1")?;
            }
        }
        Features::read(tree, release)
    }

    /// Whether there is such a parameter; `None` if nothing tells.
    pub fn has(&self, feature: Feature) -> Option<bool> {
        let by_release = self.release.map(|release| release >= feature.since());
        self.present.get(&feature).copied().or(by_release)
    }

    /// Whether a keyword that came with `since` is known; `None` if nothing tells.
    pub fn knows(&self, since: Release) -> Option<bool> {
        self.release.map(|release| release >= since)
    }
}

/// The folders that a path with `*` for numbers means.
pub(super) fn folders(tree: &Tree, pattern: &str) -> Result<Vec<String>, FileError> {
    let mut found = vec![String::new()];
    for part in pattern.split('/') {
        let mut below = Vec::new();
        for folder in &found {
            if part != "*" {
                let path = if folder.is_empty() {
                    part.to_owned()
                } else {
                    format!("{folder}/{part}")
                };
                if tree.exists(&path) {
                    below.push(path);
                }
                continue;
            }
            for entry in tree.list(folder)? {
                let number = entry.name.bytes().all(|b| b.is_ascii_digit());
                if number && matches!(entry.kind, Kind::Folder) {
                    below.push(format!("{folder}/{}", entry.name));
                }
            }
        }
        found = below;
    }
    Ok(found)
}
