//! The truth about a workload that is known: two areas used in turn, several
//! one after another, a hot and a cold one. To be run with no second guest
//! beside it.

use std::fs;
use std::time::Duration;

use damo_user::model::{Region, Snapshot};
use serde_json::Value;

use crate::kit::{Read, Scene, kernel};

/// How long a recording of half a minute may take.
const LIMIT: Duration = Duration::from_secs(100);

#[test]
fn zigzag() {
    let scene = Scene::quiet("zigzag");
    record(
        &scene,
        "zigzag --size 100M --period 2s --duration 30s --flush-tlb --log log",
    );
    let [p10, median, p90] = wss(&scene, 100);
    let picture = scene
        .run(&["report", "heats", "--heatmap", "stdout"])
        .exits(0)
        .stdout;
    println!("{picture}");
    let log = Log::read(&scene);
    assert_eq!(log.areas.len(), 2);
    let shown = log.followed(&scene);
    let hot_ranges = log.hot_ranges(&scene);
    assert!(
        (0.98..=1.02).contains(&median),
        "median is {median} of an area"
    );
    assert!(
        (0.85..=1.15).contains(&p10),
        "10th percentile is {p10} of an area"
    );
    assert!(
        (0.85..=1.15).contains(&p90),
        "90th percentile is {p90} of an area"
    );
    assert!(shown > 0.9, "{shown}");
    assert!(hot_ranges.iter().all(|it| *it >= 0.95), "{hot_ranges:?}");
}

#[test]
fn stairs() {
    let scene = Scene::quiet("stairs");
    record(
        &scene,
        "stairs --areas 4 --size 40M --period 1500ms --duration 13500ms --flush-tlb --log log",
    );
    let log = Log::read(&scene);
    assert_eq!(log.areas.len(), 4);
    let shown = log.followed(&scene);
    let hot_ranges = log.hot_ranges(&scene);
    assert!(shown > 0.8, "{shown}");
    assert!(hot_ranges.iter().all(|it| *it >= 0.95), "{hot_ranges:?}");
}

#[test]
fn hotcold() {
    let scene = Scene::quiet("hotcold");
    record(
        &scene,
        "hotcold --size 100M --period 1s --duration 12s --flush-tlb --log log",
    );
    let [_, median, _] = wss(&scene, 100);
    let log = Log::read(&scene);
    let (hot, cold) = (log.areas[0], log.areas[1]);
    // Both were filled before the first phase.
    let phases = log.phases();
    let (start, end) = (phases[1].start, phases[phases.len() - 1].end);
    let hot_ranges = log.hot_ranges(&scene);
    let [hot, cold] = [hot, cold].map(|area| heat(&scene, start, end, area));
    println!(
        "on {}: heat of the hot area {hot}, of the cold one {cold}",
        kernel()
    );
    assert!(
        (0.97..=1.03).contains(&median),
        "median is {median} of the hot area"
    );
    assert!(hot > 10.0 * cold, "{hot} and {cold}");
    assert!(hot_ranges.iter().all(|it| *it >= 0.95), "{hot_ranges:?}");
}

fn record(scene: &Scene, command: &str) {
    scene.run_for(&["record", command], LIMIT).exits(0);
    let path = scene.path("damon.data");
    let read = Read::open(&path);
    let of = |ns: fn(&Snapshot) -> u64| read.snapshots.iter().map(ns);
    let start_ns = of(|it| it.start_ns).min().unwrap();
    let seconds = (of(|it| it.end_ns).max().unwrap() - start_ns) as f64 / 1e9;
    let (bytes, samples) = (
        fs::metadata(path).unwrap().len() as f64,
        read.stored() as f64,
    );
    println!(
        "size on {}: {:.2} bytes per sample, at {:.0} events/s for {seconds:.0} s",
        kernel(),
        bytes / samples,
        samples / seconds
    );
}

/// The working set's 10th percentile, median and 90th percentile, as multiples
/// of an area of so many MiB.
fn wss(scene: &Scene, mib: u32) -> [f64; 3] {
    let wss = scene
        .run(&["report", "wss", "-r", "0", "101", "1", "--raw_number"])
        .exits(0)
        .stdout;
    let percentiles = ["10", "50", "90"].map(|p| {
        let line = wss
            .lines()
            .find(|line| line.split_whitespace().next() == Some(p));
        let bytes = line.and_then(|line| line.split_whitespace().nth(1));
        let bytes = bytes.unwrap_or_else(|| panic!("no {p} in {wss}"));
        bytes.parse::<f64>().unwrap() / f64::from(1 << 20)
    });
    let [p10, median, p90] = percentiles;
    println!(
        "WSS on {}: median {median:.2} MiB ({:+.2} %), 10th {p10:.2}, 90th {p90:.2}, of {mib} MiB",
        kernel(),
        (median / f64::from(mib) - 1.0) * 100.0
    );
    percentiles.map(|p| p / f64::from(mib))
}

/// What a workload says that it did.
struct Log {
    areas: Vec<(u64, u64)>,
    phases: Vec<Phase>,
}

struct Phase {
    start: u64,
    end: u64,
    area: (u64, u64),
}

impl Log {
    fn read(scene: &Scene) -> Log {
        let log = fs::read_to_string(scene.path("log")).unwrap();
        let mut lines = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let areas = lines.next().unwrap();
        let phase = |line: Value| Phase {
            start: line["start_ns"].as_u64().unwrap(),
            end: line["end_ns"].as_u64().unwrap(),
            area: area(&line["areas"][0]),
        };
        Log {
            areas: areas["areas"]
                .as_array()
                .unwrap()
                .iter()
                .map(area)
                .collect(),
            phases: lines.map(phase).collect(),
        }
    }

    /// Without the first, in which DAMON finds its feet, and the last, which
    /// may be cut short.
    fn phases(&self) -> &[Phase] {
        let phases = &self.phases[1..self.phases.len() - 1];
        assert!(phases.len() >= 7, "only {} phases", phases.len());
        phases
    }

    /// In how many phases, of one, the area in use is the hottest in the heatmap.
    fn followed(&self, scene: &Scene) -> f64 {
        let shown = self.phases().iter().filter(|phase| {
            let heat = |area: &(u64, u64)| heat(scene, phase.start, phase.end, *area);
            let used = heat(&phase.area);
            let others = self.areas.iter().filter(|area| **area != phase.area);
            others.map(heat).all(|other| other < used)
        });
        let shown = shown.count() as f64 / self.phases().len() as f64;
        println!(
            "on {}: {:.0} % of {} phases show the area in use as the hottest one",
            kernel(),
            shown * 100.0,
            self.phases().len()
        );
        shown
    }
}

/// Share of a snapshot's checks from which a region is hot: a workload and kdamond
/// share emulated processors, so that what is used all the time is not always seen so.
const HOT: f64 = 0.1;

/// From here on DAMON has found its regions.
const SETTLED: usize = 20;

impl Log {
    /// Of the snapshots that were taken within a phase, the medians: how much of
    /// the area in use is hot, and how much of what is hot is of that area.
    fn hot_ranges(&self, scene: &Scene) -> [f64; 2] {
        let read = Read::open(&scene.path("damon.data"));
        let mut shares = [const { Vec::new() }; 2];
        for snapshot in read.snapshots.iter().skip(SETTLED) {
            let within = |it: &&Phase| it.start <= snapshot.start_ns && snapshot.end_ns <= it.end;
            let Some(phase) = self.phases.iter().find(within) else {
                continue;
            };
            let intervals = snapshot.intervals.unwrap();
            let checks = (intervals.aggr_us / intervals.sample_us) as f64;
            let is_hot = |it: &&Region| f64::from(it.nr_accesses) >= HOT * checks;
            let (from, to) = phase.area;
            let (mut hot, mut right) = (0, 0);
            for region in snapshot.regions.iter().filter(is_hot) {
                hot += region.len();
                right += region.end.min(to).saturating_sub(region.start.max(from));
            }
            shares[0].push(right as f64 / (to - from) as f64);
            shares[1].push(right as f64 / hot.max(1) as f64);
        }
        let [covered, right] = shares.map(|mut shares| {
            shares.sort_by(f64::total_cmp);
            assert!(shares.len() >= 20, "only {} snapshots", shares.len());
            shares[shares.len() / 2]
        });
        println!(
            "on {}: {:.1} % of the area in use is hot, and {:.1} % of what is hot is in use",
            kernel(),
            covered * 100.0,
            right * 100.0
        );
        [covered, right]
    }
}

fn area(value: &Value) -> (u64, u64) {
    let hex = |key: &str| {
        let text = value[key].as_str().unwrap();
        u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
    };
    (hex("start"), hex("end"))
}

/// The heatmap's one pixel of that time and area.
fn heat(scene: &Scene, start: u64, end: u64, (from, to): (u64, u64)) -> f64 {
    let [start, end, from, to] = [start, end, from, to].map(|number| number.to_string());
    let mut args = vec!["report", "heats", "--resol", "1", "1"];
    args.extend(["--time_range", &start, &end]);
    args.extend(["--address_range", &from, &to]);
    let out = scene.run(&args).exits(0).stdout;
    out.split_whitespace().nth(2).unwrap().parse().unwrap()
}
