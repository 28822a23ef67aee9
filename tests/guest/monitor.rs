//! `damo monitor`: views of one recording while it goes on; `damo report trace`.

use std::fs;

use crate::kit::{Scene, damon_is_on, kernel, parameters, until};

/// The kernel adds nothing of its own to it.
fn only_once() -> bool {
    let once = kernel() == "7.3";
    if !once {
        println!("skipped: once is enough, on 7.3");
    }
    once
}

#[test]
fn views_come_one_after_the_other_and_damon_is_put_back() {
    if !only_once() {
        return;
    }
    let scene = Scene::quiet("views_come_one_after_the_other");
    let before = parameters();
    for (report_type, words) in [
        ("heats", ["# access_frequency:", "# x-axis: space"]),
        ("wss", ["# <percentile> <wss>", "# avr:"]),
    ] {
        let args = ["monitor", "paddr", "--delay", "2", "--count", "2"];
        let ran = scene.run(&[&args[..], &["--report_type", report_type]].concat());
        assert_eq!(ran.status.code(), Some(0), "{ran:?}");
        for view in ["# paddr, view 1 of 2 s", "# paddr, view 2 of 2 s"] {
            assert_eq!(ran.stdout.matches(view).count(), 1, "{ran:?}");
        }
        for word in words {
            assert_eq!(ran.stdout.matches(word).count(), 2, "{word}: {ran:?}");
        }
        assert!(!damon_is_on());
        assert_eq!(parameters(), before);
    }
    let left = fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let left: Vec<_> = left
        .filter(|it| it.path().join("record").exists())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn it_ends_with_its_target_and_by_a_signal() {
    if !only_once() {
        return;
    }
    let scene = Scene::quiet("it_ends_with_its_target");
    let ran = scene.run(&["monitor", "sleep 2", "--delay", "1"]);
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    assert!(ran.stdout.contains("view 1 of 1 s"), "{ran:?}");
    assert!(!damon_is_on());

    let started = scene.start(&["monitor", "paddr", "--delay", "1"]);
    until("DAMON is on", damon_is_on);
    started.signal("TERM");
    let ran = started.wait();
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    assert!(!damon_is_on());
    assert!(!std::path::Path::new("/run/damo/kdamonds").exists());

    // Nobody reads any longer.
    let closed = {
        let (read, write) = std::io::pipe().unwrap();
        drop(read);
        write
    };
    let mut command = scene.damo(&["monitor", "paddr", "--delay", "1"]);
    let status = command.stdout(closed).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(!damon_is_on());

    // What cannot be recorded is told.
    let ran = scene.run(&["monitor", "/nowhere/program"]);
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    assert!(ran.stderr.contains("/nowhere/program"), "{ran:?}");
}

#[test]
fn events_are_printed_and_no_instance_is_left() {
    if !only_once() {
        return;
    }
    let scene = Scene::quiet("events_are_printed");
    let ran = scene.run(&["start", "paddr"]);
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    let trace = ["report", "trace", "--timeout", "1"];
    let ran = scene.run(&[&trace[..], &["--event", "damon:damon_aggregated"]].concat());
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    let events = ran.stdout.matches(": damon_aggregated: target_id=").count();
    assert!(events >= 10, "{events}: {ran:?}");
    assert_eq!(events, ran.stdout.lines().count(), "{ran:?}");
    let ran = scene.run(&[&trace[..], &["--event", "damon_agregated"]].concat());
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    assert!(ran.stderr.contains("but damon_aggregated"), "{ran:?}");
    for tracefs in ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"] {
        let left = fs::read_dir(format!("{tracefs}/instances"));
        let left: Vec<_> = left.into_iter().flatten().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }
    assert_eq!(scene.run(&["stop"]).status.code(), Some(0));
}
