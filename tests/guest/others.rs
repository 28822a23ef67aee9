//! What belongs to somebody else is left alone, or put back exactly.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::kit::{Scene, exists, get, parameters, set};

/// A kdamond with one context and one process to watch, set up by hand.
pub fn somebody_elses(target: &Child) {
    set("kdamonds/nr_kdamonds", "1");
    watching(target);
}

/// The first kdamond watches a process.
pub fn watching(target: &Child) {
    set("kdamonds/0/contexts/nr_contexts", "1");
    let context = "kdamonds/0/contexts/0";
    set(&format!("{context}/operations"), "vaddr");
    set(
        &format!("{context}/monitoring_attrs/intervals/sample_us"),
        "7000",
    );
    set(&format!("{context}/targets/nr_targets"), "1");
    set(
        &format!("{context}/targets/0/pid_target"),
        &target.id().to_string(),
    );
}

pub fn sleeper() -> Child {
    Command::new("busybox")
        .args(["sleep", "1000"])
        // A test that fails is not to wait for it.
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_running_kdamond_is_named_and_left_alone() {
    let scene = Scene::quiet("running");
    let mut target = sleeper();
    somebody_elses(&target);
    set("kdamonds/0/state", "on");
    let before = parameters();
    let tid = get("kdamonds/0/pid");
    scene
        .run(&["record", "--timeout", "1", "touch /tmp/scene/running/ran"])
        .exits(1)
        .says("kdamond 0")
        .says(&tid)
        .says(&target.id().to_string());
    assert_eq!(get("kdamonds/0/state"), "on");
    assert_eq!(get("kdamonds/0/pid"), tid);
    assert_eq!(parameters(), before);
    assert!(!scene.path("damon.data").exists() && !scene.path("ran").exists());
    target.kill().unwrap();
    target.wait().unwrap();
}

/// Two kdamonds that are off, the second with a scheme that has everything.
pub fn configuration(target: &Child) {
    set("kdamonds/nr_kdamonds", "2");
    set("kdamonds/0/contexts/nr_contexts", "1");
    set("kdamonds/1/contexts/nr_contexts", "1");
    let context = "kdamonds/1/contexts/0";
    set(&format!("{context}/operations"), "paddr");
    set(&format!("{context}/monitoring_attrs/nr_regions/min"), "20");
    set(&format!("{context}/targets/nr_targets"), "1");
    set(&format!("{context}/targets/0/regions/nr_regions"), "2");
    for (region, start, end) in [(0, "4096", "8192"), (1, "12288", "16384")] {
        set(
            &format!("{context}/targets/0/regions/{region}/start"),
            start,
        );
        set(&format!("{context}/targets/0/regions/{region}/end"), end);
    }
    set(&format!("{context}/schemes/nr_schemes"), "2");
    let scheme = format!("{context}/schemes/1");
    set(&format!("{scheme}/action"), "pageout");
    set(&format!("{scheme}/access_pattern/sz/max"), "1048576");
    set(&format!("{scheme}/quotas/bytes"), "4096");
    set(&format!("{scheme}/watermarks/metric"), "free_mem_rate");
    set(&format!("{scheme}/watermarks/high"), "900");
    // Not in 6.1.
    for (file, value) in [
        ("quotas/goals/nr_goals", "1"),
        ("quotas/goals/0/target_value", "77"),
        ("filters/nr_filters", "2"),
        ("filters/1/type", "addr"),
        ("filters/1/addr_end", "4096"),
    ] {
        let path = format!("{scheme}/{file}");
        if exists(&path) {
            set(&path, value);
        }
    }
    set("kdamonds/0/contexts/0/targets/nr_targets", "1");
    set(
        "kdamonds/0/contexts/0/targets/0/pid_target",
        &target.id().to_string(),
    );
}

#[test]
fn a_configuration_that_is_off_comes_back() {
    let scene = Scene::quiet("configuration");
    let mut target = sleeper();
    configuration(&target);
    let before = parameters();
    assert!(before.len() > 80, "{} files", before.len());

    let status = scene
        .run(&["status", "--format", "json", "--raw"])
        .exits(0)
        .stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    let context = &status["kdamonds"][1]["contexts"][0];
    assert_eq!(context["ops"], "paddr", "{status}");
    assert_eq!(context["schemes"][1]["action"], "pageout", "{status}");
    assert_eq!(parameters(), before, "after status");

    scene.run(&["record", "--timeout", "1", "paddr"]).exits(0);
    assert_eq!(parameters(), before, "after a record");

    // Fails when everything is staged: there is no room for such a ring.
    scene.run(&["record", "--ring", "1GiB", "paddr"]).exits(1);
    assert_eq!(parameters(), before, "after a failed record");

    for signal in ["INT", "TERM", "HUP"] {
        let started = scene.record(&["record", "busybox sleep 1000"]);
        started.signal(signal);
        started.wait().exits(0);
        assert_eq!(parameters(), before, "after SIG{signal}");
    }
    target.kill().unwrap();
    target.wait().unwrap();
}

#[test]
fn a_signal_at_any_moment_leaves_nothing() {
    let scene = Scene::quiet("any_moment");
    let mut target = sleeper();
    configuration(&target);
    let before = parameters();
    for round in 0..20u64 {
        let started = scene.start(&["record", "--as-root", "busybox sleep 1000"]);
        // From before main to well into the recording, under emulation.
        std::thread::sleep(std::time::Duration::from_millis(25 * round));
        started.signal("TERM");
        let ran = started.wait();
        assert_eq!(parameters(), before, "round {round}: {}", ran.stderr);
        let sleepers = running(["sleep", "1000"]).len();
        assert_eq!(sleepers, 1, "round {round}: a started command was left");
    }
    target.kill().unwrap();
    target.wait().unwrap();
}

/// Processes whose command line ends like that.
fn running(command: [&str; 2]) -> Vec<u32> {
    let ending = command.map(|word| format!("{word}\0")).concat();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.ends_with(ending.as_bytes())
        })
        .collect()
}
