//! DAMON_STAT runs by default from 6.17 on and lets nobody else use DAMON.

use crate::kit::{Read, Scene, damon_is_on, kernel, parameters, stat_exists, stat_on, until};

#[test]
fn is_there_where_it_should_be() {
    let _scene = Scene::as_booted("there");
    let expected = kernel() != "6.12";
    assert_eq!(
        (stat_exists(), stat_on()),
        (expected, expected),
        "on {}",
        kernel()
    );
}

#[test]
fn stands_in_the_way_unless_paused() {
    let scene = Scene::as_booted("in_the_way");
    if !stat_exists() {
        return println!("no DAMON_STAT on {}", kernel());
    }
    let before = parameters();
    scene
        .run(&[
            "record",
            "--timeout",
            "1",
            "touch /tmp/scene/in_the_way/ran",
        ])
        .exits(1)
        .says("DAMON_STAT")
        .says("--pause-damon-stat");
    assert!(stat_on());
    assert_eq!(parameters(), before);
    assert!(!scene.path("ran").exists(), "the command ran");
    assert!(!scene.path("damon.data").exists(), "a file was left");
}

#[test]
fn none_of_its_events_are_ours() {
    let scene = Scene::as_booted("not_ours");
    // Physical addresses and target 0, as DAMON_STAT has them itself.
    scene
        .run(&["record", "--pause-damon-stat", "--timeout", "3", "paddr"])
        .exits(0);
    assert_eq!(stat_on(), stat_exists(), "DAMON_STAT is not as it was");
    let read = Read::open(&scene.path("damon.data"));
    assert!(
        read.snapshots.len() > 5,
        "{} snapshots",
        read.snapshots.len()
    );
    let ours = read.kdamond();
    assert!(read.snapshots.iter().all(|s| s.target.kdamond == ours));
}

#[test]
fn comes_back_on_every_way_out() {
    let scene = Scene::as_booted("comes_back");
    if !stat_exists() {
        return println!("no DAMON_STAT on {}", kernel());
    }
    for signal in ["INT", "TERM", "HUP"] {
        let started = scene.start(&["record", "--pause-damon-stat", "paddr"]);
        until("DAMON on", damon_is_on);
        assert!(!stat_on());
        started.signal(signal);
        started.wait().exits(0);
        assert!(stat_on(), "after SIG{signal}");
    }
    // A failure after it was paused: no room for such a ring.
    scene
        .run(&["record", "--pause-damon-stat", "--ring", "1GiB", "paddr"])
        .exits(1);
    assert!(stat_on(), "after an error");
}
