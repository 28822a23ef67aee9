//! DAMON's modules, and what can be known of a kernel by reading.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use damo_user::control::Module;
use damo_user::control::module::{Role, Version};
use serde_json::Value;

use crate::kit::{ADMIN, Scene, get, kernel, parameters, set, stat_exists, stat_on, until};
use crate::process::{Ran, Started};

fn folder(module: Module) -> PathBuf {
    PathBuf::from("/sys/module")
        .join(module.name())
        .join("parameters")
}

fn exists(module: Module) -> bool {
    folder(module).exists()
}

fn param(module: Module, name: &str) -> String {
    let path = folder(module).join(name);
    fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .trim()
        .to_owned()
}

fn write(module: Module, name: &str, value: &str) {
    let path = folder(module).join(name);
    fs::write(&path, value).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn version() -> Version {
    Version::parse(&kernel()).unwrap()
}

/// Everything that can be set in a module, but for its switches.
fn inputs(module: Module) -> BTreeMap<&'static str, String> {
    let params = module.params().iter();
    params
        .filter(|it| it.role == Role::Input && it.since <= version())
        .map(|it| (it.name, param(module, it.name)))
        .collect()
}

/// A scene after which no module runs that did not, with its parameters as before.
struct Stage {
    scene: Scene,
    inputs: Vec<(Module, BTreeMap<&'static str, String>)>,
}

impl Stage {
    fn new(scene: Scene) -> Stage {
        let modules = [Module::Reclaim, Module::LruSort].into_iter();
        Stage {
            scene,
            inputs: modules.map(|module| (module, inputs(module))).collect(),
        }
    }

    fn run(&self, args: &str) -> Ran {
        let args: Vec<&str> = args.split_ascii_whitespace().collect();
        self.scene.run(&args)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for (module, inputs) in &self.inputs {
            let _ = fs::write(folder(*module).join("enabled"), "N");
            for (name, value) in inputs {
                let _ = fs::write(folder(*module).join(name), value);
            }
        }
        let _ = fs::remove_dir_all("/run/damo/modules");
    }
}

#[test]
fn the_table_is_the_kernels() {
    let _stage = Stage::new(Scene::as_booted("table"));
    for module in Module::ALL {
        if !exists(module) {
            assert!(module.since() > version(), "{module} is missing");
            continue;
        }
        assert!(module.since() <= version(), "{module} is there");
        let files: BTreeSet<String> = fs::read_dir(folder(module))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let params = module.params().iter();
        let table: BTreeSet<String> = params
            .filter(|param| param.since <= version())
            .map(|param| param.name.to_owned())
            .collect();
        assert_eq!(files, table, "{module} on {}", kernel());
    }
}

#[test]
fn status_shows_every_parameter() {
    let stage = Stage::new(Scene::as_booted("status"));
    for module in Module::ALL {
        let short = module.short_name();
        if !exists(module) {
            stage
                .run(&format!("module {short} status"))
                .exits(1)
                .says(&format!("this kernel has no {module}"))
                .says(&module.since().to_string());
            continue;
        }
        let human = stage.run(&format!("module {short} status")).exits(0).stdout;
        let raw = stage
            .run(&format!("module {short} status --raw"))
            .exits(0)
            .stdout;
        let json = stage
            .run(&format!("module {short} status --json"))
            .exits(0)
            .stdout;
        let json: Value = serde_json::from_str(&json).unwrap();
        for it in module.params().iter().filter(|it| it.since <= version()) {
            assert!(human.contains(&format!("{}:", it.name)), "{human}");
            let group = match it.role {
                Role::Statistic => "statistics",
                Role::Control | Role::Input => "parameters",
            };
            assert!(json[group][it.name]["unit"].is_string(), "{json}");
            if it.role != Role::Statistic {
                let line = format!("{}: {}\n", it.name, param(module, it.name));
                assert!(raw.contains(&line), "no {line} in {raw}");
            }
        }
    }
}

#[test]
fn the_reclaim_example_runs_and_counts() {
    let stage = Stage::new(Scene::quiet("reclaim"));
    let reclaim = Module::Reclaim;
    stage
        .run("reclaim enable --min_age 30000000 --quota 10 1073741824 1000 --wmarks 5000000 500 400 200")
        .exits(0);
    for (name, value) in [
        ("enabled", "Y"),
        ("min_age", "30000000"),
        ("quota_sz", "1073741824"),
        ("quota_reset_interval_ms", "1000"),
        ("wmarks_high", "500"),
        ("wmarks_mid", "400"),
        ("wmarks_low", "200"),
    ] {
        assert_eq!(param(reclaim, name), value, "{name}");
    }
    let status = stage.run("reclaim status").exits(0).stdout;
    let tid = param(reclaim, "kdamond_pid");
    for line in [
        &*format!("DAMON_RECLAIM runs (thread {tid}), enabled by damo\n"),
        "min_age: 30 s\n",
        "quota_sz: 1024.000 MiB\n",
        "quota_ms: 10 ms\n",
        "wmarks_high: 50 %\n",
        "nr_reclaim_tried_regions: 0\n",
    ] {
        assert!(status.contains(line), "no {line} in {status}");
    }
    stage
        .run("reclaim enable min_age=1s")
        .exits(1)
        .says("runs (thread");
    // Much memory is free here, so that the example's watermarks keep it idle.
    stage
        .run("reclaim commit --min_age 1s --wmarks 100ms 100% 99.9% 0")
        .exits(0);
    assert_eq!(param(reclaim, "min_age"), "1000000");
    assert_eq!(param(reclaim, "enabled"), "Y");
    let tried = || {
        let tried = stage.run("reclaim read nr_reclaim_tried_regions").exits(0);
        tried.stdout != "0\n"
    };
    // Seen on 6.12.95: all regions fit the scheme, and the kernel tries none
    // (no damos_before_apply); DAMON_LRU_SORT's are tried there.
    match kernel().as_str() {
        "6.12" => println!(
            "{} regions tried",
            param(reclaim, "nr_reclaim_tried_regions")
        ),
        _ => until("reclaim", tried),
    }
    stage.run("reclaim disable").exits(0);
    assert_eq!(param(reclaim, "enabled"), "N");
    let status = stage.run("reclaim status").exits(0).stdout;
    assert!(status.starts_with("DAMON_RECLAIM is off\n"), "{status}");
    stage
        .run("reclaim commit")
        .exits(1)
        .says("DAMON_RECLAIM does not run");
}

#[test]
fn the_lru_sort_example_runs() {
    let stage = Stage::new(Scene::quiet("lru_sort"));
    stage
        .run("lru_sort enable --hot_thres_access_freq 500 --cold_min_age 120000000 --quota 10 1000 --wmarks 5000000 500 400 200")
        .exits(0);
    for (name, value) in [
        ("enabled", "Y"),
        ("hot_thres_access_freq", "500"),
        ("cold_min_age", "120000000"),
        ("quota_ms", "10"),
        ("wmarks_low", "200"),
    ] {
        assert_eq!(param(Module::LruSort, name), value, "{name}");
    }
    stage
        .run("lru_sort commit --cold_min_age 100ms --wmarks 100ms 1000 999 0")
        .exits(0);
    until("sorting", || {
        param(Module::LruSort, "nr_lru_sort_tried_cold_regions") != "0"
    });
    let status = stage.run("module lru_sort status").exits(0).stdout;
    assert!(status.contains("cold_min_age: 100 ms\n"), "{status}");
    stage.run("lru_sort disable").exits(0);
    assert_eq!(param(Module::LruSort, "enabled"), "N");
}

#[test]
fn who_is_in_the_way_is_named() {
    let stage = Stage::new(Scene::as_booted("in_the_way_of_modules"));
    let before = inputs(Module::Reclaim);
    if stat_exists() {
        stage
            .run("reclaim enable min_age=1s")
            .exits(1)
            .says("DAMON_STAT runs");
        assert!(stat_on());
        stage
            .run("module stat disable")
            .exits(1)
            .says("damo did not enable it");
        assert!(stat_on());
        stage.run("module stat disable --force").exits(0);
        assert!(!stat_on());
    }
    set("kdamonds/nr_kdamonds", "1");
    set("kdamonds/0/contexts/nr_contexts", "1");
    set("kdamonds/0/contexts/0/operations", "paddr");
    set("kdamonds/0/contexts/0/targets/nr_targets", "1");
    set("kdamonds/0/state", "on");
    let kdamond = format!("kdamond 0 (thread {}, paddr)", get("kdamonds/0/pid"));
    stage
        .run("reclaim enable min_age=1s")
        .exits(1)
        .says(&kdamond);
    assert_eq!(inputs(Module::Reclaim), before);
    assert_eq!(get("kdamonds/0/state"), "on");
    let diagnosis = stage.run("diagnose").exits(0).stdout;
    assert!(diagnosis.contains(&kdamond), "{diagnosis}");
    set("kdamonds/0/state", "off");
    if stat_exists() {
        stage.run("module stat enable").exits(0);
        assert!(stat_on());
        stage.run("module stat disable").exits(0);
        assert!(!stat_on());
    }
}

#[test]
fn somebody_elses_module_is_left_alone() {
    let stage = Stage::new(Scene::quiet("not_ours_module"));
    let reclaim = Module::Reclaim;
    write(reclaim, "enabled", "Y");
    for args in [
        "reclaim disable",
        "reclaim set min_age=1s",
        "reclaim commit min_age=1s",
    ] {
        stage.run(args).exits(1).says("add --force");
        assert_eq!(param(reclaim, "min_age"), "120000000", "{args}");
        assert_eq!(param(reclaim, "enabled"), "Y", "{args}");
    }
    stage.run("reclaim set min_age=1s --force").exits(0);
    assert_eq!(param(reclaim, "min_age"), "1000000");
    stage.run("reclaim disable --force").exits(0);
    assert_eq!(param(reclaim, "enabled"), "N");
}

#[test]
fn what_damon_would_refuse_is_refused_first() {
    let stage = Stage::new(Scene::quiet("refused_module"));
    let before = inputs(Module::Reclaim);
    for (args, code, says) in [
        ("set sample_interval=200ms", 1, "sample_interval=200000"),
        ("enable min_nr_regions=2", 1, "min_nr_regions=2"),
        ("enable aggr_interval=0", 1, "aggr_interval=0"),
        ("set wmarks_mid=90%", 1, "wmarks_mid=900"),
        ("set quota_ms=1us", 2, "whole number of milliseconds"),
        ("set no_such=1", 2, "no parameter 'no_such'"),
        ("set enabled=Y", 2, "enable"),
        ("set nr_quota_exceeds=1", 2, "kernel's to write"),
    ] {
        stage.run(&format!("reclaim {args}")).exits(code).says(says);
        assert_eq!(inputs(Module::Reclaim), before, "{args}");
        assert_eq!(param(Module::Reclaim, "enabled"), "N", "{args}");
    }
    if version() < Version(6, 18) {
        stage
            .run("reclaim set addr_unit=1")
            .exits(1)
            .says("since Linux 6.18");
    }
}

#[test]
fn idle_percentiles_are_a_table_with_bars() {
    let stage = Stage::new(Scene::as_booted("percentiles"));
    if !stat_exists() {
        return println!("no DAMON_STAT on {}", kernel());
    }
    // Refreshed every five seconds at most.
    until("idle memory", || {
        let text = param(Module::Stat, "memory_idle_ms_percentiles");
        text.split(',').any(|ms| ms != "0")
    });
    let status = stage.run("module stat status").exits(0).stdout;
    assert!(
        status.starts_with("DAMON_STAT runs") && status.contains("not by damo"),
        "{status}"
    );
    assert!(status.contains("estimated_memory_bandwidth: "), "{status}");
    let bars: Vec<&str> = status.lines().filter(|line| line.ends_with('|')).collect();
    assert_eq!(bars.len(), 23, "{status}");
    assert!(
        bars.iter().map(|bar| bar.matches('*').count()).is_sorted(),
        "{status}"
    );
    assert!(status.contains('*'), "{status}");
    let read = stage
        .run("module stat read memory_idle_ms_percentiles --raw")
        .exits(0);
    assert_eq!(read.stdout.split(',').count(), 101);
}

/// Names with (available, inferred).
fn features(stage: &Stage) -> BTreeMap<String, (bool, bool)> {
    let json = stage.run("features json").exits(0).stdout;
    let json: BTreeMap<String, Value> = serde_json::from_str(&json).unwrap();
    let flag = |value: &Value, name: &str| value[name].as_bool().unwrap();
    json.into_iter()
        .map(|(name, value)| (name, (flag(&value, "available"), flag(&value, "inferred"))))
        .collect()
}

/// One folder of each kind.
fn everything() {
    set("kdamonds/nr_kdamonds", "1");
    let counts = [
        "contexts/nr_contexts",
        "contexts/0/targets/nr_targets",
        "contexts/0/schemes/nr_schemes",
        "contexts/0/schemes/0/filters/nr_filters",
        "contexts/0/schemes/0/quotas/goals/nr_goals",
    ];
    for count in counts {
        set(&format!("kdamonds/0/{count}"), "1");
    }
    let probes = "kdamonds/0/contexts/0/monitoring_attrs/probes/nr_probes";
    if PathBuf::from(ADMIN).join(probes).exists() {
        set(probes, "1");
    }
}

#[test]
fn what_is_inferred_is_what_is_seen() {
    let stage = Stage::new(Scene::quiet("inferred"));
    let inferred = features(&stage);
    everything();
    let seen = features(&stage);
    let available = |features: &BTreeMap<String, (bool, bool)>| -> BTreeMap<String, bool> {
        let features = features.iter();
        features
            .map(|(name, (available, _))| (name.clone(), *available))
            .collect()
    };
    assert_eq!(available(&inferred), available(&seen), "on {}", kernel());
    let still: Vec<&String> = seen
        .iter()
        .filter(|(name, (_, inferred))| *inferred && name.contains("pause"))
        .map(|(name, _)| name)
        .collect();
    assert!(still.is_empty(), "{still:?} could have been looked at");
    let count = |features: &BTreeMap<_, (bool, bool)>| {
        features.values().filter(|(_, inferred)| *inferred).count()
    };
    println!(
        "{} features, inferred {} before and {} after",
        seen.len(),
        count(&inferred),
        count(&seen)
    );
    assert!(count(&seen) < count(&inferred));
}

#[test]
fn sysinfo_reads_only_and_needs_nothing() {
    let stage = Stage::new(Scene::quiet("sysinfo"));
    everything();
    let context = "kdamonds/0/contexts/0";
    set(&format!("{context}/operations"), "paddr");
    set("kdamonds/0/state", "on");
    let before = parameters();
    let mut sysinfo = stage.scene.damo(&["report", "sysinfo", "--print", "all"]);
    let sysinfo = Started::new(sysinfo.env_remove("HOME")).wait();
    let sysinfo = sysinfo.exits(0).stdout;
    assert!(
        sysinfo.starts_with(&format!("damo version: {}\n", env!("CARGO_PKG_VERSION"))),
        "{sysinfo}"
    );
    let newest = match kernel().as_str() {
        "6.12" => "6.11",
        "6.17" => "6.17",
        "7.2" => "7.2",
        "7.3" => "7.3",
        other => panic!("what is new in {other}?"),
    };
    for line in [
        &*format!("\nDAMON version: {newest}\n"),
        "\ntracefs: /sys/kernel/tracing\n",
        "\n- interface/damon_sysfs (merged in v5.18)\n",
        "\n- trace/damon_aggregated (merged in v5.15)\n",
        "\n- sysfs/schemes_apply_interval (merged in v6.7)\n",
    ] {
        assert!(sysinfo.contains(line), "no {line} in {sysinfo}");
    }
    // In a mount namespace of its own, without tracefs.
    let mut hidden = Command::new("busybox");
    hidden
        .args(["unshare", "-m", "busybox", "sh", "-c"])
        .arg("busybox umount /sys/kernel/tracing && damo report sysinfo --print trace_features");
    let hidden = Started::new(&mut hidden).wait().exits(0).stdout;
    assert!(
        hidden.contains("- trace/damon_aggregated (merged in v5.15, inferred)\n"),
        "{hidden}"
    );
    assert_eq!(parameters(), before);
    assert_eq!(get("kdamonds/0/state"), "on");
}
