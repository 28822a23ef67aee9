//! `damo monitor`: views of one recording while it goes on.

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
        let args = ["monitor", "paddr", "--delay", "1", "--count", "2"];
        let ran = scene.run(&[&args[..], &["--report_type", report_type]].concat());
        assert_eq!(ran.status.code(), Some(0), "{ran:?}");
        for view in ["# paddr, view 1 of 1 s", "# paddr, view 2 of 1 s"] {
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

    // What cannot be recorded is told.
    let ran = scene.run(&["monitor", "/nowhere/program"]);
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    assert!(ran.stderr.contains("/nowhere/program"), "{ran:?}");
}
