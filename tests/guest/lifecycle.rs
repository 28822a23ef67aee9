//! From start to end: who runs, as whom, when it ends, what is in the file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use crate::kit::{Read, Scene, damon_is_on, get, signal};
use crate::process::Started;

#[test]
fn a_command_is_watched_by_its_own_pid_and_ends_the_record() {
    let scene = Scene::quiet("command");
    // Through sh, because of the `>`; the pid must still be the program's.
    let ran = scene.run(&[
        "record",
        "zigzag --size 8M --period 500ms --duration 3s --log log > out",
    ]);
    ran.exits(0);
    let read = Read::open(&scene.path("damon.data"));
    let target = &read.meta.targets[0];
    assert_eq!(target.comm.as_deref(), Some("zigzag"));
    assert!(read.snapshots.len() > 10, "{}", read.snapshots.len());
    assert!(scene.path("log").exists());
    assert!(!damon_is_on());
    let mode = fs::metadata(scene.path("damon.data"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_commands_exit_code_is_passed_on() {
    let scene = Scene::quiet("code");
    scene.run(&["record", "sh -c 'sleep 1; exit 7'"]).exits(7);
    scene
        .run(&["record", "sh -c 'sleep 1; kill -9 $$'"])
        .exits(128 + 9);
    assert!(
        scene.path("damon.data.old").exists(),
        "the older record is kept"
    );
}

#[test]
fn a_pid_is_watched_until_it_ends() {
    let scene = Scene::quiet("pid");
    let mut target = Command::new("zigzag")
        .args(["--size", "8M", "--period", "500ms", "--duration", "60s"])
        .spawn()
        .unwrap();
    let started = scene.record(&["record", &target.id().to_string()]);
    assert_eq!(
        get("kdamonds/0/contexts/0/targets/0/pid_target"),
        target.id().to_string()
    );
    std::thread::sleep(Duration::from_secs(2));
    target.kill().unwrap();
    target.wait().unwrap();
    started.wait().exits(0);
    let read = Read::open(&scene.path("damon.data"));
    assert!(read.snapshots.len() > 5);
    assert_eq!(read.lost(), 0);
}

#[test]
fn a_command_runs_as_who_called_sudo() {
    let scene = Scene::quiet("sudo");
    fs::set_permissions(&scene.dir, fs::Permissions::from_mode(0o777)).unwrap();
    let sudo = |args: &[&str]| {
        let mut command = scene.damo(args);
        command.env("SUDO_UID", "65534").env("SUDO_GID", "65534");
        Started::new(&mut command).wait().status
    };
    assert!(sudo(&["record", "sh -c 'id -u > uid; id -g > gid; sleep 1'"]).success());
    assert_eq!(
        fs::read_to_string(scene.path("uid")).unwrap().trim(),
        "65534"
    );
    assert_eq!(
        fs::read_to_string(scene.path("gid")).unwrap().trim(),
        "65534"
    );
    let owner =
        std::os::unix::fs::MetadataExt::uid(&fs::metadata(scene.path("damon.data")).unwrap());
    assert_eq!(owner, 65534, "the record is the caller's to read");
    assert!(sudo(&["record", "--as-root", "sh -c 'id -u > root; sleep 1'"]).success());
    assert_eq!(fs::read_to_string(scene.path("root")).unwrap().trim(), "0");
}

#[test]
fn a_killed_recorder_leaves_a_readable_file() {
    let scene = Scene::quiet("killed");
    let started = scene.record(&["record", "paddr"]);
    std::thread::sleep(Duration::from_secs(6));
    signal(started.pid(), "KILL");
    let end = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let _ = started.wait();
    let read = Read::open(&scene.path("damon.data"));
    let last = Duration::from_nanos(read.snapshots.last().unwrap().end_ns);
    let now = Duration::new(end.tv_sec as u64, end.tv_nsec as u32);
    println!(
        "{} snapshots, the last {:?} before the kill",
        read.snapshots.len(),
        now - last
    );
    // A frame holds a second; another half for emulation's sake.
    assert!(
        now - last < Duration::from_millis(2500),
        "{:?} are gone",
        now - last
    );
    assert!(read.snapshots.len() > 10);
    scene.run(&["report", "raw", "-i", "damon.data"]).exits(0);
}

#[test]
fn paddr_watches_every_block_of_system_ram() {
    let scene = Scene::quiet("paddr");
    scene.run(&["record", "--timeout", "2", "paddr"]).exits(0);
    let read = Read::open(&scene.path("damon.data"));
    let regions = &read.snapshots[0].regions;
    let iomem = fs::read_to_string("/proc/iomem").unwrap();
    let mut blocks = 0;
    for line in iomem.lines().filter(|line| line.ends_with(" : System RAM")) {
        let (range, _) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let start = u64::from_str_radix(start, 16)
            .unwrap()
            .next_multiple_of(4096);
        let end = (u64::from_str_radix(end, 16).unwrap() + 1) & !4095;
        let covered: u64 = regions
            .iter()
            .map(|r| r.end.min(end).saturating_sub(r.start.max(start)))
            .sum();
        assert_eq!(covered, end - start, "{line}");
        blocks += 1;
    }
    assert!(blocks >= 2, "one block proves nothing");
}

#[test]
fn switched_off_by_somebody_else_ends_the_record() {
    let scene = Scene::quiet("switched_off");
    let started = scene.record(&["record", "paddr"]);
    std::thread::sleep(Duration::from_secs(2));
    crate::kit::set("kdamonds/0/state", "off");
    started.wait().exits(1).says("switched DAMON off");
    assert!(Read::open(&scene.path("damon.data")).snapshots.len() > 5);
}

#[test]
fn a_rotated_record_loses_nothing_between_its_segments() {
    let scene = Scene::quiet("rotated");
    let folder = scene.path("segments");
    let out = folder.to_str().unwrap();
    scene
        .run(&[
            "record",
            "--rotate",
            "1s",
            "--timeout",
            "6s",
            "--out",
            out,
            "paddr",
        ])
        .exits(0);
    let read = Read::open(&folder);
    let segments = fs::read_dir(&folder).unwrap().count();
    assert!(segments >= 4, "{segments} segments");
    assert!(
        read.snapshots.len() > 30,
        "{} snapshots",
        read.snapshots.len()
    );
    // One aggregation begins where the last one ended, over all segments.
    let mut ends = std::collections::BTreeMap::new();
    for snapshot in &read.snapshots {
        if let Some(end_ns) = ends.insert(snapshot.target, snapshot.end_ns) {
            assert_eq!(end_ns, snapshot.start_ns);
        }
    }
    for entry in fs::read_dir(&folder).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let mode = fs::metadata(&folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(!damon_is_on());
}
