//! Every event that our kdamond emitted is in the file, or counted as lost:
//! the kernel's own hist trigger is the judge.

use std::time::Duration;

use damo_tests::counted;

use crate::kit::{Read, Scene, damon_is_on, until};

const MANY: [&str; 6] = ["-n", "400", "-m", "1000", "-a", "50ms"];

#[test]
fn every_event_is_in_the_file() {
    let scene = Scene::quiet("every_event");
    counted::start().unwrap();
    let ran = scene
        .run(
            &[
                &["record", "--debug-bpf", "--timeout", "5"],
                &MANY[..],
                &["paddr"],
            ]
            .concat(),
        )
        .exits(0);
    let read = Read::open(&scene.path("damon.data"));
    let emitted = counted::by_thread().unwrap()[&read.kdamond()];
    println!(
        "emitted {emitted}, stored {}, lost {}",
        read.samples(),
        read.lost
    );
    assert!(emitted > 5_000, "only {emitted} events: nothing is proven");
    assert_eq!((read.samples(), read.lost), (emitted, 0));
    // Woken once per snapshot at most, and for the first and last included.
    let notified = number_after(&ran.stderr, "notified ");
    println!(
        "{} snapshots, notified {notified} times",
        read.snapshots.len()
    );
    assert!(notified <= read.snapshots.len() as u64 && notified > 0);
    assert!(ran.stderr.contains("bpf: kdamond"), "{}", ran.stderr);
}

#[test]
fn what_is_lost_is_counted() {
    let scene = Scene::quiet("lost");
    counted::start().unwrap();
    let args = [
        &["record", "--ring", "4KiB", "--timeout", "6"],
        &MANY[..],
        &["paddr"],
    ]
    .concat();
    let started = scene.start(&args);
    until("DAMON on", damon_is_on);
    std::thread::sleep(Duration::from_secs(1));
    started.signal("STOP");
    std::thread::sleep(Duration::from_secs(2));
    started.signal("CONT");
    let ran = started.wait().exits(3);
    let read = Read::open(&scene.path("damon.data"));
    let emitted = counted::by_thread().unwrap()[&read.kdamond()];
    println!(
        "emitted {emitted}, stored {}, lost {}",
        read.samples(),
        read.lost
    );
    assert!(read.lost > 1000, "{}", ran.stderr);
    assert_eq!(read.samples() + read.lost, emitted);
    // And every report says so.
    for report in ["raw", "wss", "heats"] {
        let told = format!("{} region samples are missing", read.lost);
        scene.run(&["report", report]).exits(3).says(&told);
    }
}

#[test]
fn the_first_aggregation_is_recorded() {
    let scene = Scene::quiet("first");
    scene
        .run(&[
            "record",
            "-a",
            "500ms",
            "-s",
            "5ms",
            "--timeout",
            "3",
            "paddr",
        ])
        .exits(0);
    let read = Read::open(&scene.path("damon.data"));
    let first = &read.snapshots[0];
    // Its regions start as they were set up: never merged, aged or split before.
    let age = first.regions.iter().filter_map(|r| r.age).max().unwrap();
    assert!(age <= 1, "the first snapshot's ages go up to {age}");
    assert!(
        (400_000_000..2_000_000_000).contains(&first.duration_ns()),
        "{first:?}"
    );
}

#[track_caller]
fn number_after(text: &str, word: &str) -> u64 {
    let rest = text
        .split(word)
        .nth(1)
        .unwrap_or_else(|| panic!("no {word} in {text}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}
