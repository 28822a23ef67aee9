//! Parameters that set everything that a kernel has to something else than its
//! default, as json and as options: kdamond 0 watches two processes, kdamond 1
//! the physical memory. (Obsolete targets are nothing to start with.)
//!
//! Their schemes never act: so much memory is always free that the watermarks
//! keep them off. Some move memory to nodes that there are not.

use std::collections::BTreeSet;

use damo_user::control::module::Version;
use serde_json::{Value, json};

/// There must be one, and a memory controller for it.
pub const CGROUP: &str = "/damo_everything";

/// A keyword, and the kernel that first had it.
type Word = (&'static str, Version);

/// Metrics of goals.
const METRICS: [Word; 8] = [
    ("user_input", Version(6, 8)),
    ("some_mem_psi_us", Version(6, 9)),
    ("node_mem_used_bp", Version(6, 16)),
    ("node_mem_free_bp", Version(6, 16)),
    ("node_memcg_used_bp", Version(6, 19)),
    ("node_memcg_free_bp", Version(6, 19)),
    ("active_mem_bp", Version(7, 0)),
    ("inactive_mem_bp", Version(7, 0)),
];
/// Only paddr has it.
const ELIGIBLE: Word = ("node_eligible_mem_bp", Version(7, 2));

/// Types of filters, in the order in which they are read back.
const FILTERS: [Word; 8] = [
    ("addr", Version(6, 6)),
    ("target", Version(6, 6)),
    ("anon", Version(6, 3)),
    ("memcg", Version(6, 3)),
    ("young", Version(6, 10)),
    ("active", Version(6, 15)),
    ("hugepage_size", Version(6, 15)),
    ("unmapped", Version(6, 15)),
];

pub struct Everything {
    /// As `damo status --format json --raw` prints it.
    pub json: Value,
    /// Each option with its words.
    pub options: Vec<Vec<String>>,
}

impl Everything {
    /// What `kernel` has.
    pub fn of(kernel: &str, pids: [u32; 2]) -> Everything {
        let mut builder = Builder {
            kernel: Version::parse(kernel).unwrap(),
            options: Vec::new(),
            unit: 1,
        };
        let kdamonds = vec![builder.vaddr(pids), builder.paddr()];
        Everything {
            json: json!({ "kdamonds": kdamonds }),
            options: builder.options,
        }
    }

    /// All words of all uses of an option.
    pub fn words_of(&self, option: &str) -> BTreeSet<&str> {
        let uses = self.options.iter().filter(|words| words[0] == option);
        uses.flat_map(|words| &words[1..])
            .flat_map(|word| word.split([' ', '-']))
            .collect()
    }
}

struct Builder {
    kernel: Version,
    options: Vec<Vec<String>>,
    /// Bytes in an address's unit, of the context that is being made.
    unit: u64,
}

impl Builder {
    fn has(&self, major: u32, minor: u32) -> bool {
        self.kernel >= Version(major, minor)
    }

    /// A value that the kernel has since some version, and its default before.
    fn since<T>(&self, (major, minor): (u32, u32), value: T, default: T) -> T {
        if self.has(major, minor) {
            value
        } else {
            default
        }
    }

    /// Adds an option; its words are parted by `, `.
    fn option(&mut self, name: &str, words: &str) {
        let words = words.split(", ").map(str::to_owned);
        let name = format!("--{name}");
        self.options.push([name].into_iter().chain(words).collect());
    }

    fn vaddr(&mut self, pids: [u32; 2]) -> Value {
        self.option("ops", "vaddr");
        for pid in pids {
            self.option("target_pid", &pid.to_string());
        }
        self.option("regions", "409600-819200 1228800-1638400");
        self.option("regions", "2048000-2457600");
        self.option("nr_targets", "2");
        let pause = self.has(7, 2);
        if pause {
            self.option("pause_ctx", "0");
        }
        if self.has(6, 18) {
            self.option("damon_addr_unit", "1");
        }
        if self.has(7, 2) {
            self.option("nr_probes", "0");
        }
        let refresh = self.refresh(600_000);
        let intervals = self.intervals(0);
        let action = self.action(Some(0));
        let one = self.scheme(100, action, &METRICS, &FILTERS);
        let action = self.action(None);
        let two = self.scheme(200, action, &METRICS[..1], &FILTERS[..1]);
        self.option("nr_schemes", "2");
        json!({
            "refresh_ms": refresh,
            "contexts": [{
                "ops": "vaddr",
                "addr_unit": 1,
                "targets": [
                    {
                        "pid": pids[0],
                        "regions": [range(409_600, 819_200), range(1_228_800, 1_638_400)],
                        "obsolete": false,
                    },
                    {
                        "pid": pids[1],
                        "regions": [range(2_048_000, 2_457_600)],
                        "obsolete": false,
                    },
                ],
                "intervals": intervals,
                "nr_regions": { "min": 11, "max": 1100 },
                "probes": [],
                "pause": pause,
                "schemes": [one, two],
            }],
        })
    }

    fn paddr(&mut self) -> Value {
        self.option("ops", "paddr");
        // Typed in bytes, and kept in units, if there are others.
        let unit = self.since((6, 18), 2, 1);
        let regions = format!("{}-{}", 1_048_576 * unit, 4_194_304 * unit);
        self.option("regions", &regions);
        self.unit = unit;
        if self.has(6, 18) {
            self.option("damon_addr_unit", "2");
        }
        let probes = self.probes();
        let refresh = self.refresh(700_000);
        let intervals = self.intervals(1);
        self.option("nr_targets", "1");
        self.option("nr_schemes", "1");
        self.option("damos_action", "lru_deprio");
        let action = json!({ "action": "lru_deprio", "target_nid": -1, "dests": [] });
        // It has one target, so that a filter's index could only be the default.
        let filters: Vec<Word> = FILTERS.into_iter().filter(|it| it.0 != "target").collect();
        let scheme = self.scheme(300, action, &[METRICS[0], ELIGIBLE], &filters);
        json!({
            "refresh_ms": refresh,
            "contexts": [{
                "ops": "paddr",
                "addr_unit": unit,
                "targets": [{
                    "pid": null,
                    "regions": [range(1_048_576, 4_194_304)],
                    "obsolete": false,
                }],
                "intervals": intervals,
                "nr_regions": { "min": 12, "max": 1200 },
                "probes": probes,
                "pause": false,
                "schemes": [scheme],
            }],
        })
    }

    fn refresh(&mut self, ms: u64) -> u64 {
        let ms = self.since((6, 17), ms, 0);
        if ms > 0 {
            self.option("refresh_stat", &ms.to_string());
        }
        ms
    }

    fn intervals(&mut self, index: u64) -> Value {
        let (sample, update) = (7_000 + index, 777_000 + index);
        let aggr = 20 * sample;
        self.option("sample", &sample.to_string());
        self.option("aggr", &aggr.to_string());
        self.option("updr", &update.to_string());
        self.option("minr", &(11 + index).to_string());
        self.option("maxr", &(1100 + 100 * index).to_string());
        let goal = self.since((6, 15), [410, 40, 6_000, 900_000], [0; 4]);
        if self.has(6, 15) {
            self.option(
                "monitoring_intervals_goal",
                &goal.map(|it| it.to_string()).join(", "),
            );
        }
        json!({
            "sample_us": sample,
            "aggr_us": aggr,
            "ops_update_us": update,
            "intervals_goal": {
                "access_bp": goal[0],
                "aggrs": goal[1],
                "min_sample_us": goal[2],
                "max_sample_us": goal[3],
            },
        })
    }

    fn probes(&mut self) -> Value {
        if !self.has(7, 2) {
            return json!([]);
        }
        self.option("nr_probes", "2");
        self.option("nr_probe_filters", "2, 1");
        self.option("probe_filter", "allow, anon");
        self.option("probe_filter", &format!("reject, none, memcg, {CGROUP}"));
        self.option("probe_filter", "reject, anon");
        let weights = self.since((7, 3), [3, 5], [0; 2]);
        if self.has(7, 3) {
            for weight in weights {
                self.option("probe_weight", &weight.to_string());
            }
        }
        json!([
            {
                "weight": weights[0],
                "filters": [
                    probe_filter("anon", true, true, Value::Null),
                    probe_filter("memcg", false, false, json!(CGROUP)),
                ],
            },
            { "weight": weights[1], "filters": [probe_filter("anon", true, false, Value::Null)] },
        ])
    }

    /// An action that moves memory: to a node, or to several.
    fn action(&mut self, node: Option<i32>) -> Value {
        match node {
            Some(nid) => {
                self.option("damos_action", &format!("migrate_cold, {nid}"));
                json!({ "action": "migrate_cold", "target_nid": nid, "dests": [] })
            }
            None if self.has(6, 17) => {
                self.option("damos_action", "migrate_hot, 3, 70, 5, 90");
                let dests = json!([{ "id": 3, "weight": 70 }, { "id": 5, "weight": 90 }]);
                json!({ "action": "migrate_hot", "target_nid": -1, "dests": dests })
            }
            None => {
                self.option("damos_action", "cold");
                json!({ "action": "cold", "target_nid": -1, "dests": [] })
            }
        }
    }

    /// A scheme whose numbers are all different; `n` sets it apart from others.
    fn scheme(&mut self, n: u64, action: Value, metrics: &[Word], filters: &[Word]) -> Value {
        let goals = self.goals(n, metrics);
        let filters = self.filters(filters);
        let (apply, size) = (280_000 + n, 8_192 * n);
        self.option("damos_apply_interval", &apply.to_string());
        self.option("damos_sz_region", &format!("{size}, {}", size + 4_096));
        self.option("damos_access_rate", "3 samples, 17 samples");
        self.option(
            "damos_age",
            &format!("{} aggr_intervals, {} aggr_intervals", n + 1, n + 2),
        );
        let quota = [n + 3, 4_096 * n, 10 * n, n + 4, n + 5, n + 6];
        self.option("damos_quotas", &quota.map(|it| it.to_string()).join(", "));
        let tuner = self.since((7, 1), "temporal", "consist");
        if self.has(7, 1) {
            self.option("damos_quota_goal_tuner", tuner);
        }
        let charge = self.since((7, 2), [n + 7, n + 8], [0; 2]);
        if self.has(7, 2) {
            let [num, denom] = charge;
            self.option("damos_quota_fail_charge_ratio", &format!("{num}, {denom}"));
        }
        let interval = 5_000_000 + n;
        self.option(
            "damos_wmarks",
            &format!("free_mem_rate, {interval}, 30, 20, 10"),
        );
        let snapshots = self.since((7, 0), n + 9, 0);
        if self.has(7, 0) {
            self.option("damos_max_nr_snapshots", &snapshots.to_string());
        }
        json!({
            "action": action["action"],
            "dests": action["dests"],
            "target_nid": action["target_nid"],
            "access_pattern": {
                "sz_bytes": { "min": size, "max": size + 4_096 },
                "nr_accesses": { "min": "3 samples", "max": "17 samples" },
                "age": {
                    "min": format!("{} aggr_intervals", n + 1),
                    "max": format!("{} aggr_intervals", n + 2),
                },
            },
            "apply_interval_us": apply,
            "quotas": {
                "time_ms": quota[0],
                "sz_bytes": quota[1],
                "reset_interval_ms": quota[2],
                "goals": goals,
                "goal_tuner": tuner,
                "fail_charge_num": charge[0],
                "fail_charge_denom": charge[1],
                "effective_sz_bytes": 0,
                "weights": {
                    "sz_permil": quota[3],
                    "nr_accesses_permil": quota[4],
                    "age_permil": quota[5],
                },
            },
            "watermarks": {
                "metric": "free_mem_rate",
                "interval_us": interval,
                "high_permil": 30,
                "mid_permil": 20,
                "low_permil": 10,
            },
            "filters": filters,
            "max_nr_snapshots": snapshots,
        })
    }

    fn goals(&mut self, n: u64, metrics: &[Word]) -> Vec<Value> {
        let mut goals = Vec::new();
        for (index, (metric, since)) in (1..).zip(metrics) {
            if *since > self.kernel {
                continue;
            }
            let target = 1_000 + n + index;
            // Nodes that there are not: only looked at by an active scheme.
            let (nid, path, current, more) = match *metric {
                "user_input" => (0, "", 4_321, ", 4321".to_owned()),
                node if node.contains("memcg") => (2, CGROUP, 0, format!(", 2, {CGROUP}")),
                node if node.starts_with("node_") => (1, "", 0, ", 1".to_owned()),
                _ => (0, "", 0, String::new()),
            };
            self.option("damos_quota_goal", &format!("{metric}, {target}{more}"));
            goals.push(json!({
                "metric": metric,
                "nid": nid,
                "memcg_path": if path.is_empty() { Value::Null } else { json!(path) },
                "target_value": target,
                "current_value": current,
            }));
        }
        self.option("damos_nr_quota_goals", &goals.len().to_string());
        goals
    }

    fn filters(&mut self, kinds: &[Word]) -> Vec<Value> {
        let mut filters = Vec::new();
        for (index, (kind, since)) in kinds.iter().enumerate() {
            if *since > self.kernel {
                continue;
            }
            let matching = index % 2 == 0;
            // All others reject, and so did all before there was a choice.
            let allow = self.has(6, 14) && index % 3 != 1;
            let (argument, words) = match *kind {
                "addr" => (
                    Some(("address_range", range(65_536, 131_072))),
                    format!(", {}, {}", 65_536 * self.unit, 131_072 * self.unit),
                ),
                "target" => (Some(("damon_target_idx", json!(1))), ", 1".to_owned()),
                "memcg" => (Some(("memcg_path", json!(CGROUP))), format!(", {CGROUP}")),
                "hugepage_size" => (
                    Some(("hugepage_size", json!([16_384, 2_097_152]))),
                    ", 16384, 2097152".to_owned(),
                ),
                _ => (None, String::new()),
            };
            let verdict = if allow { "allow" } else { "reject" };
            let none = if matching { "" } else { ", none" };
            self.option("damos_filter", &format!("{verdict}{none}, {kind}{words}"));
            filters.push(filter(kind, matching, allow, argument));
        }
        self.option("damos_nr_filters", &filters.len().to_string());
        filters
    }
}

fn range(start: u64, end: u64) -> Value {
    json!({ "start": start, "end": end })
}

fn probe_filter(kind: &str, matching: bool, allow: bool, path: Value) -> Value {
    json!({ "filter_type": kind, "matching": matching, "allow": allow, "path": path })
}

fn filter(kind: &str, matching: bool, allow: bool, argument: Option<(&str, Value)>) -> Value {
    let mut filter = json!({
        "filter_type": kind,
        "matching": matching,
        "allow": allow,
        "memcg_path": null,
        "address_range": null,
        "damon_target_idx": null,
        "hugepage_size": null,
    });
    if let Some((key, value)) = argument {
        filter[key] = value;
    }
    filter
}
