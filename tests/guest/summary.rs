//! Summaries say what a stream of the same snapshots does.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use damo_ebpf::summary::{IDLE, PAGE, SIZES, percent};
use damo_tests::counted;
use damo_user::model::{Figure, Happening, Known, Snapshot, Summed, TargetKey};
use serde_json::Value;

use crate::kit::{Read, Scene, kernel, stat_exists, stat_set, until};
use crate::others::sleeper;
use crate::process::Started;

/// What is counted of a target: by figure and step.
type Counts = BTreeMap<(TargetKey, u8, u32), u64>;

#[test]
fn a_summary_counts_what_the_stream_has() {
    let scene = Scene::quiet("counts");
    let mut workload = workload("zigzag --size 40M --period 2s --duration 300s --flush-tlb");
    let pid = workload.id().to_string();
    let both = Both::begin(&scene);
    let begun = Instant::now();
    scene.run(&["start", &pid]).exits(0);
    both.compare(400, begun, || {
        scene.run(&["stop"]).exits(0);
    });
    same_percentiles(&scene);
    workload.kill().unwrap();
    workload.wait().unwrap();
}

#[test]
fn also_while_damon_tunes_its_intervals() {
    let scene = Scene::as_booted("tuned_counts");
    if !stat_exists() {
        return println!("no DAMON_STAT on {}", kernel());
    }
    stat_set(false);
    let both = Both::begin(&scene);
    let begun = Instant::now();
    // Begun anew, so that its intervals are short and change.
    stat_set(true);
    let stream = both.compare(100, begun, || stat_set(false));
    let moved = stream.iter().filter(|it| it.extra.is_some());
    assert!(moved.count() > 0, "DAMON has tuned nothing");
}

#[test]
fn what_a_dead_process_leaves_is_counted_apart() {
    let scene = Scene::quiet("summary_gone");
    let (mut first, mut second) = (sleeper(), sleeper());
    counted::start().unwrap();
    let pids = [first.id().to_string(), second.id().to_string()];
    let args = ["record", &pids[0], &pids[1], "--summary", "--every", "1s"];
    let recording = scene.record(&[&args[..], &["--rotate", "2s"]].concat());
    let emitted = || counted::by_thread().unwrap().values().sum::<u64>();
    until("events", || emitted() > 100);
    first.kill().unwrap();
    first.wait().unwrap();
    let then = emitted();
    until("more events", || emitted() > then + 200);
    recording.signal("INT");
    recording
        .wait()
        .exits(0)
        .says("left out")
        .says("a summary of");
    scene.run(&["verify", "damon.data"]).exits(0);
    let read = Read::open(&scene.path("damon.data"));
    let gone = read.happened(Happening::TargetGone);
    assert_eq!(gone.len(), 1);
    let rows: Vec<(u64, Summed)> = summed(&read);
    let last_of_first = rows
        .iter()
        .filter(|(_, it)| it.target.target_id == 0)
        .map(|(at, _)| *at)
        .max();
    // The last summary of it is of the time in which it ended.
    assert!(last_of_first.unwrap() < gone[0].0 + 2_500_000_000);
    let regions = |id| -> u64 {
        let of =
            |(_, it): &&(u64, Summed)| it.figure == Figure::Regions && it.target.target_id == id;
        rows.iter().filter(of).map(|(_, it)| it.value).sum()
    };
    let out = read.happened(Happening::DeadOut);
    let left_out: u64 = out.iter().map(|(_, it)| it.value).sum();
    println!(
        "emitted {}, counted {} and {}, left out {left_out}, lost {}",
        emitted(),
        regions(0),
        regions(1),
        read.lost()
    );
    assert!(left_out > 20);
    assert_eq!(regions(0) + regions(1) + left_out + read.lost(), emitted());
    second.kill().unwrap();
    second.wait().unwrap();
}

/// A stream and a summary of whatever DAMON does from now on.
struct Both<'a> {
    scene: &'a Scene,
    stream: Started,
    summary: Started,
    /// CPU time that each took before there was anything.
    ticks: [u64; 2],
}

impl<'a> Both<'a> {
    /// Both wait for DAMON, so that they miss nothing.
    fn begin(scene: &'a Scene) -> Both<'a> {
        fs::write("/proc/sys/kernel/bpf_stats_enabled", "1").unwrap();
        counted::start().unwrap();
        let record = ["record", "ongoing", "--service", "--out"];
        let start = |more: &[&str]| {
            let started = scene.start(&[&record[..], more].concat());
            until("recording", || scene.path(more[0]).exists());
            started
        };
        let stream = start(&["stream.damo"]);
        let summary = start(&["summary.damo", "--summary", "--every", "3s"]);
        Both {
            scene,
            ticks: [&stream, &summary].map(|it| ticks(it.pid())),
            stream,
            summary,
        }
    }

    /// After so many regions, switches DAMON off, sees that both say the same, and
    /// gives the snapshots.
    fn compare(self, regions: u64, begun: Instant, off: impl FnOnce()) -> Vec<Snapshot> {
        let emitted = || counted::by_thread().unwrap().values().sum::<u64>();
        until_long("regions", || emitted() > regions);
        let mut costs = [&self.stream, &self.summary].map(|it| Cost::of(it.pid()));
        for (cost, before) in costs.iter_mut().zip(self.ticks) {
            cost.ticks -= before;
        }
        off();
        let monitored = begun.elapsed();
        let emitted = emitted();
        for recording in [self.stream, self.summary] {
            recording.signal("INT");
            recording.wait().exits(0);
        }
        fs::write("/proc/sys/kernel/bpf_stats_enabled", "0").unwrap();
        let scene = self.scene;
        scene.run(&["verify", "summary.damo"]).exits(0);
        let stream = Read::open(&scene.path("stream.damo"));
        let summary = Read::open(&scene.path("summary.damo"));
        assert_eq!((stream.lost(), summary.lost()), (0, 0));
        assert_eq!(stream.stored(), emitted);
        assert!(summary.snapshots.is_empty());
        let (expected, found) = (counts(&stream.snapshots), sums(&summary));
        assert_eq!(found, expected);

        let bytes = |name: &str| fs::metadata(scene.path(name)).unwrap().len();
        let rows = summed(&summary);
        let times: Vec<u64> = rows.iter().map(|(at, _)| *at).collect();
        let nr = times.chunk_by(|a, b| a == b).count();
        println!(
            "{}: {emitted} regions, {} snapshots, {monitored:.0?}; summary: {nr} times, {} rows, {} bytes; stream: {} bytes; {costs:?}",
            kernel(),
            stream.snapshots.len(),
            rows.len(),
            bytes("summary.damo"),
            bytes("stream.damo"),
        );
        // What the file says about itself is 2 KiB.
        let each = (bytes("summary.damo").saturating_sub(2048)) / nr as u64;
        assert!(each < 800, "{each} bytes for a summary");
        stream.snapshots
    }
}

/// Waits for what takes a machine that is emulated, and not alone, its time.
fn until_long(what: &str, mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn workload(line: &str) -> Child {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words).spawn().unwrap()
}

fn summed(read: &Read) -> Vec<(u64, Summed)> {
    let rows = read.notes.iter().filter_map(|note| match note.what {
        Known::Summed(it) => Some((note.time_ns, it)),
        _ => None,
    });
    rows.collect()
}

/// All rows of a summary but lengths.
fn sums(read: &Read) -> Counts {
    let mut sums = Counts::new();
    for (_, it) in summed(read) {
        if it.figure != Figure::Length {
            *sums
                .entry((it.target, it.figure.code(), it.step))
                .or_default() += it.value;
        }
    }
    sums
}

/// What a summary of these snapshots is to say.
fn counts(snapshots: &[Snapshot]) -> Counts {
    let mut counts = Counts::new();
    let mut add = |target, figure: Figure, step: usize, value: u64| {
        *counts
            .entry((target, figure.code(), step as u32))
            .or_default() += value;
    };
    for it in snapshots {
        let intervals = it.intervals.unwrap();
        let mut working_set = 0;
        add(it.target, Figure::Snapshots, 0, 1);
        for region in &it.regions {
            let pages = region.len() / PAGE;
            let checks = intervals.aggr_us / intervals.sample_us;
            add(it.target, Figure::Regions, 0, 1);
            let rate = percent(region.nr_accesses.into(), checks);
            add(it.target, Figure::Rate, rate, pages);
            if region.nr_accesses > 0 {
                working_set += pages;
            } else {
                let idle = (u64::from(region.age.unwrap()) + 1) * it.age_unit_us().unwrap();
                add(it.target, Figure::Idle, IDLE.step(idle), pages);
            }
        }
        add(it.target, Figure::WorkingSet, SIZES.step(working_set), 1);
    }
    counts.retain(|_, value| *value > 0);
    counts
}

/// What people see: the same percentiles, to within a step.
fn same_percentiles(scene: &Scene) {
    let rows = |args: &[&str]| -> Vec<Value> {
        let out = scene.run(&[args, &["--format", "json"]].concat()).exits(0);
        serde_json::from_str(&out.stdout).unwrap()
    };
    let summary = |file| rows(&["report", "summary", "-r", "0", "101", "5", "-i", file]);
    let wss = |file| {
        let range = ["-r", "0", "101", "5", "--exclude_samples", "0"];
        rows(&[&["report", "wss", "-i", file], &range[..]].concat())
    };
    let mut compared = 0;
    for (exact, found, value, bits) in [
        (wss("stream.damo"), wss("summary.damo"), "wss_bytes", 4),
        (summary("stream.damo"), summary("summary.damo"), "value", 3),
    ] {
        assert_eq!(exact.len(), found.len());
        for (exact, found) in exact.iter().zip(&found) {
            if exact["figure"] == "time_ns" {
                continue;
            }
            let [a, b] = [exact, found].map(|row| row[value].as_u64().unwrap());
            let width = (a >> bits) + a / 500 + 1;
            assert!(a.abs_diff(b) <= width, "{exact} {found}");
            compared += 1;
        }
    }
    assert!(compared > 40, "{compared}");
    let args = ["report", "heats", "-i", "summary.damo"];
    scene.run(&args).exits(2).says("a summary");
}

/// What a recorder costs: of its program, times run, nanoseconds for each and
/// instructions that the verifier looked at; of its process, ticks of CPU time.
#[derive(Debug)]
#[allow(dead_code, reason = "it is printed")]
struct Cost {
    runs: u64,
    ns_each: u64,
    verified: u64,
    ticks: u64,
}

impl Cost {
    fn of(pid: u32) -> Cost {
        let mut most = (0, 0, 0);
        for entry in fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
            let number = |name: &str| -> u64 {
                let line = text.lines().find_map(|line| line.strip_prefix(name));
                line.map_or(0, |rest| rest[1..].trim().parse().unwrap())
            };
            if text.contains("prog_type:\t5") {
                let counts = (
                    number("run_cnt"),
                    number("run_time_ns"),
                    number("verified_insns"),
                );
                most = most.max(counts);
            }
        }
        Cost {
            runs: most.0,
            ns_each: most.1 / most.0.max(1),
            verified: most.2,
            ticks: ticks(pid),
        }
    }
}

/// CPU time of a process so far, in hundredths of a second.
fn ticks(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after = text.rsplit(')').next().unwrap().split(' ');
    after
        .skip(12)
        .take(2)
        .map(|it| it.parse::<u64>().unwrap())
        .sum()
}
