//! What the watched processes begin is watched as well.

use damo_tests::counted;
use damo_user::model::Happening;

use crate::kit::{Read, Scene, damon_is_on, until};

/// A shell that begins a workload, and one more when it is told to.
const SCRIPT: &str =
    "zigzag --size 20M --duration 6s & (sleep 1; exec zigzag --size 20M --duration 6s) & wait";

/// Targets by name that were seen with accesses.
fn accessed(read: &Read, comm: &str) -> Vec<u64> {
    let targets = read.meta.targets.iter();
    let named = targets.filter(|it| it.comm.as_deref() == Some(comm));
    let is_used = |target_id: &u64| {
        let of = read
            .snapshots
            .iter()
            .filter(|it| it.target.target_id == *target_id);
        of.flat_map(|it| &it.regions)
            .any(|region| region.nr_accesses > 0)
    };
    named.map(|it| it.target_id).filter(is_used).collect()
}

#[test]
fn a_shells_children_are_targets_each_once() {
    let scene = Scene::quiet("children");
    counted::start().unwrap();
    scene.run(&["record", SCRIPT]).exits(0);
    let by_thread = counted::by_thread().unwrap();
    let emitted: u64 = by_thread.values().sum();
    let read = Read::open(&scene.path("damon.data"));
    println!("{by_thread:?} {:#?}", read.meta.targets);
    assert_eq!(accessed(&read, "zigzag").len(), 2);
    let mut pids: Vec<_> = read.meta.targets.iter().map(|it| it.pid).collect();
    let all = pids.len();
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), all, "a process is there twice");
    let left_out = read.happened(Happening::DeadOut);
    let left_out: u64 = left_out.iter().map(|(_, it)| it.value).sum();
    assert_eq!(read.stored() + read.lost() + left_out, emitted);
    assert!(!damon_is_on());
}

#[test]
fn children_are_left_out_if_that_is_wanted() {
    let scene = Scene::quiet("no_children");
    let args = ["record", "--exclude_child_tasks", SCRIPT];
    scene.run(&args).exits(0);
    let read = Read::open(&scene.path("damon.data"));
    assert_eq!(read.meta.targets.len(), 1);
}

#[test]
fn those_that_run_already_are_found() {
    let scene = Scene::quiet("running_children");
    let mut shell = std::process::Command::new("busybox");
    shell.args(["sh", "-c", "zigzag --size 20M --duration 8s; true"]);
    let mut shell = shell.spawn().unwrap();
    let children = format!("/proc/{0}/task/{0}/children", shell.id());
    until("a child", || {
        std::fs::read_to_string(&children).is_ok_and(|it| !it.is_empty())
    });
    let pid = shell.id().to_string();
    scene.run(&["record", &pid, "--timeout", "4"]).exits(0);
    let read = Read::open(&scene.path("damon.data"));
    assert_eq!(accessed(&read, "zigzag").len(), 1);
    shell.wait().unwrap();
}
