//! Processes that come and go: each is recorded in its time, and in between DAMON
//! is as it was.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use damo_tests::counted;
use damo_user::control::Options;
use damo_user::control::params::Params;
use damo_user::model::{Happening, TargetInfo};
use damo_user::recorder::{self, Ended, Filters, Followed, Ours, Plan, Scope, around};
use damo_user::source;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::kit::{Read, Scene, damon_is_on, get, parameters, until};
use crate::others::sleeper;

const GROUPS: &str = "/sys/fs/cgroup";

fn emitted() -> u64 {
    counted::by_thread().unwrap().values().sum()
}

/// Waits until DAMON has reported some more.
#[track_caller]
fn until_events() {
    let before = emitted();
    until("events", || emitted() > before + 60);
}

#[track_caller]
fn until_targets(number: usize) {
    until("targets", || {
        let path = "kdamonds/0/contexts/0/targets/nr_targets";
        damon_is_on() && get(path) == number.to_string()
    });
}

fn zigzag() -> Child {
    let mut command = Command::new("zigzag");
    command.args(["--size", "20M", "--duration", "1000s"]);
    command.process_group(0).spawn().unwrap()
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

/// The targets with this name, those alone that were seen with accesses.
fn accessed<'a>(read: &'a Read, comm: &str) -> Vec<&'a TargetInfo> {
    let targets = read.meta.targets.iter();
    let named = targets.filter(|it| it.comm.as_deref() == Some(comm));
    let is_used = |info: &&TargetInfo| {
        let of = read.snapshots.iter().filter(|it| it.target == info.key());
        of.flat_map(|it| &it.regions).any(|it| it.nr_accesses > 0)
    };
    named.filter(is_used).collect()
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
    let service = scene.path("a-service");
    let script = "#!/bin/sh\nzigzag --size 20M --duration 1000s & wait\n";
    fs::write(&service, script).unwrap();
    fs::set_permissions(&service, PermissionsExt::from_mode(0o755)).unwrap();
    let start = || Command::new(&service).process_group(0).spawn().unwrap();
    counted::start().unwrap();
    // The first one runs already, and the script's child is one more target.
    let mut running = start();
    let recording = scene.record(&["record", "--follow-command", "a-service"]);
    for round in 0..3 {
        if round > 0 {
            running = start();
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
    for (comm, targets) in [("a-service", 3), ("zigzag", 3)] {
        let of = read.meta.targets.iter();
        let of: Vec<_> = of.filter(|it| it.comm.as_deref() == Some(comm)).collect();
        assert_eq!(of.len(), targets, "{:?}", read.meta.targets);
        for (target, tid) in of.iter().zip(&tids) {
            assert_eq!(target.kdamond, *tid);
        }
    }
    assert_eq!(accessed(&read, "zigzag").len(), 3);
    assert_eq!(read.happened(Happening::TargetGone).len(), 6);
    nothing_is_missing(&read);
}

#[test]
fn a_cgroup_may_come_after_the_recorder() {
    let scene = Scene::quiet("cgroup");
    let before = parameters();
    let group = Path::new(GROUPS).join("damo-follow");
    let recording = scene.record(&["record", "--cgroup", "damo-follow", "--max-cpu", "50%"]);
    counted::start().unwrap();
    let enter = |folder: &Path, child: &Child| {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("cgroup.procs"), child.id().to_string()).unwrap();
    };
    let (mut first, mut second) = (sleeper(), zigzag());
    enter(&group, &first);
    until_targets(1);
    enter(&group.join("below"), &second);
    until_targets(2);
    until_events();
    end_one(&mut first);
    end(&mut second);
    until("an end", || !damon_is_on());
    fs::remove_dir(group.join("below")).unwrap();
    fs::remove_dir(&group).unwrap();
    let mut third = zigzag();
    enter(&group, &third);
    until_targets(1);
    until_events();
    // While DAMON is on.
    recording.signal("TERM");
    recording.wait().exits(0).says("/sys/fs/cgroup/damo-follow");
    assert!(!damon_is_on());
    assert_eq!(parameters(), before);
    end(&mut third);
    fs::remove_dir(&group).unwrap();
    let read = Read::open(&scene.path("damon.data"));
    let tids = parts(&read, 2);
    let targets = read.meta.targets.iter();
    let targets: Vec<_> = targets
        .map(|it| (it.kdamond, it.target_id, it.pid.unwrap()))
        .collect();
    let expected = [
        (tids[0], 0, first.id()),
        (tids[0], 1, second.id()),
        (tids[1], 0, third.id()),
    ];
    assert_eq!(targets, expected);
    assert_eq!(accessed(&read, "zigzag").len(), 2);
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
        follow: Some(Followed::Command("zigzag".to_owned())),
        places: 2,
        options: Options::default(),
    };
    let plan = Plan {
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
    let mut first = zigzag();
    // It gives up privileges, which are a thread's.
    let recorder = std::thread::spawn(|| recorder::record(Scope::Ours(ours), plan));
    until_targets(1);
    let mut second = zigzag();
    until_targets(2);
    until_events();
    let tid = get("kdamonds/0/pid");
    end(&mut first);
    let mut third = zigzag();
    until("another kdamond", || {
        damon_is_on() && get("kdamonds/0/pid") != tid
    });
    until_targets(2);
    until_events();
    kill(Pid::this(), Signal::SIGINT).unwrap();
    let report = recorder.join().unwrap().unwrap();
    assert_eq!(report.ended, Ended::Signal);
    assert_eq!(parameters(), before);
    let read = Read::open(&scene.path("damon.data"));
    let tids = parts(&read, 2);
    let of = |tid| -> Vec<u32> {
        let targets = read.meta.targets.iter().filter(|it| it.kdamond == tid);
        targets.map(|it| it.pid.unwrap()).collect()
    };
    assert_eq!(of(tids[0]), [first.id(), second.id()]);
    assert_eq!(of(tids[1]), [second.id(), third.id()]);
    nothing_is_missing(&read);
    end(&mut second);
    end(&mut third);
}
