//! The truth about a workload that is known: two areas used in turn. To be run
//! with no second guest beside it.

use std::fs;

use serde_json::Value;

use crate::kit::{Scene, kernel};

const AREA: f64 = 100.0 * 1024.0 * 1024.0;

#[test]
fn zigzag() {
    let scene = Scene::quiet("zigzag");
    scene
        .run(&[
            "record",
            "zigzag --size 100M --period 2s --duration 30s --flush-tlb --log log",
        ])
        .exits(0);

    let wss = scene
        .run(&["report", "wss", "-r", "0", "101", "1", "--raw_number"])
        .exits(0)
        .stdout;
    let percentile = |p: &str| -> f64 {
        let line = wss
            .lines()
            .find(|line| line.split_whitespace().next() == Some(p));
        let bytes = line.and_then(|line| line.split_whitespace().nth(1));
        bytes
            .unwrap_or_else(|| panic!("no {p} in {wss}"))
            .parse::<f64>()
            .unwrap()
            / AREA
    };
    let [p10, median, p90] = ["10", "50", "90"].map(percentile);
    let picture = scene
        .run(&["report", "heats", "--heatmap", "stdout"])
        .exits(0)
        .stdout;
    println!("{picture}");
    println!(
        "WSS on {}: median {:.2} MiB, 10th {:.2}, 90th {:.2}, of 100 MiB",
        kernel(),
        median * 100.0,
        p10 * 100.0,
        p90 * 100.0
    );

    let alternating = alternation(&scene);
    println!(
        "on {}: {:.0} % of the phases show the area in use as the hotter one",
        kernel(),
        alternating * 100.0
    );
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
    assert!(alternating > 0.9, "{alternating}");
}

/// In how many phases, of all that are recorded, the area that the workload
/// used by its own log is the hotter one in the heatmap.
fn alternation(scene: &Scene) -> f64 {
    let log = fs::read_to_string(scene.path("log")).unwrap();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let areas: Vec<(u64, u64)> = lines[0]["areas"]
        .as_array()
        .unwrap()
        .iter()
        .map(area)
        .collect();
    assert_eq!(areas.len(), 2);
    // The last phase may be cut short, and the first is DAMON finding its feet.
    let phases = &lines[2..lines.len() - 1];
    assert!(phases.len() >= 8, "{log}");
    let shown = phases.iter().filter(|phase| {
        let used = area(&phase["areas"][0]);
        let (start, end) = (&phase["start_ns"], &phase["end_ns"]);
        let [a, b] = [areas[0], areas[1]].map(|(from, to)| heat(scene, start, end, from, to));
        if used == areas[0] { a > b } else { b > a }
    });
    shown.count() as f64 / phases.len() as f64
}

fn area(value: &Value) -> (u64, u64) {
    let hex = |key: &str| {
        let text = value[key].as_str().unwrap();
        u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
    };
    (hex("start"), hex("end"))
}

fn heat(scene: &Scene, start: &Value, end: &Value, from: u64, to: u64) -> f64 {
    let [start, end] = [start, end].map(Value::to_string);
    let [from, to] = [from, to].map(|address| address.to_string());
    let out = scene.run(&[
        "report",
        "heats",
        "--resol",
        "1",
        "1",
        "--time_range",
        &start,
        &end,
        "--address_range",
        &from,
        &to,
    ]);
    let out = out.exits(0).stdout;
    out.split_whitespace().nth(2).unwrap().parse().unwrap()
}
