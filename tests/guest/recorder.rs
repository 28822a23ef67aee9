//! What a recorder that is left running does beside recording regions.

use std::fs;

use damo_tests::counted;
use damo_user::import;
use damo_user::model::{Happening, Item, Known};
use serde_json::Value;

use crate::kit::{Read, Scene, get, kernel, set, until};
use crate::ongoing::{physical, tid};

/// The bit of CAP_SYS_PTRACE, which reading others' mappings takes.
const SYS_PTRACE: u64 = 1 << 19;

#[test]
fn what_is_around_is_recorded_with_one_capability() {
    let scene = Scene::quiet("around");
    let recording = scene.record(&["record", "zigzag --size 20M --duration 6s"]);
    let status = fs::read_to_string(format!("/proc/{}/status", recording.pid())).unwrap();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = u64::from_str_radix(effective.unwrap().trim(), 16).unwrap();
    recording.wait().exits(0);
    assert_eq!(effective, SYS_PTRACE, "{effective:x}");
    let read = Read::open(&scene.path("damon.data"));
    let pid = read.meta.targets[0].pid.unwrap();
    let any = |is: &dyn Fn(&Known) -> bool| read.notes.iter().any(|note| is(&note.what));
    assert!(any(
        &|it| matches!(it, Known::Mapping(it) if it.pid == pid && it.name.ends_with("zigzag"))
    ));
    // Both areas are touched at the start.
    assert!(any(
        &|it| matches!(it, Known::ProcessMemory(it) if it.pid == pid && it.resident_bytes > 40 << 20)
    ));
    assert!(any(
        &|it| matches!(it, Known::SystemMemory(it) if it.total_bytes > 512 << 20)
    ));
    assert!(any(
        &|it| matches!(it, Known::CpuTime(it) if it.pid == pid && it.user_us > 0)
    ));
    let kdamond = read.kdamond();
    assert!(any(
        &|it| matches!(it, Known::CpuTime(it) if it.pid == kdamond && it.kdamond)
    ));

    let args = [
        "record",
        "--do_record",
        "access",
        "--timeout",
        "2",
        "--",
        "zigzag",
    ];
    scene.run(&args).exits(0);
    let read = Read::open(&scene.path("damon.data"));
    let beside = |it: &Known| matches!(it, Known::Mapping(_) | Known::ProcessMemory(_));
    assert!(!read.notes.iter().any(|note| beside(&note.what)));
}

#[test]
fn a_service_waits_for_damon_tells_how_it_goes_and_rotates_when_asked() {
    let scene = Scene::quiet("service");
    set("kdamonds/nr_kdamonds", "1");
    physical(0, 5000);
    let out = scene.path("record");
    let args = [
        "record",
        "--service",
        "--rotate",
        "1h",
        "-o",
        "record",
        "ongoing",
    ];
    let recording = scene.start(&args);
    until("a folder", || out.join("segment-00000000.damo").exists());
    set("kdamonds/0/state", "on");
    let first = tid(0);
    let samples = || -> u64 {
        let told = scene.run(&["status", "--recorder", "--json"]).exits(0);
        let told: Value = serde_json::from_str(&told.stdout).unwrap();
        let ours = told.as_array().unwrap().iter();
        let mut ours = ours.filter(|it| it["pid"] == recording.pid());
        ours.next()
            .map_or(0, |it| it["totals"]["stored"].as_u64().unwrap())
    };
    until("samples", || samples() > 100);
    scene
        .run(&["status", "--recorder"])
        .exits(0)
        .prints("samples/s");
    recording.signal("HUP");
    until("a second segment", || {
        out.join("segment-00000001.damo").exists()
    });
    set("kdamonds/0/state", "off");
    // Its end is seen within a second, and is no end of ours.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    set("kdamonds/0/state", "on");
    let second = tid(0);
    let before = samples();
    until("more samples", || samples() > before + 100);
    recording.signal("TERM");
    recording.wait().exits(0);
    assert_eq!(get("kdamonds/0/state"), "on");
    let left = fs::read_dir("/run/damo").into_iter().flatten().flatten();
    let names = left.map(|entry| entry.file_name().into_string().unwrap());
    assert_eq!(
        names.filter(|name| name.starts_with("recorder-")).count(),
        0
    );
    let read = Read::open(&out);
    assert!(read.stored_of(first) > 100 && read.stored_of(second) > 100);
    assert_eq!(read.lost(), 0);
    assert_eq!(read.happened(Happening::Ended).len(), 1);
    // Each segment says everything: who was recorded is in both.
    for segment in ["segment-00000000.damo", "segment-00000001.damo"] {
        let mut record = import::open(&out.join(segment)).unwrap();
        assert!(!record.meta().kdamonds.is_empty(), "{segment}");
        let is_snapshot = |item: &Item| matches!(item, Item::Snapshot(_));
        assert!(
            record
                .items()
                .unwrap()
                .any(|item| is_snapshot(&item.unwrap()))
        );
    }
}

#[test]
fn detail_is_given_up_rather_than_processor_time_and_counted() {
    let scene = Scene::quiet("max_cpu");
    counted::start().unwrap();
    // Less than anything can be done with.
    let args = ["record", "--max-cpu", "0.01%", "--timeout", "8", "paddr"];
    scene.run(&args).exits(0).says("left out");
    let emitted: u64 = counted::by_thread().unwrap().values().sum();
    let read = Read::open(&scene.path("damon.data"));
    let levels: Vec<u64> = read
        .happened(Happening::Detail)
        .iter()
        .map(|(_, it)| it.value)
        .collect();
    let left_out = read.happened(Happening::DetailOut);
    let left_out: u64 = left_out.iter().map(|(_, it)| it.value).sum();
    println!("levels {levels:?}, {left_out} of {emitted} left out");
    assert_eq!(levels[..2], [1, 2], "{levels:?}");
    assert!(left_out > 0);
    assert_eq!(read.stored() + read.lost() + left_out, emitted);
}

#[test]
fn what_schemes_do_is_in_the_record() {
    let scene = Scene::quiet("schemes");
    let scheme = ["--damos_action", "stat", "--damos_quotas", "0", "64M", "1s"];
    let args = [
        "record",
        "paddr",
        "--timeout",
        "4",
        "--schemes_target_regions",
    ];
    scene.run(&[&args[..], &scheme].concat()).exits(0);
    let read = Read::open(&scene.path("damon.data"));
    let kdamond = read.kdamond();
    let count = |is: &dyn Fn(&Known) -> bool| read.notes.iter().filter(|it| is(&it.what)).count();
    let applied = count(&|it| matches!(it, Known::Applied(it) if it.target.kdamond == kdamond));
    let quotas = count(&|it| matches!(it, Known::Quota(it) if it.bytes > 0));
    let counters = count(&|it| matches!(it, Known::Scheme(it) if it.sz_tried > 0));
    println!("{applied} regions, {quotas} quotas, counters {counters} times");
    // Each second, up to the quota: whole regions, or parts of them.
    assert!(applied > 1);
    let watched = |start, end| {
        let all = read.snapshots.iter().flat_map(|it| &it.regions);
        let (first, last) = (
            all.clone().map(|it| it.start).min(),
            all.map(|it| it.end).max(),
        );
        first.is_some_and(|it| it <= start) && last.is_some_and(|it| it >= end)
    };
    for note in &read.notes {
        if let Known::Applied(it) = &note.what {
            assert!(watched(it.region.start, it.region.end), "{it:?}");
        }
    }
    let since = |major: u32, minor: u32| {
        let release = kernel();
        let (a, b) = release.split_once('.').unwrap();
        (a.parse::<u32>().unwrap(), b.parse::<u32>().unwrap()) >= (major, minor)
    };
    assert_eq!(quotas > 0, since(6, 17));
    assert_eq!(counters > 0, since(7, 0));
}
