//! Records without BPF (`--snapshot`), and filters while recording.

use std::fs;
use std::ops::Range;
use std::process::{Child, Command};

use damo_tests::counted;
use damo_tests::workload::Area;
use damo_user::model::{Region, Snapshot};
use serde_json::Value;

use crate::kit::{Read, Scene, damon_is_on, kernel, parameters, until};
use crate::others::{configuration, sleeper};

const MIB: u64 = 1 << 20;

/// The areas of a workload, all of them in memory; the first one is hot.
pub fn areas(scene: &Scene, log: &str) -> Vec<Range<u64>> {
    let mut found = Vec::new();
    until("the log of the workload", || {
        let text = fs::read_to_string(scene.path(log)).unwrap_or_default();
        // The second line comes when all of it has been touched.
        let (Some(line), 2..) = (text.lines().next(), text.matches('\n').count()) else {
            return false;
        };
        let layout: Value = serde_json::from_str(line).unwrap();
        let range = |area: &Value| {
            let area: Area = serde_json::from_value(area.clone()).unwrap();
            let (start, end) = area.range().unwrap();
            start..end
        };
        found = layout["areas"]
            .as_array()
            .unwrap()
            .iter()
            .map(range)
            .collect();
        true
    });
    found
}

const RANDOM: &str = "/proc/sys/kernel/randomize_va_space";

pub fn hotcold(scene: &Scene, log: &str, size: &str) -> Child {
    let log = scene.path(log);
    Command::new("hotcold")
        .args(["--size", size, "--period", "1s", "--duration", "600s"])
        .arg("--flush-tlb")
        .arg("--log")
        .arg(log)
        .spawn()
        .unwrap()
}

pub fn ended(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Bytes of regions that are wanted, within a range.
fn within(snapshot: &Snapshot, range: &Range<u64>, wanted: impl Fn(&Region) -> bool) -> u64 {
    let regions = snapshot.regions.iter().filter(|region| wanted(region));
    let bytes = |region: &Region| {
        let end = region.end.min(range.end);
        end.saturating_sub(region.start.max(range.start))
    };
    regions.map(bytes).sum()
}

/// A workload and kdamond share two emulated processors: what is used all the
/// time is not seen so in each of 20 checks.
fn is_hot(region: &Region) -> bool {
    region.nr_accesses >= 3
}

fn everything(snapshot: &Snapshot) -> u64 {
    snapshot.regions.iter().map(Region::len).sum()
}

/// Each snapshot ends at least `delay_ns` after the one before, where that ends.
fn paced(snapshots: &[&Snapshot], delay_ns: u64) {
    for pair in snapshots.windows(2) {
        assert!(pair[1].end_ns >= pair[0].end_ns + delay_ns);
        assert_eq!(pair[1].start_ns, pair[0].end_ns);
    }
    assert!(snapshots.iter().all(|it| it.intervals.is_some()));
}

#[test]
fn a_process() {
    let scene = Scene::quiet("snapshot_process");
    let other = sleeper();
    configuration(&other);
    let before = parameters();
    let target = hotcold(&scene, "log", "64M");
    let areas = areas(&scene, "log");
    let pid = target.id().to_string();
    let ran = scene
        .run(&[
            "record",
            "--snapshot",
            "1500ms",
            "6",
            "-s",
            "5ms",
            "-a",
            "100ms",
            &pid,
        ])
        .exits(0)
        .says("6 snapshots");
    println!("{}", ran.stderr.trim());
    assert!(!damon_is_on());
    assert_eq!(parameters(), before);

    let read = Read::open(&scene.path("damon.data"));
    assert_eq!((read.snapshots.len(), read.lost()), (6, 0));
    let all: Vec<&Snapshot> = read.snapshots.iter().collect();
    paced(&all, 1_500_000_000);
    assert!(all[0].end_ns >= read.meta.mono_ns + 1_500_000_000);
    assert_eq!(read.meta.targets[0].pid, Some(target.id()));
    assert_eq!(read.meta.targets[0].comm.as_deref(), Some("hotcold"));
    for snapshot in &all {
        assert!(everything(snapshot) >= 2 * 64 * MIB, "{snapshot:?}");
        assert!(snapshot.regions.len() >= 10 && snapshot.extra.is_none());
    }
    // When DAMON has found its feet, the hot area is hot, and the cold one not.
    let hot_and_cold = |it: &&Snapshot| {
        let [hot, cold] = [&areas[0], &areas[1]].map(|area| within(it, area, is_hot) / MIB);
        println!(
            "on {}: {hot} MiB of the hot area are hot, {cold} of the cold one",
            kernel()
        );
        hot >= 56 && cold <= 8
    };
    let shown = all.iter().filter(|it| hot_and_cold(it)).count();
    assert!(shown > 0, "{:?}", all[5]);
    // And it is a record as any other.
    scene
        .run(&["report", "raw"])
        .exits(0)
        .prints("target_id: 0");
    scene.run(&["report", "heats", "--guide"]).exits(0);
    scene.run(&["verify", "damon.data"]).exits(0).prints("ok: ");
    ended(target);
    ended(other);
}

#[test]
fn two_targets_are_told_apart() {
    let scene = Scene::quiet("snapshot_two");
    let before = parameters();
    // A guest's programs have the same addresses, if they may.
    fs::write(RANDOM, "2").unwrap();
    let targets = ["one", "two"].map(|log| hotcold(&scene, log, "40M"));
    fs::write(RANDOM, "0").unwrap();
    let all_areas = ["one", "two"].map(|log| areas(&scene, log));
    let [one, two] = [&targets[0], &targets[1]].map(|target| target.id().to_string());
    // Beside a scheme of the user's, that stays the first.
    let args = ["record", "--snapshot", "1", "6", "--damos_action", "stat"];
    scene
        .run(&[&args[..], &["--damos_access_rate", "0", "0", &one, &two]].concat())
        .exits(0);
    assert_eq!(parameters(), before);
    let read = Read::open(&scene.path("damon.data"));
    assert_eq!((read.snapshots.len(), read.lost()), (12, 0));
    for (id, target) in targets.iter().enumerate() {
        let of = |it: &&Snapshot| it.target.target_id == id as u64;
        let mine: Vec<&Snapshot> = read.snapshots.iter().filter(of).collect();
        assert_eq!(mine.len(), 6);
        paced(&mine, 1_000_000_000);
        let known = read.meta.known_targets().get(mine[0].target).unwrap();
        assert_eq!(known.pid, Some(target.id()));
        assert!(!known.origin.as_ref().unwrap().all_targets);
        // All of its own memory is there, and nothing of the other's: how hot it
        // looks depends on who got the processors.
        for (other, areas) in all_areas.iter().enumerate() {
            let of_all = |area| within(mine[5], area, |_| true) / MIB;
            let seen: Vec<u64> = areas.iter().map(of_all).collect();
            let expected = if other == id { 40 } else { 0 };
            assert_eq!(seen, [expected; 2], "{id}, {other}: {:?}", mine[5]);
        }
    }
    targets.into_iter().for_each(ended);
}

#[test]
fn what_passes_filters() {
    let scene = Scene::quiet("snapshot_filter");
    let before = parameters();
    let target = hotcold(&scene, "log", "64M");
    let areas = areas(&scene, "log");
    let pid = target.id().to_string();
    let record = |target: &str| {
        let args = ["record", "--snapshot", "1", "4"];
        let filter = ["--snapshot_damos_filter", "allow", "anon", target];
        scene.run(&[&args[..], &filter].concat())
    };
    let passed = |snapshot: &Snapshot| -> u64 {
        let extra = snapshot.extra.as_ref().unwrap();
        let bytes = extra.filter_passed.iter().map(|it| it.unwrap());
        bytes.sum::<u64>() / MIB
    };
    let (of_process, of_memory) = match kernel().as_str() {
        "6.12" => (false, false),
        "6.17" => (false, true),
        _ => (true, true),
    };
    match of_process {
        false => {
            record(&pid)
                .exits(1)
                .says("--snapshot_damos_filter anon")
                .says("6.18");
            assert!(!scene.path("damon.data").exists());
        }
        true => {
            record(&pid).exits(0);
            let read = Read::open(&scene.path("damon.data"));
            assert_eq!((read.snapshots.len(), read.lost()), (4, 0));
            let last = &read.snapshots[3];
            let anon = passed(last);
            println!("on {}: {anon} of 128 MiB are anonymous", kernel());
            // All that the workload has; most of the address space is nothing.
            assert!((128..=160).contains(&anon), "{last:?}");
            assert!(everything(last) >= 128 * MIB);
            assert!(within(last, &areas[0], |_| true) == 64 * MIB);
        }
    }
    match of_memory {
        false => {
            record("paddr")
                .exits(1)
                .says("--snapshot_damos_filter anon")
                .says("6.14");
        }
        true => {
            record("paddr").exits(0);
            let read = Read::open(&scene.path("damon.data"));
            let last = &read.snapshots[3];
            let anon = passed(last);
            println!("on {}: {anon} MiB of the memory are anonymous", kernel());
            assert!((128..=everything(last) / MIB).contains(&anon));
            let known = read.meta.known_targets().get(last.target).unwrap();
            let filters = &known.origin.as_ref().unwrap().scheme_filters;
            assert_eq!(filters[0]["filter_type"], "anon");
        }
    }
    assert!(!damon_is_on());
    assert_eq!(parameters(), before);
    ended(target);
}

#[test]
fn every_end_puts_everything_back() {
    let scene = Scene::quiet("snapshot_ends");
    let before = parameters();
    // The target's own end, between two snapshots, and its exit code.
    let sleep = "sh -c 'busybox sleep 3; exit 7'";
    for _ in 0..3 {
        scene
            .run(&["record", "--snapshot", "200ms", "1000", sleep])
            .exits(7);
        let read = Read::open(&scene.path("damon.data"));
        assert!((1..16).contains(&read.snapshots.len()));
        assert_eq!(parameters(), before);
    }
    let ran = scene.run(&[
        "record",
        "--snapshot",
        "1",
        "1000",
        "--timeout",
        "3500ms",
        "paddr",
    ]);
    ran.exits(0);
    let read = Read::open(&scene.path("damon.data"));
    assert!((1..=3).contains(&read.snapshots.len()));
    assert_eq!(parameters(), before);

    let started = scene.record(&["record", "--snapshot", "100ms", "1000", "paddr"]);
    // No BPF is loaded, nor is anything traced.
    let fds = fs::read_dir(format!("/proc/{}/fd", started.pid())).unwrap();
    let links = fds.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
    let links: Vec<String> = links.map(|link| link.display().to_string()).collect();
    let traces = |link: &&String| link.contains("bpf") || link.contains("perf_event");
    assert_eq!(links.iter().find(traces), None, "{links:?}");
    started.signal("INT");
    started.wait().exits(0);
    assert!(!damon_is_on());
    assert_eq!(parameters(), before);

    // Somebody else switches it off.
    let started = scene.record(&["record", "--snapshot", "100ms", "1000", "paddr"]);
    until("a way past DAMON's lock", || {
        fs::write("/sys/kernel/mm/damon/admin/kdamonds/0/state", "off").is_ok()
    });
    started.wait().exits(1).says("switched DAMON off");
    assert_eq!(parameters(), before);
}

#[test]
fn filters_leave_out_and_count() {
    let scene = Scene::quiet("filters");
    counted::start().unwrap();
    let args = [
        "record",
        "-n",
        "200",
        "-m",
        "1000",
        "-a",
        "50ms",
        "--timeout",
        "4",
    ];
    let filters = ["--access_rate", "min", "0", "--address", "0", "600M"];
    let ran = scene
        .run(&[&args[..], &filters, &["paddr"]].concat())
        .exits(0);
    println!("{}", ran.stderr.trim());
    let read = Read::open(&scene.path("damon.data"));
    let emitted = counted::by_thread().unwrap()[&read.kdamond()];
    let number = |word: &str| -> u64 {
        let line = ran.stderr.lines().last().unwrap();
        let words = line.split(", ").find_map(|part| part.strip_suffix(word));
        words
            .unwrap_or_else(|| panic!("{line}"))
            .replace(',', "")
            .parse()
            .unwrap()
    };
    let left_out = number(" left out");
    println!(
        "emitted {emitted}, stored {}, lost {}, left out {left_out}",
        read.stored(),
        read.lost()
    );
    assert!(left_out > 500 && read.stored() > 500);
    assert_eq!(read.stored() + read.lost() + left_out, emitted);
    let regions = || read.snapshots.iter().flat_map(|it| &it.regions);
    assert!(regions().all(|it| it.nr_accesses == 0 && it.end <= 600 * MIB));
    assert!(regions().any(|it| it.end == 600 * MIB), "none was cut");
    let told = "--access_rate min 0 --address 0 629145600";
    scene.run(&["record_info"]).exits(0).prints(told);
    scene.run(&["report", "raw"]).exits(0).says(told);
    // What is all left out is a record of when DAMON looked.
    scene
        .run(&[
            "record",
            "--sz_region",
            "1P",
            "max",
            "--timeout",
            "2",
            "paddr",
        ])
        .exits(0);
    let read = Read::open(&scene.path("damon.data"));
    assert!(read.snapshots.len() > 5 && read.stored() == 0);
    // The same for snapshots.
    scene
        .run(&[
            "record",
            "--snapshot",
            "500ms",
            "3",
            "--sz_region",
            "1P",
            "max",
            "paddr",
        ])
        .exits(0)
        .says("3 snapshots, 0 region samples");
    scene
        .run(&["record", "--access_rate", "1", "4", "paddr"])
        .exits(2)
        .says("no whole number of samples");
}
