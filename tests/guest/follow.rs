//! Processes that come and go: each is recorded in its time, and in between DAMON
//! is as it was.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use damo_tests::counted;
use damo_user::control::Options;
use damo_user::control::params::Params;
use damo_user::model::Happening;
use damo_user::recorder::{self, Ended, Filters, Followed, Ours, Plan, Scope, around};
use damo_user::source;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::kit::{ADMIN, Read, Scene, damon_is_on, parameters};
use crate::others::sleeper;

const GROUPS: &str = "/sys/fs/cgroup";

fn emitted() -> u64 {
    counted::by_thread().unwrap().values().sum()
}

/// Waits for something, also where other guests leave this one little time.
#[track_caller]
fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed().as_secs() < 120, "{what} does not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until DAMON has reported some more.
#[track_caller]
fn until_events() {
    let before = emitted();
    until("events", || emitted() > before + 150);
}

#[track_caller]
fn until_targets(number: usize) {
    until("targets", || {
        let path = format!("{ADMIN}/kdamonds/0/contexts/0/targets/nr_targets");
        let targets = fs::read_to_string(path).unwrap_or_default();
        damon_is_on() && targets.trim() == number.to_string()
    });
}

/// The thread of the kdamond, if it is to be had just now.
fn kdamond() -> Option<u32> {
    let text = fs::read_to_string(format!("{ADMIN}/kdamonds/0/pid")).ok()?;
    text.trim().parse().ok()
}

/// A script, and a function that starts it, with a child that sleeps.
fn service(scene: &Scene, name: &str) -> impl Fn() -> Child {
    let path = scene.path(name);
    fs::write(&path, "#!/bin/sh\nbusybox sleep 1000 & wait\n").unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    move || Command::new(&path).process_group(0).spawn().unwrap()
}

/// Ends a process, and its group.
fn end(child: &mut Child) {
    killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
}

fn end_one(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The processes of a kdamond's targets by their names; each is in a snapshot.
#[track_caller]
fn recorded(read: &Read, kdamond: u32) -> Vec<(String, u32)> {
    let targets = read.meta.targets.iter().filter(|it| it.kdamond == kdamond);
    let names = targets.map(|it| {
        let mut snapshots = read.snapshots.iter();
        assert!(
            snapshots.any(|one| one.target == it.key()),
            "nothing of {it:?}"
        );
        (it.comm.clone().unwrap(), it.pid.unwrap())
    });
    names.collect()
}

/// Sees that whatever was reported is in the record, or told to be left out.
#[track_caller]
fn nothing_is_missing(read: &Read) {
    let left_out = read.happened(Happening::DeadOut);
    let left_out: u64 = left_out.iter().map(|(_, it)| it.value).sum();
    println!(
        "emitted {}: stored {}, lost {}, left out {left_out}",
        emitted(),
        read.stored(),
        read.lost()
    );
    assert_eq!(read.stored() + read.lost() + left_out, emitted());
}

/// Sees that the kdamonds of the record began and ended one after the other.
#[track_caller]
fn parts(read: &Read, number: usize) -> Vec<u32> {
    let of = |what| -> Vec<(u64, u32)> {
        let happened = read.happened(what).into_iter();
        happened.map(|(at, it)| (at, it.kdamond)).collect()
    };
    let (began, ended) = (of(Happening::Began), of(Happening::Ended));
    println!("began {began:?}, ended {ended:?}");
    let tids: Vec<u32> = began.iter().map(|(_, tid)| *tid).collect();
    assert_eq!(tids.len(), number);
    for (at, tid) in &ended {
        let place = tids.iter().position(|it| it == tid).unwrap();
        assert!(began[place].0 < *at);
        assert!(began.get(place + 1).is_none_or(|next| next.0 >= *at));
    }
    let known: Vec<u32> = read.meta.kdamonds.iter().map(|it| it.tid).collect();
    assert_eq!(known, tids);
    tids
}

#[test]
fn a_command_that_restarts_is_recorded_each_time() {
    let scene = Scene::quiet("restarts");
    let before = parameters();
    let start = service(&scene, "a-service");
    counted::start().unwrap();
    // The first one runs already, and the script's child is one more target.
    let mut running = start();
    let mut started = vec![running.id()];
    let args = ["record", "--follow-command", "a-service"];
    let recording = scene.start(&[&args[..], &["--do_record", "access"]].concat());
    for round in 0..3 {
        if round > 0 {
            running = start();
            started.push(running.id());
        }
        until_targets(2);
        until_events();
        end(&mut running);
        until("an end", || !damon_is_on());
        until("parameters as before", || parameters() == before);
    }
    // While it waits.
    recording.signal("INT");
    recording.wait().exits(0).says("named \"a-service\"");
    assert_eq!(parameters(), before);
    let read = Read::open(&scene.path("damon.data"));
    let tids = parts(&read, 3);
    for (tid, pid) in tids.into_iter().zip(started) {
        let targets = recorded(&read, tid);
        println!("{targets:?}");
        assert_eq!(targets.len(), 2);
        assert_eq!(targets[0], ("a-service".to_owned(), pid));
        assert_eq!(targets[1].0, "busybox");
    }
    assert_eq!(read.happened(Happening::TargetGone).len(), 6);
    nothing_is_missing(&read);
}

#[test]
fn a_cgroup_may_come_after_the_recorder() {
    let scene = Scene::quiet("cgroup");
    let before = parameters();
    let group = Path::new(GROUPS).join("damo-follow");
    let recording = scene.start(&["record", "--cgroup", "damo-follow", "--service"]);
    counted::start().unwrap();
    let enter = |folder: &Path, child: &Child| {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("cgroup.procs"), child.id().to_string()).unwrap();
    };
    let (mut first, mut second) = (sleeper(), sleeper());
    enter(&group, &first);
    until_targets(1);
    enter(&group.join("below"), &second);
    until_targets(2);
    until_events();
    end_one(&mut first);
    end_one(&mut second);
    until("an end", || !damon_is_on());
    fs::remove_dir(group.join("below")).unwrap();
    fs::remove_dir(&group).unwrap();
    let mut third = sleeper();
    enter(&group, &third);
    until_targets(1);
    until_events();
    // While DAMON is on.
    recording.signal("TERM");
    recording.wait().exits(0).says("/sys/fs/cgroup/damo-follow");
    assert!(!damon_is_on());
    assert_eq!(parameters(), before);
    end_one(&mut third);
    fs::remove_dir(&group).unwrap();
    let read = Read::open(&scene.path("damon.data"));
    let tids = parts(&read, 2);
    let pids = |tid| -> Vec<u32> { recorded(&read, tid).iter().map(|it| it.1).collect() };
    assert_eq!(pids(tids[0]), [first.id(), second.id()]);
    assert_eq!(pids(tids[1]), [third.id()]);
    nothing_is_missing(&read);
}

#[test]
fn used_up_places_make_damon_begin_anew() {
    let scene = Scene::quiet("places");
    let before = parameters();
    let params = Params::from_json(
        r#"{"kdamonds":[{"contexts":[{"ops":"vaddr","targets":[{"pid":2}],
        "intervals":{"sample_us":"5 ms","aggr_us":"100 ms","ops_update_us":"1 s"},
        "nr_regions":{"min":"10","max":"100"}}]}]}"#,
    )
    .unwrap();
    let ours = Ours {
        params,
        command: None,
        as_root: true,
        children: false,
        follow: Some(Followed::Command("a-worker".to_owned())),
        places: 2,
        options: Options::default(),
    };
    let plan = Plan {
        summary: None,
        out: scene.path("damon.data"),
        mode: 0o600,
        rotation: None,
        filters: Filters::default(),
        access: true,
        around: around::Choice::default(),
        cpu_profile: false,
        max_cpu: None,
        service: false,
        timeout: Some(Duration::from_secs(1000)),
        tap: source::Options::default(),
        command_line: Vec::new(),
    };
    counted::start().unwrap();
    let start = service(&scene, "a-worker");
    let mut first = start();
    // It gives up privileges, which are a thread's.
    let recorder = std::thread::spawn(|| recorder::record(Scope::Ours(ours), plan));
    until_targets(1);
    let mut second = start();
    until_targets(2);
    until_events();
    let tid = kdamond();
    end(&mut first);
    let mut third = start();
    until("another kdamond", || {
        damon_is_on() && kdamond().is_some_and(|now| Some(now) != tid)
    });
    until_targets(2);
    until_events();
    kill(Pid::this(), Signal::SIGINT).unwrap();
    let report = recorder.join().unwrap().unwrap();
    assert_eq!(report.ended, Ended::Signal);
    assert_eq!(parameters(), before);
    let read = Read::open(&scene.path("damon.data"));
    let tids = parts(&read, 2);
    let pids = |tid| -> Vec<u32> { recorded(&read, tid).iter().map(|it| it.1).collect() };
    assert_eq!(pids(tids[0]), [first.id(), second.id()]);
    assert_eq!(pids(tids[1]), [second.id(), third.id()]);
    nothing_is_missing(&read);
    end(&mut second);
    end(&mut third);
}
