//! What goes wrong around a recorder: every fault ends with a readable record, a message of
//! one line, and DAMON as it was.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use damo_tests::counted;
use damo_user::model::Happening;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::kit::{Read, Scene, damon_is_on, parameters, set, until};
use crate::ongoing::{physical, tid};
use crate::others::{configuration, sleeper, somebody_elses};
use crate::process::Ran;

/// A service that records this, with a segment each second.
const fn service(target: &str) -> [&str; 7] {
    [
        "record",
        "--service",
        "--rotate",
        "1s",
        "-o",
        "record",
        target,
    ]
}

/// Hundreds of regions in each snapshot, every 20 ms.
const MANY: [&str; 8] = ["-n", "400", "-m", "1000", "-s", "5ms", "-a", "20ms"];

pub fn workload() -> Child {
    let args = ["--size", "64M", "--period", "500ms", "--duration", "60s"];
    Command::new("zigzag").args(args).spawn().unwrap()
}

pub fn emitted() -> u64 {
    counted::by_thread().unwrap().values().sum()
}

/// What was left out, since its process was gone.
fn left_out(read: &Read) -> u64 {
    let notes = read.happened(Happening::DeadOut);
    notes.iter().map(|(_, it)| it.value).sum()
}

/// A message, and the one line of what there is, at most.
#[track_caller]
fn in_a_line(ran: &Ran) {
    let lines = ran.stderr.lines().filter(|line| !line.is_empty());
    assert_eq!(lines.count(), 1, "{}", ran.stderr);
}

#[test]
fn a_target_that_is_killed_in_a_burst_costs_no_region() {
    let scene = Scene::quiet("target_killed");
    let mut other = sleeper();
    configuration(&other);
    let before = parameters();
    for delay in [0, 7, 13] {
        let mut target = workload();
        counted::start().unwrap();
        let pid = target.id().to_string();
        let started = scene.record(&[&["record"], &MANY[..], &[&pid]].concat());
        until("bursts", || emitted() > 3000);
        std::thread::sleep(Duration::from_millis(delay));
        target.kill().unwrap();
        target.wait().unwrap();
        started.wait().exits(0);
        let read = Read::open(&scene.path("damon.data"));
        let (stored, lost, out) = (read.stored(), read.lost(), left_out(&read));
        println!(
            "{}: stored {stored}, lost {lost}, left out {out}",
            emitted()
        );
        assert_eq!(stored + lost + out, emitted());
        assert_eq!(parameters(), before);
        counted::stop();
    }
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn others_kdamond_whose_target_is_killed_in_a_burst_is_recorded_to_its_end() {
    let scene = Scene::quiet("others_target_killed");
    for delay in [0, 7, 13] {
        let mut target = workload();
        somebody_elses(&target);
        let attributes = "kdamonds/0/contexts/0/monitoring_attrs";
        set(&format!("{attributes}/nr_regions/max"), "1000");
        set(&format!("{attributes}/nr_regions/min"), "400");
        set(&format!("{attributes}/intervals/sample_us"), "5000");
        set(&format!("{attributes}/intervals/aggr_us"), "20000");
        counted::start().unwrap();
        let files = parameters();
        set("kdamonds/0/state", "on");
        let kdamond = tid(0);
        let started = scene.record(&["record", "ongoing"]);
        let then = emitted();
        until("bursts", || emitted() > then + 3000);
        std::thread::sleep(Duration::from_millis(delay));
        target.kill().unwrap();
        target.wait().unwrap();
        let ran = started.wait();
        let read = Read::open(&scene.path("damon.data"));
        // It may have begun within a snapshot, of which it lacks the head.
        let head = u64::from(read.snapshots[0].missing);
        let code = if head > 0 { 3 } else { 0 };
        assert_eq!(ran.status.code(), Some(code), "{}", ran.stderr);
        let all = counted::by_thread().unwrap()[&kdamond];
        let known = read.stored() + read.lost() + left_out(&read);
        println!("{all} emitted, {known} of them since the recording began");
        // Those before it was there are the only ones that it does not know.
        assert!(known > 3000 && known <= all);
        assert_eq!(read.lost(), head);
        let is_whole = |it: &damo_user::model::Snapshot| it.missing == 0;
        assert!(read.snapshots.iter().skip(1).all(is_whole));
        assert_eq!(read.happened(Happening::Ended).len(), 1);
        assert_eq!(parameters(), files);
        counted::stop();
    }
}

/// For half a minute in release-check.
#[test]
fn a_stopped_service_counts_what_it_missed() {
    let seconds = std::env::var("DAMO_STOPPED_SECONDS").map(|it| it.parse().unwrap());
    let scene = Scene::quiet("stopped_service");
    let before = parameters();
    counted::start().unwrap();
    let service = ["record", "--service", "--rotate", "1s", "--ring", "128KiB"];
    let args = [&service[..], &["-o", "record"], &MANY, &["paddr"]].concat();
    let started = scene.start(&args);
    until("recording", || scene.path("record").exists());
    until("events", || emitted() > 1000);
    started.signal("STOP");
    std::thread::sleep(Duration::from_secs(seconds.unwrap_or(2)));
    let then = emitted();
    started.signal("CONT");
    until("more events", || emitted() > then + 1000);
    started.signal("TERM");
    started.wait().exits(3).says("lost");
    let read = Read::open(&scene.path("record"));
    let (stored, lost) = (read.stored(), read.lost());
    println!("emitted {}, stored {stored}, lost {lost}", emitted());
    assert!(lost > 1000 && stored > 500);
    assert_eq!(stored + lost, emitted());
    assert_eq!(parameters(), before);
}

#[test]
fn a_record_that_is_removed_ends_the_recording() {
    let scene = Scene::quiet("removed");
    let before = parameters();
    let started = scene.record(&["record", "paddr"]);
    fs::remove_file(scene.path("damon.data")).unwrap();
    let ran = started.wait().exits(1).says("somebody has removed it");
    in_a_line(&ran);
    assert!(!damon_is_on());
    assert_eq!(parameters(), before);

    let folder = scene.path("record");
    let started = scene.start(&service("paddr"));
    until("a second segment", || {
        folder.join("segment-00000001.damo").exists()
    });
    fs::remove_dir_all(&folder).unwrap();
    let ran = started.wait().exits(1).says("somebody has removed it");
    in_a_line(&ran);
    assert_eq!(parameters(), before);
    // As systemd would start it again.
    let again = scene.start(&service("paddr"));
    until("a new folder", || folder.exists());
    again.signal("TERM");
    again.wait().exits(0);
    Read::open(&folder);
}

#[test]
fn a_service_goes_on_in_its_folder_also_after_a_kill() {
    let scene = Scene::quiet("goes_on");
    set("kdamonds/nr_kdamonds", "1");
    physical(0, 5000);
    set("kdamonds/0/state", "on");
    let folder = scene.path("record");
    let args = service("ongoing");
    let segments = || fs::read_dir(&folder).map_or(0, Iterator::count);
    let mut expected = 0;
    for end in ["TERM", "KILL", "TERM"] {
        let started = scene.start(&args);
        until("two more segments", || segments() >= expected + 2);
        if end == "KILL" {
            // Into one that is new: two damos in it would be none.
            let ran = scene.run(&args).exits(1);
            in_a_line(&ran.says("another damo records into it"));
        }
        started.signal(end);
        let ended = started.wait();
        assert_eq!(ended.status.success(), end == "TERM", "{}", ended.stderr);
        expected = segments();
    }
    assert!(!scene.path("record.old").exists());
    let read = Read::open(&folder);
    println!("{expected} segments, {} samples", read.stored());
    assert!(read.stored() > 100);
    assert_eq!(read.happened(Happening::Began).len(), 3);
    // The kill is a gap, the other end is none.
    let told = scene.run(&["report", "wss", "-i", "record"]).exits(3);
    told.says("missing");
    let verified = scene.run(&["record_info", "record"]);
    println!("{}{}", verified.stdout, verified.stderr);
}

#[test]
fn a_killed_service_is_no_obstacle_to_the_same_one() {
    let scene = Scene::quiet("own_goes_on");
    let before = parameters();
    let folder = scene.path("record");
    let segments = || fs::read_dir(&folder).map_or(0, Iterator::count);
    let killed = scene.start(&service("paddr"));
    // With the first one closed, its beginning is on the disk.
    until("a second segment", || segments() > 1);
    killed.signal("KILL");
    killed.wait();
    assert!(damon_is_on());
    // Only the one with the same command line takes that away.
    let other = scene.run(&["record", "--service", "-o", "other", "paddr"]);
    in_a_line(&other.exits(1).says("damo stop --stale"));
    let expected = segments();
    let again = scene.start(&service("paddr"));
    until("two more segments", || segments() >= expected + 2);
    again.signal("TERM");
    again.wait().exits(0).says("put back, and is begun anew");
    assert!(!damon_is_on());
    assert_eq!(parameters(), before);
    let read = Read::open(&folder);
    assert!(read.happened(Happening::Began).len() == 2 && read.stored() > 0);
}

#[test]
fn two_recorders_of_one_kdamond_have_the_same() {
    let scene = Scene::quiet("two_recorders");
    set("kdamonds/nr_kdamonds", "1");
    physical(0, 5000);
    set("kdamonds/0/state", "on");
    let first = scene.record(&["record", "ongoing"]);
    // Into the same place: the first one's goes on under another name.
    let second = scene.start(&["record", "ongoing"]);
    until("a second record", || scene.path("damon.data.old").exists());
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        std::thread::sleep(Duration::from_millis(100));
    }
    set("kdamonds/0/state", "off");
    first.wait().exits(0);
    second.wait().exits(0);
    let read = |name: &str| {
        let read = Read::open(&scene.path(name));
        assert_eq!(read.lost(), 0);
        let all = read.snapshots.into_iter().map(|it| it.regions);
        all.collect::<Vec<_>>()
    };
    let (first, second) = (read("damon.data.old"), read("damon.data"));
    assert!(second.len() > 10 && first.len() >= second.len());
    // The first one may have begun within a snapshot.
    let common = second.len() - 1;
    assert!(first[first.len() - common..] == second[1..]);
}

#[test]
fn what_is_at_the_output_path_is_not_written_through() {
    let scene = Scene::quiet("at_the_path");
    let before = parameters();
    let out = scene.path("damon.data");
    let theirs = scene.path("theirs");
    let refused = |out: &Path, says: &str| {
        let args = [
            "record",
            "--timeout",
            "1",
            "-o",
            out.to_str().unwrap(),
            "paddr",
        ];
        let ran = scene.run(&args).exits(1).says(says);
        in_a_line(&ran);
        assert_eq!(parameters(), before);
    };
    fs::write(&theirs, "theirs").unwrap();
    symlink(&theirs, &out).unwrap();
    refused(&out, "symbolic link");
    fs::remove_file(&out).unwrap();
    mkfifo(&out, Mode::S_IRWXU).unwrap();
    refused(&out, "named pipe");
    fs::remove_file(&out).unwrap();
    let public = scene.path("public");
    fs::create_dir(&public).unwrap();
    fs::set_permissions(&public, fs::Permissions::from_mode(0o1777)).unwrap();
    let strangers = public.join("damon.data");
    fs::write(&strangers, "theirs").unwrap();
    chown(&strangers, Some(65534), Some(65534)).unwrap();
    refused(&strangers, "belongs to user 65534");
    assert_eq!(fs::read_to_string(&strangers).unwrap(), "theirs");
    // Another name of a file is not another file: that one goes aside.
    fs::hard_link(&theirs, &out).unwrap();
    scene.run(&["record", "--timeout", "1", "paddr"]).exits(0);
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
    let old = fs::read_to_string(scene.path("damon.data.old"));
    assert_eq!(old.unwrap(), "theirs");
    assert!(Read::open(&out).stored() > 0);
    assert_eq!(parameters(), before);
}
