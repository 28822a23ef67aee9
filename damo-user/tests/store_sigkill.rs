//! A recorder that is killed, at any moment; and one that may write no more.
//! These tests start themselves again, as the recorder.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is wrong"
)]

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use damo_user::model::{Gap, Intervals, Item, Known, LossCause, Meta, Note, Record, Tuned};
use damo_user::store::{Reader, Writer};

mod store_sample;
use store_sample::snapshot;

const FILE: &str = "DAMO_TEST_RECORD";
const SECOND: u64 = 1_000_000_000;
/// The recorder's clock is so much faster than ours.
const FASTER: u64 = 20;
/// Time between two items.
const EACH: u64 = 5_000_000;

/// The source: samples, losses and notes, one each 5 ms.
fn item(i: u64) -> Item {
    let (start_ns, end_ns) = (i * EACH, (i + 1) * EACH);
    match i % 16 {
        7 => Item::Gap(Gap {
            target: None,
            start_ns,
            end_ns,
            events: Some(i),
            cause: LossCause::RingFull,
        }),
        _ => {
            let mut snapshot = snapshot(i);
            snapshot.missing = (i % 5) as u32;
            (snapshot.start_ns, snapshot.end_ns) = (start_ns, end_ns);
            Item::Snapshot(snapshot)
        }
    }
}

fn tuned(i: u64) -> Item {
    let intervals = Intervals {
        sample_us: i,
        aggr_us: 2,
        update_us: 3,
    };
    let what = Known::Tuned(Tuned {
        kdamond: 7,
        intervals,
    });
    Item::Note(Note {
        time_ns: i * EACH,
        what,
    })
}

/// Samples and lost samples of an item.
fn counts(item: &Item) -> (u64, u64) {
    match item {
        Item::Snapshot(it) => (it.regions.len() as u64, it.missing.into()),
        Item::Gap(gap) => (0, gap.events.unwrap_or(0)),
        Item::Note(_) => (0, 0),
    }
}

fn again(test: &str, file: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env(FILE, file).stdin(Stdio::null());
    command
}

/// What a test does that was started again.
#[test]
fn records_until_it_is_killed() {
    let Some(path) = std::env::var_os(FILE) else {
        return;
    };
    let mut writer = Writer::new(File::create_new(path).unwrap(), &Meta::default()).unwrap();
    let (start, mut given) = (Instant::now(), 0u64);
    loop {
        let now_ns = start.elapsed().as_nanos() as u64 * FASTER;
        while given < now_ns / EACH {
            writer.item(&item(given)).unwrap();
            if given % 50 == 0 {
                writer.item(&tuned(given)).unwrap();
            }
            given += 1;
        }
        writer.tick(now_ns).unwrap();
        // One write, so that half a line says nothing.
        let line = format!("\ntold {given} {now_ns} .\n");
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn killed_at_any_moment() {
    if std::env::var_os(FILE).is_some() {
        return;
    }
    let rounds = std::env::var("DAMO_ROUNDS").ok();
    let rounds: u64 = rounds.and_then(|it| it.parse().ok()).unwrap_or(50);
    let (mut frames, mut gone) = (0, 0u64);
    for round in 0..rounds {
        let random = RandomState::new().hash_one(round);
        let moment = Duration::from_micros(20_000 + random % 230_000);
        let (read, lost) = round_of(moment);
        frames += read;
        gone = gone.max(lost);
    }
    println!("{rounds} rounds: {frames} frames, at most {gone} of {EACH} ns gone");
    assert!(frames > 2 * rounds, "{frames} frames in {rounds} rounds");
}

/// Kills a recorder after `moment`; gives how many frames are there, and how
/// many items are gone.
fn round_of(moment: Duration) -> (u64, u64) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record");
    let mut child = again("records_until_it_is_killed", &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    });
    sleep(moment);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(9)
    );
    let text = reader.join().unwrap();
    let told: Vec<(u64, u64)> = text.lines().filter_map(told).collect();
    let Some(&(given, now_ns)) = told.last() else {
        // It was not even begun: there is nothing to lose.
        return (0, 0);
    };
    // What was given a second before must be there.
    let old = told.iter().rfind(|it| it.1 + SECOND <= now_ns);
    let must = old.map_or(0, |it| it.0);

    let mut record = Reader::open(&path).unwrap_or_else(|error| panic!("{moment:?}: {error}"));
    let (totals, items): (_, Vec<Item>) = (
        record.totals(),
        record.items().unwrap().map(Result::unwrap).collect(),
    );
    let all: Vec<&Item> = items
        .iter()
        .filter(|it| !matches!(it, Item::Note(_)))
        .collect();
    let stored = all.len() as u64;
    assert!(
        stored >= must,
        "{moment:?}: {stored} of {given} are there, {must} must be"
    );
    for (i, it) in (0..).zip(&all) {
        assert!(**it == item(i), "{moment:?}: another item {i}");
    }
    let notes = items.iter().filter(|it| matches!(it, Item::Note(_)));
    assert!(notes.clone().zip(0..).all(|(it, i)| *it == tuned(i * 50)));
    assert!(notes.count() as u64 >= stored.div_ceil(50));
    // Seen (by what is there) = stored + lost.
    let seen = (0..stored).map(item).map(|it| counts(&it));
    let sum = |it: &mut dyn Iterator<Item = (u64, u64)>| {
        it.fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1))
    };
    assert_eq!((totals.samples, totals.lost), sum(&mut seen.into_iter()));
    (totals.frames, given.saturating_sub(stored))
}

/// How many items were given, and when.
fn told(line: &str) -> Option<(u64, u64)> {
    let (given, now_ns) = line
        .strip_prefix("told ")?
        .strip_suffix(" .")?
        .split_once(' ')?;
    Some((given.parse().ok()?, now_ns.parse().ok()?))
}

/// What a test does that was started again, and may write 32 KiB.
#[test]
fn records_more_than_it_may() {
    let Some(path) = std::env::var_os(FILE) else {
        return;
    };
    let mut writer = Writer::new(File::create_new(path).unwrap(), &Meta::default()).unwrap();
    let mut errors = Vec::new();
    for i in 0..2000 {
        errors.extend(writer.item(&item(i)).err());
        if i % 10 == 9 {
            errors.extend(writer.flush().err());
        }
    }
    errors.extend(writer.finish().err());
    let stats = writer.stats();
    println!("\ntold {} {} .", stats.samples, stats.lost);
    assert!(
        errors
            .iter()
            .any(|it| it.to_string().contains("(os error 27)")),
        "{errors:?}"
    );
}

#[test]
fn a_file_that_may_not_grow() {
    if std::env::var_os(FILE).is_some() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record");
    let recorder = again("records_more_than_it_may", &path);
    // In blocks of 512 bytes; the error comes instead of the signal.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"]);
    command
        .arg(recorder.get_program())
        .args(recorder.get_args());
    let output = command.env(FILE, &path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let (samples, lost) = text.lines().find_map(told).unwrap();
    let all = (0..2000).map(item).map(|it| counts(&it));
    let (given, missing) = all.fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    assert_eq!(samples + lost, given + missing);
    assert!(std::fs::metadata(&path).unwrap().len() <= 32 << 10);
    let mut record = Reader::open(&path).unwrap();
    let items = record.items().unwrap().map(Result::unwrap);
    let found: u64 = items.map(|it| counts(&it).0).sum();
    assert!(found == samples && found > 1000, "{found} of {samples}");
}
