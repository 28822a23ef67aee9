//! A service's own DAMON that somebody else has switched off is on again, when nobody else
//! uses it.

use std::process::Child;
use std::time::Duration;

use damo_tests::counted;
use damo_user::model::Happening;
use serde_json::{Value, json};

use crate::faults::{emitted, workload};
use crate::kit::{Read, Scene, damon_is_on, get, parameters, set, until};
use crate::ongoing::{physical, tid};

#[test]
fn a_service_switches_its_damon_on_again_when_nobody_else_uses_it() {
    let scene = Scene::quiet("switched_on_again");
    counted::start().unwrap();
    let args = [
        "record",
        "--service",
        "--rotate",
        "1h",
        "-o",
        "record",
        "paddr",
    ];
    let started = scene.start(&args);
    until("recording", || scene.path("record").exists());
    let sampled = |than| until("samples", || emitted() > than + 50);
    sampled(0);
    let mut ours = vec![tid(0)];
    set("kdamonds/0/state", "off");
    until("DAMON to be on again", damon_is_on);
    ours.push(tid(0));
    sampled(emitted());
    // Now somebody else wants DAMON.
    set("kdamonds/0/state", "off");
    set("kdamonds/nr_kdamonds", "2");
    physical(0, 7000);
    let theirs = parameters();
    set("kdamonds/0/state", "on");
    let their_tid = tid(0);
    // Longer than the next try is put off.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(get("kdamonds/0/pid"), their_tid.to_string());
    set("kdamonds/0/state", "off");
    until("DAMON to be on again", damon_is_on);
    ours.push(tid(0));
    assert_eq!(get("kdamonds/nr_kdamonds"), "1", "our own parameters");
    sampled(emitted());
    started.signal("TERM");
    let ran = started.wait().exits(0);
    let ran = ran.says("on again: DAMON").says("waiting until kdamond 0");
    println!("{}", ran.stderr.trim());
    assert!(!damon_is_on());
    assert_eq!(parameters(), theirs, "what was there last is put back");
    let read = Read::open(&scene.path("record"));
    assert_eq!(read.happened(Happening::Began).len(), 3);
    let by_thread = counted::by_thread().unwrap();
    for tid in &ours {
        assert!(read.stored_of(*tid) > 10);
        assert_eq!(read.stored_of(*tid), by_thread[tid], "{tid}");
    }
    assert_eq!(read.stored_of(their_tid), 0);
    assert_eq!(read.lost(), 0);
    // Nothing was monitored in between, and no snapshot says so.
    let long = Duration::from_secs(1).as_nanos();
    let is_short = |it: &damo_user::model::Snapshot| u128::from(it.duration_ns()) < long;
    assert!(read.snapshots.iter().all(is_short));
}

/// Two kdamonds: of a process, and of physical memory.
fn two_kdamonds(target: &Child) -> String {
    let context = |ops: &str, target: Value| {
        json!({"contexts": [{
            "ops": ops, "targets": [target],
            "intervals": {"sample_us": "5 ms", "aggr_us": "100 ms", "ops_update_us": "1 s"},
            "nr_regions": {"min": "10", "max": "100"},
        }]})
    };
    let memory = json!({"regions": [{"start": "4294967296", "end": "4831838208"}]});
    let first = context("vaddr", json!({"pid": target.id()}));
    json!({"kdamonds": [first, context("paddr", memory)]}).to_string()
}

/// The thread of a kdamond, once it is on and nobody holds DAMON's lock.
fn thread(index: usize) -> u32 {
    let path = format!("/sys/kernel/mm/damon/admin/kdamonds/{index}/pid");
    let mut thread = None;
    until("the kdamond to be on", || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        thread = text.trim().parse().ok();
        thread.is_some()
    });
    thread.unwrap()
}

#[test]
fn one_of_a_services_kdamonds_is_on_again_and_the_other_never_off() {
    let scene = Scene::quiet("one_on_again");
    let mut target = workload();
    counted::start().unwrap();
    let both = two_kdamonds(&target);
    let service = ["record", "--service", "--rotate", "1h", "-o", "record"];
    let started = scene.start(&[&service[..], &["--kdamonds", &both]].concat());
    until("recording", || scene.path("record").exists());
    let of_thread = |tid| counted::by_thread().unwrap().get(&tid).copied();
    let sampled = |tid| until("samples", || of_thread(tid) > Some(30));
    let mut ours = vec![thread(0), thread(1)];
    ours.iter().for_each(|tid| sampled(*tid));
    for (index, other) in [(1, 0), (0, 1)] {
        let goes_on = thread(other);
        set(&format!("kdamonds/{index}/state"), "off");
        let again = thread(index);
        sampled(again);
        assert_eq!(thread(other), goes_on);
        ours.push(again);
    }
    // Now somebody else wants its place.
    let goes_on = thread(0);
    set("kdamonds/1/state", "off");
    physical(1, 7000);
    set("kdamonds/1/state", "on");
    let theirs = thread(1);
    // Longer than the next try is put off.
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!((thread(0), thread(1)), (goes_on, theirs));
    set("kdamonds/1/state", "off");
    let again = thread(1);
    sampled(again);
    assert_eq!(thread(0), goes_on);
    ours.push(again);
    started.signal("TERM");
    let ran = started.wait().exits(0);
    let ran = ran
        .says("switched off kdamond 1")
        .says("on again: kdamond 0")
        .says("waiting until kdamond 1");
    println!("{}", ran.stderr.trim());
    assert!(!damon_is_on());
    let sample_us = "kdamonds/1/contexts/0/monitoring_attrs/intervals/sample_us";
    assert_eq!(get(sample_us), "7000", "what was there last is put back");
    let read = Read::open(&scene.path("record"));
    assert_eq!(read.happened(Happening::Began).len(), ours.len());
    let by_thread = counted::by_thread().unwrap();
    for tid in &ours {
        assert!(read.stored_of(*tid) > 10);
        assert_eq!(read.stored_of(*tid), by_thread[tid], "{tid}");
    }
    assert_eq!((read.stored_of(theirs), read.lost()), (0, 0));
    // The process is the first kdamond's target still.
    let mut targets = read.meta.targets.iter();
    let again = targets.find(|it| it.kdamond == goes_on).unwrap();
    assert_eq!((again.target_id, again.pid), (0, Some(target.id())));
    target.kill().unwrap();
    target.wait().unwrap();
}

#[test]
fn a_services_process_is_watched_again_by_its_number() {
    let scene = Scene::quiet("watched_again");
    let (mut first, mut second) = (workload(), workload());
    let pids = [first.id().to_string(), second.id().to_string()];
    let args = ["record", "--service", "--rotate", "1h", "-o", "record"];
    let started = scene.start(&[&args[..], &[&pids[0], &pids[1]]].concat());
    until("recording", || scene.path("record").exists());
    let before = tid(0);
    first.kill().unwrap();
    first.wait().unwrap();
    set("kdamonds/0/state", "off");
    until("DAMON to be on again", damon_is_on);
    let after = tid(0);
    let target = "kdamonds/0/contexts/0/targets/1/pid_target";
    assert_eq!(get(target), pids[1]);
    std::thread::sleep(Duration::from_secs(2));
    second.kill().unwrap();
    second.wait().unwrap();
    // With its last target it ends.
    started.wait().exits(0);
    let read = Read::open(&scene.path("record"));
    assert!(before != after && read.stored_of(after) > 20);
    let of_after = read
        .snapshots
        .iter()
        .filter(|it| it.target.kdamond == after);
    assert!(of_after.clone().all(|it| it.target.target_id == 1));
    let targets = read.meta.targets.iter().filter(|it| it.kdamond == after);
    let pid = targets.clone().find(|it| it.target_id == 1).unwrap().pid;
    assert_eq!(pid, Some(second.id()));
}
