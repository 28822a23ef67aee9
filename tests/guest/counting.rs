//! Every event that our kdamond emitted is in the file, or counted as lost:
//! the kernel's own hist trigger is the judge.

use std::time::Duration;

use damo_tests::counted;
use damo_user::model::Snapshot;

use crate::kit::{Read, Scene};

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
        read.stored(),
        read.lost()
    );
    assert!(emitted > 5_000, "only {emitted} events: nothing is proven");
    assert_eq!((read.stored(), read.lost()), (emitted, 0));
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
    let started = scene.record(&args);
    std::thread::sleep(Duration::from_secs(1));
    started.signal("STOP");
    std::thread::sleep(Duration::from_secs(2));
    started.signal("CONT");
    let ran = started.wait().exits(3);
    let read = Read::open(&scene.path("damon.data"));
    let emitted = counted::by_thread().unwrap()[&read.kdamond()];
    println!(
        "emitted {emitted}, stored {}, lost {}",
        read.stored(),
        read.lost()
    );
    assert!(read.lost() > 1000, "{}", ran.stderr);
    assert_eq!(read.stored() + read.lost(), emitted);
    // And every report says so.
    for report in ["raw", "wss", "heats"] {
        let told = format!("{} region samples are missing", read.lost());
        scene.run(&["report", report]).exits(3).says(&told);
    }
}

#[test]
fn the_first_aggregation_is_recorded() {
    let scene = Scene::quiet("first");
    counted::start().unwrap();
    // Few samples each, so that the guest's late wake-ups add up to little.
    let args = ["record", "-s", "50ms", "-a", "1s", "--timeout", "4"];
    scene.run(&[&args[..], &["paddr"]].concat()).exits(0);
    let read = Read::open(&scene.path("damon.data"));
    let emitted = counted::by_thread().unwrap()[&read.kdamond()];
    assert_eq!((read.stored(), read.lost()), (emitted, 0));

    let [first, second, ..] = &read.snapshots[..] else {
        panic!("{} snapshots", read.snapshots.len());
    };
    let oldest = |s: &Snapshot| s.regions.iter().filter_map(|r| r.age).max().unwrap();
    let ms = [first, second].map(|s| s.duration_ns() / 1_000_000);
    println!(
        "the first aggregations take {} and {} ms, with ages of up to {} and {}",
        ms[0],
        ms[1],
        oldest(first),
        oldest(second)
    );
    // It starts when DAMON was switched on and takes as long as the next one:
    // without the first, the second would seem to take twice the time.
    assert_eq!(first.start_ns, read.meta.mono_ns);
    assert_eq!(second.start_ns, first.end_ns);
    assert!(ms[0] >= 990, "{ms:?}");
    assert!(ms[0].abs_diff(ms[1]) < 400, "{ms:?}");
    // Memory that nobody uses gets one older with each aggregation.
    assert_eq!((oldest(first), oldest(second)), (1, 2));
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
