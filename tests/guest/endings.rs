//! Ends that go wrong, or come from outside.

use std::fs;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::{Read, Scene, damon_is_on, until};

#[test]
fn a_terminals_ctrl_c_ends_the_record_well() {
    let scene = Scene::quiet("ctrl_c");
    for round in 0..5 {
        let started = scene.record(&["record", "busybox sleep 1000"]);
        std::thread::sleep(Duration::from_millis(300));
        // To the command, too, as a terminal does it.
        let group = Pid::from_raw(-started.pid().cast_signed());
        kill(group, Signal::SIGINT).unwrap();
        let ran = started.wait();
        assert_eq!(ran.status.code(), Some(0), "round {round}: {}", ran.stderr);
        assert!(!damon_is_on());
    }
}

#[test]
fn what_is_ignored_stays_ignored() {
    let scene = Scene::quiet("nohup");
    let script = "trap '' HUP; exec damo record --timeout 3 paddr";
    let mut child = Command::new("sh")
        .args(["-c", script])
        .current_dir(&scene.dir)
        .spawn()
        .unwrap();
    until("recording", || scene.path("damon.data").exists());
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGHUP).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none(), "SIGHUP ended it");
    assert!(child.wait().unwrap().success());
    assert!(Read::open(&scene.path("damon.data")).snapshots.len() > 10);
}

#[test]
fn sigquit_puts_everything_back() {
    let scene = Scene::quiet("quit");
    let started = scene.record(&["record", "paddr"]);
    started.signal("QUIT");
    started.wait().exits(0);
    assert!(!damon_is_on());
}

#[test]
fn a_full_disk_is_told_and_the_file_stays_readable() {
    let scene = Scene::quiet("full");
    let disk = scene.path("disk");
    fs::create_dir(&disk).unwrap();
    let mount = |args: &[&str]| {
        Command::new("mount")
            .args(args)
            .arg(&disk)
            .status()
            .unwrap()
    };
    assert!(mount(&["-t", "tmpfs", "-o", "size=32k", "full"]).success());
    let ran = scene.run(&[
        "record",
        "-o",
        "disk/damon.data",
        "-n",
        "400",
        "-a",
        "20ms",
        "-s",
        "5ms",
        "--timeout",
        "30",
        "paddr",
    ]);
    let read = Read::open(&disk.join("damon.data"));
    assert!(
        Command::new("umount")
            .arg(&disk)
            .status()
            .unwrap()
            .success()
    );
    let ran = ran.exits(1).says("disk/damon.data").says("No space left");
    println!("{}", ran.stderr.trim());
    assert!(read.stored() > 1000, "{}", read.stored());
    assert!(
        ran.stderr
            .contains(&format!("{} region samples are kept", read.stored()))
    );
    assert!(!damon_is_on());
}
