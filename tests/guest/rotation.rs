//! Killed, or out of room, exactly where one segment ends and the next begins:
//! the folder is one record, and what it lacks is told.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use damo_tests::counted;
use damo_user::import;
use damo_user::model::{Item, LossCause};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::{Read, Scene, damon_is_on, until};

/// Some pages of a file in each second.
const MANY: [&str; 8] = ["-n", "400", "-m", "1000", "-s", "5ms", "-a", "20ms"];

const FIRST: &str = "segment-00000000.damo";
const SECOND: &str = "segment-00000001.damo";

/// Every aggregation begins where its target's last one ended, unless a gap
/// between them says otherwise. Gives the end of the last one.
#[track_caller]
fn without_holes(folder: &Path) -> Duration {
    let mut record = import::open(folder).unwrap();
    let mut ends = BTreeMap::new();
    let mut last = 0;
    for item in record.items().unwrap() {
        match item.unwrap() {
            Item::Snapshot(it) => {
                last = last.max(it.end_ns);
                if let Some(end_ns) = ends.insert(it.target, it.end_ns) {
                    assert_eq!(end_ns, it.start_ns, "a hole that nobody told");
                }
            }
            Item::Gap(gap) => {
                println!("{gap:?}");
                ends.clear();
            }
            Item::Note(_) => {}
        }
    }
    Duration::from_nanos(last)
}

#[test]
fn killed_at_a_rotation() {
    for delay in [0, 1, 5, 25].map(Duration::from_millis) {
        let scene = Scene::quiet("killed_at_a_rotation");
        let args = ["record", "--rotate", "1s", "--out", "segments"];
        let started = scene.start(&[&args[..], &MANY, &["paddr"]].concat());
        let folder = scene.path("segments");
        let begun = Instant::now();
        while !folder.join(SECOND).exists() {
            assert!(begun.elapsed() < Duration::from_secs(200), "no rotation");
            std::thread::yield_now();
        }
        std::thread::sleep(delay);
        // Not by a program, which would take its time to start.
        kill(Pid::from_raw(started.pid().cast_signed()), Signal::SIGKILL).unwrap();
        let end = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let end = Duration::new(end.tv_sec as u64, end.tv_nsec as u32);
        let _ = started.wait();
        let gone = end.saturating_sub(without_holes(&folder));
        let read = Read::open(&folder);
        println!(
            "{delay:?} after the next segment: {} samples, {} lost, the last {gone:?} before the kill",
            read.stored(),
            read.lost()
        );
        assert!(read.stored() > 100, "{}", read.stored());
        // How much is gone is a second at most, as store_sigkill proves; here a
        // busy machine's clock would be no test.
        let report = scene.run(&["report", "wss", "-i", "segments"]);
        // A frame that was cut off is told.
        assert!(
            matches!(report.status.code(), Some(0 | 3)),
            "{}",
            report.stderr
        );
    }
}

/// A file system of so many KiB; unmounted when dropped.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn mount(at: &'a Path, kib: u32) -> Small<'a> {
        fs::create_dir_all(at).unwrap();
        let options = format!("size={kib}k");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "small"]).arg(at);
        assert!(mount.status().unwrap().success());
        Small(at)
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

/// From a moment on, not one page is left: what is written fits into the page
/// that a segment has, but the next one has none.
#[test]
fn no_room_at_a_rotation() {
    for from in [FIRST, SECOND] {
        let scene = Scene::quiet("no_room_at_a_rotation");
        let disk = scene.path("disk");
        let _small = Small::mount(&disk, 1024);
        counted::start().unwrap();
        let args = ["record", "--rotate", "2s", "--timeout", "30", "--out"];
        let started = scene.start(&[&args[..], &["disk/segments", "paddr"]].concat());
        let folder = disk.join("segments");
        until("recording", || folder.join(from).exists());
        let mut ballast = fs::File::create(disk.join("ballast")).unwrap();
        while ballast.write_all(&[1; 4096]).is_ok() {}
        let ran = started.wait();
        without_holes(&folder);
        let read = Read::open(&folder);
        let emitted = counted::by_thread().unwrap()[&read.kdamond()];
        let names: Vec<_> = fs::read_dir(&folder).unwrap().collect();
        println!(
            "full from {from} on, {} segments: {}",
            names.len(),
            ran.stderr.trim()
        );
        let ran = ran.exits(1).says("No space left");
        let kept = number_before(&ran.stderr, " region samples are kept");
        let lost = number_before(&ran.stderr, " are lost");
        assert_eq!(kept, read.stored());
        assert_eq!(kept + lost, emitted, "something is lost silently");
        assert!(kept > 0);
        assert!(!damon_is_on());
    }
}

/// Old segments make room for new ones, also where these begin.
#[test]
fn old_segments_make_room_for_new_ones() {
    let scene = Scene::quiet("room_by_retention");
    let disk = scene.path("disk");
    let _small = Small::mount(&disk, 48);
    let args = [
        "record",
        "--rotate",
        "1s",
        "--keep-total",
        "1MiB",
        "--timeout",
        "20",
        "--out",
    ];
    let ran = scene.run(&[&args[..], &["disk/segments"], &MANY, &["paddr"]].concat());
    let folder = disk.join("segments");
    without_holes(&folder);
    let read = Read::open(&folder);
    println!(
        "{} samples, {} lost: {}",
        read.stored(),
        read.lost(),
        ran.stderr.trim()
    );
    assert!(!folder.join(FIRST).exists(), "nothing had to be removed");
    assert!(read.stored() > 1000);
    let mut record = import::open(&folder).unwrap();
    let damaged = record
        .items()
        .unwrap()
        .filter(|item| matches!(item, Ok(Item::Gap(gap)) if gap.cause == LossCause::Damaged));
    assert_eq!(damaged.count(), 0);
    ran.exits(0);
}

#[track_caller]
fn number_before(text: &str, words: &str) -> u64 {
    let before = text.split(words).next().unwrap();
    let number = before.rsplit(' ').next().unwrap();
    let number = number.replace(',', "").parse();
    number.unwrap_or_else(|_| panic!("no number before {words:?} in {text}"))
}
