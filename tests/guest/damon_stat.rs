//! DAMON_STAT runs by default from 6.17 on and lets nobody else use DAMON.

use damo_tests::counted;
use damo_user::control::{System, others};
use damo_user::model::Snapshot;
use damo_user::source::{Arrival, Event, Options, Tap};

use crate::kit::{Read, Scene, kernel, parameters, stat_exists, stat_on, stat_set, until};

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

/// Counts events from now on, and waits for DAMON_STAT's first ones. Started
/// anew, since it tunes its intervals: they may be minutes by now.
fn count_its_events() {
    stat_set(false);
    stat_set(true);
    counted::start().unwrap();
    until("an event of DAMON_STAT", || its_events() > 0);
}

/// All that were counted, as long as nothing else runs.
fn its_events() -> u64 {
    counted::by_thread().unwrap().values().sum()
}

#[test]
fn none_of_its_events_are_in_the_record() {
    let scene = Scene::as_booted("not_ours");
    match stat_exists() {
        true => count_its_events(),
        false => counted::start().unwrap(),
    }
    // Physical addresses and target 0, as DAMON_STAT has them itself.
    scene
        .run(&["record", "--pause-damon-stat", "--timeout", "3", "paddr"])
        .exits(0);
    assert_eq!(stat_on(), stat_exists(), "DAMON_STAT is not as it was");
    let read = Read::open(&scene.path("damon.data"));
    let emitted = counted::by_thread().unwrap();
    println!("emitted by thread {emitted:?}, stored {}", read.stored());
    assert!(read.snapshots.len() > 5);
    // Its own were counted before the pause and are in none of our numbers.
    assert_eq!(emitted.len() > 1, stat_exists(), "{emitted:?}");
    assert_eq!((read.stored(), read.lost()), (emitted[&read.kdamond()], 0));
    let ours = |s: &Snapshot| s.target.kdamond == read.kdamond();
    assert!(read.snapshots.iter().all(ours));
}

/// `record` taps only while it is paused, so here is the tap by itself.
#[test]
fn the_tap_lets_none_of_its_events_through() {
    let _scene = Scene::as_booted("tap");
    if !stat_exists() {
        return println!("no DAMON_STAT on {}", kernel());
    }
    count_its_events();
    let running = others::kdamond_threads(&System::live()).unwrap();
    let [stat] = running[..] else {
        panic!("not DAMON_STAT alone: {running:?}");
    };
    let drained = |tap: &mut Tap| {
        let mut events = 0;
        tap.drain(|arrival| {
            let is_its = |event: &Event| event.kdamond == stat;
            events += u64::from(matches!(arrival, Arrival::Event(event) if is_its(event)));
        });
        events
    };
    let more = |what: &str| {
        let before = its_events();
        until(what, || its_events() >= before + 20);
    };

    // It ran before: not one.
    let mut tap = Tap::attach(&running, &Options::default()).unwrap();
    more("events while it is known");
    assert_eq!(drained(&mut tap), 0);
    assert_eq!(tap.counters(stat).unwrap().seen, 0);
    drop(tap);

    // It might be ours: all, until ours is known to be another.
    let mut tap = Tap::attach(&[], &Options::default()).unwrap();
    more("events while it is not known");
    let seen = drained(&mut tap);
    assert!(seen >= 20, "{seen}");
    tap.only(&[1]).unwrap();
    // One may have been on its way.
    more("events when ours is known");
    drained(&mut tap);
    let counted = tap.counters(stat).unwrap().seen;
    more("events after that");
    assert_eq!(drained(&mut tap), 0);
    assert_eq!(tap.counters(stat).unwrap().seen, counted);
    println!(
        "{} events of DAMON_STAT, {seen} let through while unknown",
        its_events()
    );
}

#[test]
fn comes_back_on_every_way_out() {
    let scene = Scene::as_booted("comes_back");
    if !stat_exists() {
        return println!("no DAMON_STAT on {}", kernel());
    }
    for signal in ["INT", "TERM", "HUP"] {
        let started = scene.record(&["record", "--pause-damon-stat", "paddr"]);
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
