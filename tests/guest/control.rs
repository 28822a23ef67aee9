//! `start`, `tune`, `stop` and `schemes`, as they are meant to be used.

use std::process::{Child, Command};
use std::time::Duration;

use damo_tests::counted;
use serde_json::Value;

use crate::kit::{Scene, damon_is_on, get, kernel, parameters, signal, until};
use crate::others::{configuration, sleeper};

const CONTEXT: &str = "kdamonds/0/contexts/0";

fn ended(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn zigzag() -> Child {
    Command::new("zigzag")
        .args(["--size", "8M", "--period", "500ms", "--duration", "600s"])
        .spawn()
        .unwrap()
}

#[test]
fn start_leaves_damon_on_and_stop_puts_everything_back() {
    let scene = Scene::quiet("start");
    let (other, target) = (sleeper(), zigzag());
    configuration(&other);
    let before = parameters();
    let pid = target.id().to_string();
    scene.run(&["start", "--sample", "7ms", &pid]).exits(0);
    assert!(damon_is_on());
    assert_eq!(get("kdamonds/nr_kdamonds"), "1");
    assert_eq!(get(&format!("{CONTEXT}/targets/0/pid_target")), pid);
    let sample = format!("{CONTEXT}/monitoring_attrs/intervals/sample_us");
    assert_eq!(get(&sample), "7000");
    // What runs is ours already.
    scene
        .run(&["start", "paddr"])
        .exits(1)
        .says("damo started kdamond 0 already")
        .says("damo stop");
    scene.run(&["record", "paddr"]).exits(1).says("damo stop");
    scene.run(&["stop"]).exits(0);
    assert!(!damon_is_on());
    assert_eq!(parameters(), before);
    scene
        .run(&["stop"])
        .exits(1)
        .says("nothing that damo started is on");
    ended(target);
    ended(other);
}

#[test]
fn a_started_command_goes_on() {
    let scene = Scene::quiet("start_command");
    let log = scene.path("log").display().to_string();
    scene
        .run(&[
            "start",
            &format!("zigzag --size 8M --period 500ms --duration 600s --log {log}"),
        ])
        .exits(0);
    let pid = get(&format!("{CONTEXT}/targets/0/pid_target"));
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    assert_eq!(comm.trim(), "zigzag");
    scene.run(&["stop"]).exits(0);
    let there = || std::path::Path::new(&format!("/proc/{pid}")).exists();
    assert!(there(), "stop ends DAMON, not what it watched");
    signal(pid.parse().unwrap(), "KILL");
    until("the end of the command", || !there());
}

#[test]
fn several_kdamonds_in_one_command_line() {
    let scene = Scene::quiet("several");
    let (one, two) = (zigzag(), zigzag());
    let before = parameters();
    let pids = [one.id().to_string(), two.id().to_string()];
    scene
        .run(&[
            "start",
            "--ops",
            "vaddr",
            "--target_pid",
            &pids[0],
            "--ops",
            "vaddr",
            "--target_pid",
            &pids[1],
            "--damos_action",
            "stat",
            "--damos_action",
            "stat",
            "--nr_targets",
            "1",
            "1",
            "--nr_schemes",
            "1",
            "1",
        ])
        .exits(0);
    for (index, pid) in pids.iter().enumerate() {
        let kdamond = format!("kdamonds/{index}");
        assert_eq!(get(&format!("{kdamond}/state")), "on");
        let target = format!("{kdamond}/contexts/0/targets/0/pid_target");
        assert_eq!(get(&target), *pid);
    }
    scene.run(&["stop"]).exits(0);
    assert_eq!(parameters(), before);
    ended(one);
    ended(two);
}

#[test]
fn tune_changes_only_what_is_named() {
    let scene = Scene::quiet("tune");
    let target = zigzag();
    let pid = target.id().to_string();
    let before = parameters();
    scene
        .run(&["tune", "--sample", "1ms"])
        .exits(1)
        .says("damo start");
    scene
        .run(&[
            "start",
            "--sample",
            "10ms",
            "--damos_action",
            "stat",
            "--damos_age",
            "2s",
            "max",
            "--damos_quota_space",
            "1MiB",
            "--damos_quota_interval",
            "1s",
            &pid,
        ])
        .exits(0);
    let tid = get("kdamonds/0/pid");
    let stat = || {
        let text = scene
            .run(&["status", "--damon_params", "--format", "json", "--raw"])
            .exits(0)
            .stdout;
        let mut all: Value = serde_json::from_str(&text).unwrap();
        let context = &mut all["kdamonds"][0]["contexts"][0];
        // What the quota came to is DAMON's doing.
        for scheme in context["schemes"].as_array_mut().unwrap() {
            scheme["quotas"]["effective_sz_bytes"] = Value::Null;
        }
        context.take()
    };
    let first = stat();
    scene.run(&["tune", "--damos_quota_space", "5MiB"]).exits(0);
    let second = stat();
    let bytes = &second["schemes"][0]["quotas"]["sz_bytes"];
    assert_eq!(*bytes, Value::from(5 << 20), "{second}");
    for same in ["targets", "intervals", "nr_regions"] {
        assert_eq!(first[same], second[same], "{same}");
    }
    for same in ["action", "access_pattern", "watermarks"] {
        assert_eq!(first["schemes"][0][same], second["schemes"][0][same]);
    }
    scene.run(&["tune", "--aggr", "200ms"]).exits(0);
    let third = stat();
    assert_eq!(third["intervals"]["aggr_us"], 200_000);
    assert_eq!(third["intervals"]["sample_us"], 10_000);
    assert_eq!(third["schemes"], second["schemes"]);
    // The peer's way: what is not named gets its default again.
    scene
        .run(&["tune", "--replace", "--target_pid", &pid])
        .exits(0);
    let fourth = stat();
    assert_eq!(fourth["intervals"]["sample_us"], 5_000);
    assert_eq!(fourth["schemes"], Value::Array(Vec::new()));
    assert_eq!(get("kdamonds/0/pid"), tid, "the same kdamond all along");
    // Nothing that DAMON would refuse gets as far as a write.
    let files = parameters();
    scene
        .run(&["tune", "--minr", "2"])
        .exits(2)
        .says("--minr 2: must be at least 3");
    scene
        .run(&["tune", "--target_pid", "4194303"])
        .exits(1)
        .says("no such process: 4194303");
    assert_eq!(parameters(), files);
    assert!(damon_is_on());
    scene.run(&["stop"]).exits(0);
    assert_eq!(parameters(), before);
    ended(target);
}

#[test]
fn tuned_intervals_survive_a_tune() {
    let scene = Scene::quiet("autotune");
    let release = kernel();
    let goals = "contexts/0/monitoring_attrs/intervals/intervals_goal";
    if release == "6.12" {
        scene
            .run(&["start", "--monitoring_intervals_autotune", "paddr"])
            .exits(1)
            .says("6.15");
        return;
    }
    // Nothing is accessed that often: the interval can only grow.
    scene
        .run(&[
            "start",
            "--monitoring_intervals_goal",
            "10000",
            "1",
            "5ms",
            "100ms",
            "paddr",
        ])
        .exits(0);
    assert_eq!(get(&format!("kdamonds/0/{goals}/aggrs")), "1");
    let sample = format!("{CONTEXT}/monitoring_attrs/intervals/sample_us");
    std::thread::sleep(Duration::from_secs(2));
    // Before: what the file says is not what DAMON uses.
    assert_eq!(get(&sample), "5000");
    scene.run(&["tune", "--maxr", "500"]).exits(0);
    let tuned: u64 = get(&sample).parse().unwrap();
    assert!(tuned > 5_000, "the tuned interval was lost: {tuned}");
    crate::kit::set("kdamonds/0/state", "update_tuned_intervals");
    let after: u64 = get(&sample).parse().unwrap();
    assert!(after >= tuned, "{tuned} became {after}");
    scene.run(&["stop"]).exits(0);
}

#[test]
fn tunes_in_a_row_leave_snapshots_alive() {
    let scene = Scene::quiet("starving");
    let target = zigzag();
    scene.run(&["start", &target.id().to_string()]).exits(0);
    counted::start().unwrap();
    for round in 0..10 {
        let maxr = (500 + round).to_string();
        scene.run(&["tune", "--maxr", &maxr]).exits(0);
    }
    let seen = counted::by_thread().unwrap().values().sum::<u64>();
    // Ten aggregations at least went by between the ten commits.
    assert!(seen >= 10 * 3, "{seen} events in ten tunes");
    scene.run(&["stop"]).exits(0);
    ended(target);
}

#[test]
fn a_dry_run_prints_what_a_shell_could_do() {
    let scene = Scene::quiet("dry_run");
    let target = zigzag();
    let before = parameters();
    let pid = target.id().to_string();
    let args = ["--dry-run", "--damos_action", "stat", &pid];
    let script = scene.run(&[&["start"], &args[..]].concat()).exits(0).stdout;
    assert_eq!(parameters(), before);
    for command in ["record", "schemes"] {
        let same = scene.run(&[&[command], &args[..]].concat()).exits(0).stdout;
        assert_eq!(same, script, "{command}");
    }
    scene.run(&["start", args[1], args[2], &pid]).exits(0);
    let started = parameters();
    let tune = scene
        .run(&["tune", "--dry-run", "--sample", "9ms"])
        .exits(0)
        .stdout;
    assert!(tune.contains("echo 9000 > "), "{tune}");
    assert!(tune.trim_end().ends_with("kdamonds/0/state"), "{tune}");
    assert_eq!(parameters(), started);
    let stop = scene.run(&["stop", "--dry-run"]).exits(0).stdout;
    assert!(stop.contains("echo off > "), "{stop}");
    assert_eq!(parameters(), started);
    scene.run(&["stop"]).exits(0);
    assert_eq!(parameters(), before);
    // A shell that does the same gets the same.
    let status = Command::new("sh").args(["-ec", &script]).status().unwrap();
    assert!(status.success(), "{script}");
    let by_shell = parameters();
    let differs = |path: &&std::path::PathBuf| started.get(*path) != by_shell.get(*path);
    let differ: Vec<_> = started.keys().filter(differs).collect();
    let only_the_thread = |path: &&std::path::PathBuf| path.ends_with("pid");
    assert!(differ.iter().all(only_the_thread), "{differ:?}");
    ended(target);
}

#[test]
fn schemes_end_with_their_target_and_leave_nothing() {
    let scene = Scene::quiet("schemes");
    let before = parameters();
    scene
        .run(&["schemes", "--timeout", "1", "paddr"])
        .exits(2)
        .says("--damos_action");
    std::fs::write(scene.path("text"), "min max 0 max 100ms max stat\n").unwrap();
    let ran = scene.run(&["schemes", "-c", "text", "sh -c 'sleep 1; exit 7'"]);
    ran.exits(7);
    assert_eq!(parameters(), before);
    for end in ["INT", "TERM", "HUP"] {
        let started = scene.start(&["schemes", "-c", "text", "paddr"]);
        until("DAMON on", damon_is_on);
        assert_eq!(get(&format!("{CONTEXT}/schemes/0/action")), "stat");
        started.signal(end);
        started.wait().exits(0);
        assert_eq!(parameters(), before, "SIG{end}");
    }
}
