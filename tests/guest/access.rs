//! What runs now is shown, and DAMON is as before afterwards.

use std::ops::Range;

use serde_json::Value;

use crate::kit::{Scene, exists, get, kernel, parameters, stat_exists, stat_on, until};
use crate::snapshots::{areas, ended, hotcold};

/// Regions of `damo report access --format ndjson` with these options.
fn regions(scene: &Scene, args: &[&str]) -> Vec<Value> {
    let args = [&["report", "access", "--format", "ndjson"], args].concat();
    let ran = scene.run(&args).exits(0);
    let lines = ran.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn number(row: &Value, name: &str) -> u64 {
    let value = &row[name];
    value
        .as_u64()
        .unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

/// Bytes of a range that were accessed in at least half of the checks.
fn hot(rows: &[Value], within: &Range<u64>) -> u64 {
    let hot = rows
        .iter()
        .filter(|row| row["access_rate_percent"].as_f64().unwrap() >= 50.0);
    hot.map(|row| {
        let start = number(row, "start_address").max(within.start);
        number(row, "end_address")
            .min(within.end)
            .saturating_sub(start)
    })
    .sum()
}

#[test]
fn the_hot_area_is_seen_and_damon_is_as_before() {
    let scene = Scene::quiet("access_hot");
    let workload = hotcold(&scene, "log", "16M");
    let areas = areas(&scene, "log");
    scene
        .run(&["start", "--target_pid", &workload.id().to_string()])
        .exits(0);
    let before = parameters();
    let mut rows = Vec::new();
    until("the hot area is seen", || {
        rows = regions(&scene, &[]);
        hot(&rows, &areas[0]) * 2 >= areas[0].end - areas[0].start
    });
    println!(
        "hot: {} and {} bytes",
        hot(&rows, &areas[0]),
        hot(&rows, &areas[1])
    );
    assert!(
        hot(&rows, &areas[1]) * 4 < areas[1].end - areas[1].start,
        "{rows:?}"
    );
    assert_eq!(parameters(), before, "by BPF nothing is changed");
    let rows = regions(&scene, &["--total_sz_only"]);
    assert_eq!(rows.len(), 1);
    assert!(number(&rows[0], "total_bytes") >= 32 << 20, "{rows:?}");
    let text = scene
        .run(&["report", "access", "--repeat", "0.1", "2"])
        .exits(0);
    assert_eq!(
        text.stdout.matches("\ntotal size: ").count(),
        2,
        "{}",
        text.stdout
    );

    // Through a scheme of the moment, if this kernel tells what passes.
    let filter = [
        "report",
        "access",
        "--snapshot_damos_filter",
        "allow",
        "anon",
    ];
    if ["6.12", "6.17"].contains(&kernel().as_str()) {
        scene.run(&filter).exits(1).says("snapshot_damos_filter");
    } else {
        let text = scene.run(&filter).exits(0);
        assert!(
            text.stdout.contains("# damos filters (df): allow anon\n"),
            "{}",
            text.stdout
        );
        assert!(text.stdout.contains("  df-passed "), "{}", text.stdout);
    }
    assert_eq!(get("kdamonds/0/contexts/0/schemes/nr_schemes"), "0");
    assert!(!exists("kdamonds/0/contexts/0/schemes/0"));
    assert_eq!(get("kdamonds/0/state"), "on");
    let tried = [
        "report",
        "access",
        "--input",
        "tried_regions_of",
        "0",
        "0",
        "0",
    ];
    scene.run(&tried).exits(1).says("no scheme 0");
    scene.run(&["stop"]).exits(0);
    ended(workload);
    let nothing = scene.run(&["report", "access"]);
    nothing.exits(1).says("no kdamond runs");
}

#[test]
fn damon_stat_is_shown_by_its_own_kdamond() {
    let scene = Scene::as_booted("access_stat");
    if !stat_exists() || !stat_on() {
        println!("skipped: no DAMON_STAT");
        return;
    }
    let ran = scene.run_for(
        &["report", "access", "--style", "recency-percentiles"],
        std::time::Duration::from_secs(60),
    );
    let text = ran.exits(0).stdout;
    println!("{text}");
    assert!(text.contains("# total recency percentiles\n"), "{text}");
    assert!(text.contains("# data source: damon_stat\n"), "{text}");
    assert!(stat_on());
}
