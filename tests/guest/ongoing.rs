//! What runs already is recorded as it is, each kdamond apart from the others.

use damo_tests::counted;
use damo_user::model::{Happening, Known, Ops};

use crate::kit::{
    Read, Scene, exists, get, kernel, parameters, set, stat_exists, stat_on, stat_set, until,
};
use crate::others::sleeper;

/// A kdamond for physical memory, set up by hand; a page table is quick to look
/// through.
pub fn physical(index: usize, sample_us: u64) {
    let context = format!("kdamonds/{index}/contexts/0");
    set(&format!("kdamonds/{index}/contexts/nr_contexts"), "1");
    set(&format!("{context}/operations"), "paddr");
    let intervals = format!("{context}/monitoring_attrs/intervals");
    set(&format!("{intervals}/sample_us"), &sample_us.to_string());
    let aggr_us = (sample_us * 20).to_string();
    set(&format!("{intervals}/aggr_us"), &aggr_us);
    set(&format!("{context}/targets/nr_targets"), "1");
    let regions = format!("{context}/targets/0/regions");
    set(&format!("{regions}/nr_regions"), "1");
    set(&format!("{regions}/0/start"), "4294967296");
    set(&format!("{regions}/0/end"), "4831838208");
}

pub fn tid(index: usize) -> u32 {
    get(&format!("kdamonds/{index}/pid")).parse().unwrap()
}

#[test]
fn kdamonds_that_come_and_go_are_recorded_apart() {
    let scene = Scene::quiet("come_and_go");
    set("kdamonds/nr_kdamonds", "2");
    physical(0, 5000);
    physical(1, 10_000);
    set("kdamonds/0/state", "on");
    let before = parameters();
    let first = tid(0);
    let recording = scene.record(&["record", "ongoing"]);
    assert_eq!(parameters(), before, "DAMON is not as it was");
    counted::start().unwrap();
    set("kdamonds/1/state", "on");
    let second = tid(1);
    until("events of the second", || {
        counted::by_thread()
            .unwrap()
            .get(&second)
            .copied()
            .unwrap_or(0)
            > 50
    });
    set("kdamonds/1/state", "off");
    let emitted = counted::by_thread().unwrap()[&second];
    // Its end is noticed within a second; what matters is that it is.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    recording.signal("INT");
    recording.wait().exits(0);
    assert_eq!(get("kdamonds/0/state"), "on");
    assert_eq!(tid(0), first);

    let read = Read::open(&scene.path("damon.data"));
    println!(
        "first: {} samples, second: {} of {emitted}",
        read.stored_of(first),
        read.stored_of(second)
    );
    assert_eq!((read.stored_of(second), read.lost()), (emitted, 0));
    assert!(read.stored_of(first) > 50);
    let told = |tid| {
        let info = read.meta.kdamonds.iter().find(|it| it.tid == tid).unwrap();
        assert!(info.foreign);
        assert_eq!(info.ops, Some(Ops::Paddr));
        (info.name.clone(), info.intervals.unwrap().sample_us)
    };
    assert_eq!(told(first), ("kdamond 0".to_owned(), 5000));
    assert_eq!(told(second), ("kdamond 1".to_owned(), 10_000));
    for snapshot in &read.snapshots {
        let expected = if snapshot.target.kdamond == first {
            5000
        } else {
            10_000
        };
        assert_eq!(snapshot.intervals.unwrap().sample_us, expected);
    }
    let of = |what| -> Vec<u32> {
        let happened = read.happened(what).into_iter();
        happened.map(|(_, it)| it.kdamond).collect()
    };
    assert_eq!(of(Happening::Began), [first, second]);
    assert_eq!(of(Happening::Ended), [second]);
}

#[test]
fn one_of_them_is_chosen() {
    let scene = Scene::quiet("chosen");
    set("kdamonds/nr_kdamonds", "2");
    physical(0, 5000);
    physical(1, 5000);
    set("kdamonds/0/state", "on");
    set("kdamonds/1/state", "on");
    let args = ["record", "--kdamond", "1", "--timeout", "2"];
    scene.run(&args).exits(0);
    let read = Read::open(&scene.path("damon.data"));
    assert!(read.stored() > 10);
    assert_eq!(read.stored(), read.stored_of(tid(1)));
    let args = ["record", "--kdamond", "7", "--timeout", "2"];
    scene.run(&args).exits(1).says("kdamond 7");
    let args = ["record", "ongoing", "--sample", "1ms"];
    scene.run(&args).exits(2).says("damo tune");
    let args = ["record", "--module", "stat", "paddr"];
    scene.run(&args).exits(2).says("--module");
}

#[test]
fn a_recording_ends_with_the_last_kdamond() {
    let scene = Scene::quiet("last");
    scene
        .run(&["record", "ongoing"])
        .exits(1)
        .says("no kdamond runs");
    set("kdamonds/nr_kdamonds", "1");
    physical(0, 5000);
    set("kdamonds/0/state", "on");
    // No target, no parameters: what runs is meant.
    let recording = scene.record(&["record"]);
    until("a snapshot", || {
        let size = std::fs::metadata(scene.path("damon.data"));
        size.is_ok_and(|it| it.len() > 4096)
    });
    set("kdamonds/0/state", "off");
    recording.wait().exits(0).says("DAMON runs");
    assert!(Read::open(&scene.path("damon.data")).stored() > 0);
}

#[test]
fn damon_stat_is_recorded_with_its_true_intervals() {
    let scene = Scene::as_booted("stat");
    if !stat_exists() {
        return println!("no DAMON_STAT on {}", kernel());
    }
    // Begun anew, so that its intervals are short.
    stat_set(false);
    stat_set(true);
    let args = ["record", "--module", "stat", "--timeout", "8"];
    scene.run(&args).exits(0);
    assert!(stat_on());
    let read = Read::open(&scene.path("damon.data"));
    let [info] = &read.meta.kdamonds[..] else {
        panic!("{:?}", read.meta.kdamonds);
    };
    assert_eq!((info.name.as_str(), info.tuned), ("DAMON_STAT", true));
    assert!(read.snapshots.len() > 3);
    let tuned = true_to_their_intervals(&read);
    println!("{} snapshots, tuned {tuned} times", read.snapshots.len());
}

#[test]
fn tuned_intervals_are_those_that_were_in_force() {
    let scene = Scene::quiet("tuned");
    if !exists("kdamonds") || kernel() == "6.12" {
        return println!("no tuning on {}", kernel());
    }
    let goal = ["--monitoring_intervals_goal", "4%", "3", "5ms", "10s"];
    let args = ["record", "--timeout", "8"];
    scene.run(&[&args[..], &goal, &["paddr"]].concat()).exits(0);
    let read = Read::open(&scene.path("damon.data"));
    let tuned = true_to_their_intervals(&read);
    println!("{} snapshots, tuned {tuned} times", read.snapshots.len());
    assert!(tuned > 1);
    let moved = read
        .snapshots
        .iter()
        .filter(|it| it.extra.is_some())
        .count();
    assert!(moved > 0, "no snapshot has ages in another unit");
}

/// Sees that each snapshot took as long as its intervals say, though not
/// exactly: what a kdamond does takes time, under emulation up to three times.
/// Gives how often they changed.
fn true_to_their_intervals(read: &Read) -> usize {
    for snapshot in &read.snapshots[1..] {
        let aggr_ns = snapshot.intervals.expect("unknown").aggr_us * 1000;
        let took_ns = snapshot.duration_ns();
        assert!(
            took_ns >= aggr_ns * 95 / 100 && took_ns < aggr_ns * 3 + 500_000_000,
            "{took_ns} ns, of intervals {:?}",
            snapshot.intervals
        );
    }
    let tuned = read
        .notes
        .iter()
        .filter(|note| matches!(note.what, Known::Tuned(_)));
    tuned.count()
}

#[test]
fn regions_of_a_process_that_is_gone_are_left_out_and_counted() {
    let scene = Scene::quiet("gone");
    let (mut first, mut second) = (sleeper(), sleeper());
    counted::start().unwrap();
    let pids = [first.id().to_string(), second.id().to_string()];
    let recording = scene.record(&["record", &pids[0], &pids[1]]);
    let emitted = || counted::by_thread().unwrap().values().sum::<u64>();
    until("events", || emitted() > 100);
    first.kill().unwrap();
    first.wait().unwrap();
    let then = emitted();
    until("more events", || emitted() > then + 200);
    recording.signal("INT");
    recording.wait().exits(0).says("left out");
    let read = Read::open(&scene.path("damon.data"));
    let gone = read.happened(Happening::TargetGone);
    assert_eq!(gone.len(), 1);
    let (at_ns, it) = gone[0];
    assert_eq!(it.target_id, Some(0));
    let of_first = read.snapshots.iter().filter(|it| it.target.target_id == 0);
    assert!(of_first.clone().count() > 2);
    assert!(of_first.clone().all(|it| it.start_ns < at_ns));
    let left_out: u64 = read
        .happened(Happening::DeadOut)
        .iter()
        .map(|(_, it)| it.value)
        .sum();
    println!(
        "emitted {}, stored {}, left out {left_out}, lost {}",
        emitted(),
        read.stored(),
        read.lost()
    );
    assert!(left_out > 20);
    assert_eq!(read.stored() + read.lost() + left_out, emitted());
    second.kill().unwrap();
    second.wait().unwrap();
}
