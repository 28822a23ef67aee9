//! Whose kdamonds are whose, also after a SIGKILL, and with two damos at once.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::kit::{Scene, damon_is_on, get, parameters, set, signal, stat_exists, stat_on, until};
use crate::others::{configuration, sleeper, somebody_elses};

#[test]
fn what_a_killed_damo_left_is_told_and_put_back() {
    // As booted: DAMON_STAT, where there is one, is paused by the record.
    let scene = Scene::as_booted("stale");
    let stat = stat_exists();
    let mut other = sleeper();
    configuration(&other);
    let before = parameters();
    let started = scene.record(&["record", "--pause-damon-stat", "paddr"]);
    let pid = started.pid().to_string();
    signal(started.pid(), "KILL");
    let _ = started.wait();
    assert!(damon_is_on(), "nobody was left to switch it off");
    // Told by whoever comes next, in words.
    let said = scene.run(&["status"]).exits(0).stderr;
    for words in [&pid, "was killed and left kdamond 0", "damo stop --stale"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    for refused in [&["record", "paddr"][..], &["start", "paddr"], &["stop"]] {
        scene.run(refused).exits(1).says("damo stop --stale");
    }
    assert!(damon_is_on());
    scene.run(&["stop", "--stale"]).exits(0);
    assert!(!damon_is_on());
    assert_eq!(parameters(), before);
    assert_eq!(stat_on(), stat, "DAMON_STAT is as it was");
    scene
        .run(&["stop", "--stale"])
        .exits(1)
        .says("no killed damo has left anything");
    assert_eq!(scene.run(&["status"]).exits(0).stderr, "");
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn killed_at_any_moment_and_put_back() {
    let scene = Scene::quiet("killed_anywhen");
    let mut other = sleeper();
    configuration(&other);
    let before = parameters();
    for round in 0..12u64 {
        let started = scene.start(&["start", "--damos_action", "stat", "paddr"]);
        std::thread::sleep(Duration::from_millis(20 * round));
        started.signal("KILL");
        let killed = started.wait().status.code().is_none();
        // Before its first change, or after its end, there is nothing to do.
        let stop = match killed {
            true => scene.run(&["stop", "--stale"]),
            false => scene.run(&["stop"]),
        };
        if stop.status.code() == Some(1) && !stop.stderr.contains("nothing") {
            assert!(stop.stderr.contains("no killed damo"), "{}", stop.stderr);
            // Killed just after it had done everything: that was to stay.
            if damon_is_on() {
                scene.run(&["stop"]).exits(0);
            }
        }
        assert_eq!(parameters(), before, "round {round}: {}", stop.stderr);
        assert!(!Path::new("/run/damo/kdamonds").exists());
    }
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn the_second_damo_waits_and_names_the_first() {
    let scene = Scene::quiet("two");
    let first = scene.record(&["record", "paddr"]);
    let files = parameters();
    for second in [
        &["start", "paddr"][..],
        &["stop"],
        &["tune", "--sample", "1ms"],
        &["record", "--out", "other.data", "paddr"],
    ] {
        let begun = Instant::now();
        let ran = scene.run(second);
        let took = begun.elapsed();
        ran.exits(1)
            .says(&first.pid().to_string())
            .says("damo record paddr");
        // How much longer it takes than its patience is up to the machine.
        assert!(took >= Duration::from_secs(5), "{second:?} took {took:?}");
    }
    assert_eq!(parameters(), files, "the second has changed something");
    first.signal("INT");
    first.wait().exits(0);
    scene.run(&["start", "paddr"]).exits(0);
    scene.run(&["stop"]).exits(0);
}

#[test]
fn others_are_left_alone_unless_forced() {
    let scene = Scene::quiet("forced");
    let mut target = sleeper();
    somebody_elses(&target);
    set("kdamonds/0/state", "on");
    let (files, tid) = (parameters(), get("kdamonds/0/pid"));
    scene
        .run(&["stop"])
        .exits(1)
        .says("nothing that damo started is on")
        .says(&format!("thread {tid}"))
        .says(&format!("watching process {}", target.id()));
    for refused in [
        &["start", "paddr"][..],
        &["tune", "--sample", "1ms"],
        &["schemes", "--damos_action", "stat", "paddr"],
        &["record", "--timeout", "1", "paddr"],
    ] {
        scene.run(refused).exits(1).says("--force");
    }
    assert_eq!(parameters(), files);
    // Switched off for a while, and on again with what it had.
    scene
        .run(&["record", "--force", "--timeout", "1", "paddr"])
        .exits(0);
    assert_eq!(get("kdamonds/0/state"), "on");
    let mut now = parameters();
    let mut before = files;
    for all in [&mut now, &mut before] {
        all.retain(|path, _| !path.ends_with("pid"));
    }
    assert_eq!(now, before);
    scene.run(&["tune", "--force", "--sample", "8ms"]).exits(0);
    let sample = "kdamonds/0/contexts/0/monitoring_attrs/intervals/sample_us";
    assert_eq!(get(sample), "8000");
    scene.run(&["stop", "--force"]).exits(0).prints("kdamond 0");
    assert!(!damon_is_on());
    target.kill().unwrap();
    target.wait().unwrap();
}

#[test]
fn what_ended_by_itself_is_told_and_put_back() {
    let scene = Scene::quiet("ended");
    let mut other = sleeper();
    configuration(&other);
    let before = parameters();
    let mut target = sleeper();
    scene.run(&["start", &target.id().to_string()]).exits(0);
    target.kill().unwrap();
    target.wait().unwrap();
    until("the end of the kdamond", || !damon_is_on());
    scene
        .run(&["tune", "--sample", "1ms"])
        .exits(1)
        .says("nothing that damo started is on");
    scene
        .run(&["stop"])
        .exits(1)
        .says("ended by itself")
        .says("were put back");
    assert_eq!(parameters(), before);
    // Whoever comes next need not stop first.
    let mut target = sleeper();
    scene.run(&["start", &target.id().to_string()]).exits(0);
    target.kill().unwrap();
    target.wait().unwrap();
    until("the end of the kdamond", || !damon_is_on());
    scene.run(&["start", "paddr"]).exits(0);
    scene.run(&["stop"]).exits(0);
    assert_eq!(parameters(), before);
    other.kill().unwrap();
    other.wait().unwrap();
}
