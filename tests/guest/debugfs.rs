//! DAMON's debugfs interface, on a kernel that has it (6.1-debugfs): `--interface
//! debugfs`, and the examples of the kernel's own documents. Other kernels say
//! that they have none.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command};

use serde_json::Value;

use crate::kit::{Read, Scene, signal, until};

const DEBUGFS: &str = "/sys/kernel/debug/damon";

fn here() -> bool {
    Path::new(DEBUGFS).join("monitor_on").exists()
}

fn get(file: &str) -> String {
    // The kernel refuses short reads.
    let path = Path::new(DEBUGFS).join(file);
    let mut all = vec![0; 1 << 16];
    let mut file = fs::File::open(&path).unwrap();
    let read = match std::io::Read::read(&mut file, &mut all) {
        Ok(read) => read,
        // Regions are not told while DAMON is on.
        Err(error) => return error.to_string(),
    };
    String::from_utf8_lossy(&all[..read]).trim().to_owned()
}

fn set(file: &str, value: &str) {
    fs::write(Path::new(DEBUGFS).join(file), value).unwrap();
}

/// Every value that a user can set.
fn values() -> BTreeMap<String, String> {
    let names = ["attrs", "target_ids", "init_regions", "schemes"];
    let mut values: BTreeMap<_, _> = names.iter().map(|n| ((*n).to_owned(), get(n))).collect();
    let entries = fs::read_dir(DEBUGFS).unwrap().map(|e| e.unwrap());
    for folder in entries.filter(|e| e.file_type().unwrap().is_dir()) {
        let folder = folder.file_name().into_string().unwrap();
        values.extend(names.iter().map(|n| {
            let file = format!("{folder}/{n}");
            (file.clone(), get(&file))
        }));
    }
    values
}

fn zigzag() -> Child {
    Command::new("zigzag")
        .args(["--size", "8M", "--period", "500ms", "--duration", "600s"])
        .spawn()
        .unwrap()
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn where_it_is_missing_that_is_said() {
    let scene = Scene::quiet("no_debugfs");
    if here() {
        return;
    }
    for args in [
        &["start", "--interface", "debugfs", "paddr"][..],
        &["record", "--interface", "debugfs", "paddr"],
        &["status", "--interface", "debugfs"],
    ] {
        scene
            .run(args)
            .exits(1)
            .says("no DAMON debugfs interface")
            .says("CONFIG_DAMON_DBGFS");
    }
}

#[test]
fn snapshots_need_more_than_it_has() {
    let scene = Scene::quiet("debugfs_snapshot");
    if !here() {
        return;
    }
    let before = values();
    let args = ["record", "--snapshot", "1", "1", "paddr"];
    scene
        .run(&[&args[..], &["--interface", "debugfs"]].concat())
        .exits(1)
        .says("--snapshot: DAMON's debugfs interface tells no regions");
    if crate::kit::exists("kdamonds/nr_kdamonds") {
        // 6.1 has sysfs, too, and no tried regions in it.
        let parameters = crate::kit::parameters();
        scene.run(&args).exits(1).says("that came with Linux 6.2");
        assert_eq!(crate::kit::parameters(), parameters);
    }
    assert_eq!(values(), before);
    assert!(!scene.path("damon.data").exists());
}

#[test]
fn the_documents_examples_are_what_damo_writes() {
    let scene = Scene::quiet("debugfs_examples");
    if !here() {
        return;
    }
    let before = values();
    let (one, two) = (zigzag(), zigzag());
    let (a, b) = (one.id().to_string(), two.id().to_string());
    // attrs, target_ids, init_regions and schemes, as 002 and 004 have them.
    let scheme = "4K 8K  0 5  10s 20s  pageout  10ms 1G 1s  0 3 7  free_mem_rate 5s 600 500 300";
    fs::write(scene.path("scheme"), scheme).unwrap();
    scene
        .run(&[
            "start",
            "--ops",
            "vaddr",
            "--interface",
            "debugfs",
            "-s",
            "5000",
            "-a",
            "1s",
            "-u",
            "1000000",
            "-n",
            "10",
            "-m",
            "1000",
            "--target_pid",
            &a,
            "--target_pid",
            &b,
            "--regions",
            "20-40 50-100",
            "--regions",
            "20-40 50-100",
            "-c",
            "scheme",
        ])
        .exits(0);
    assert_eq!(get("monitor_on"), "on");
    assert_eq!(get("attrs"), "5000 1000000 1000000 10 1000");
    assert_eq!(get("target_ids"), format!("{a} {b}"));
    let fields: Vec<String> = get("schemes")
        .split(' ')
        .take(18)
        .map(str::to_owned)
        .collect();
    assert_eq!(
        fields.join(" "),
        "4096 8192 0 10 10 20 2 10 1073741824 1000 0 3 7 1 5000000 600 500 300"
    );
    let tid = get("kdamond_pid");
    let comm = fs::read_to_string(format!("/proc/{tid}/comm")).unwrap();
    assert!(comm.starts_with("kdamond."), "{comm}");
    let status = scene
        .run(&[
            "status",
            "--interface",
            "debugfs",
            "--format",
            "json",
            "--raw",
        ])
        .exits(0)
        .stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    let kdamond = &status["kdamonds"][0];
    assert_eq!(kdamond["state"], "on", "{status}");
    assert_eq!(kdamond["contexts"][0]["schemes"][0]["action"], "pageout");
    // Whoever else wants DAMON is told, and changes nothing.
    let running = values();
    scene
        .run(&["start", "paddr"])
        .exits(1)
        .says("damo started kdamond 0 already");
    scene
        .run(&["tune", "--sample", "1ms"])
        .exits(1)
        .says("through debugfs");
    assert_eq!(values(), running);
    scene.run(&["stop"]).exits(0);
    assert_eq!(get("monitor_on"), "off");
    assert_eq!(values(), before);
    end(one);
    end(two);
}

#[test]
fn what_debugfs_cannot_is_refused_before_the_first_write() {
    let scene = Scene::quiet("debugfs_refused");
    if !here() {
        return;
    }
    let before = values();
    let start = |more: &[&str]| {
        scene.run(&[&["start", "--interface", "debugfs"], more, &["paddr"]].concat())
    };
    start(&["--damos_action", "lru_prio"])
        .exits(1)
        .says("lru_prio");
    start(&["--damos_action", "stat", "--damos_filter", "reject", "anon"])
        .exits(1)
        .says("--damos_filter");
    start(&["--damos_action", "stat", "--damos_apply_interval", "1s"])
        .exits(1)
        .says("--damos_apply_interval");
    assert_eq!(values(), before);
    assert_eq!(get("monitor_on"), "off");
}

#[test]
fn a_record_through_debugfs() {
    let scene = Scene::quiet("debugfs_record");
    if !here() {
        return;
    }
    // Somebody's configuration, with a context of its own.
    set("attrs", "7000 70000 700000 20 200");
    set("mk_contexts", "theirs");
    set("theirs/attrs", "6000 60000 600000 30 300");
    let before = values();
    scene
        .run(&[
            "record",
            "--interface",
            "debugfs",
            "zigzag --size 8M --period 500ms --duration 4s",
        ])
        .exits(0);
    assert_eq!(values(), before);
    let read = Read::open(&scene.path("damon.data"));
    assert_eq!(read.meta.targets[0].comm.as_deref(), Some("zigzag"));
    assert!(read.snapshots.len() > 15, "{}", read.snapshots.len());
    assert_eq!(read.lost(), 0);
    // Killed, told, and put back.
    let started = scene.record(&["record", "--interface", "debugfs", "paddr"]);
    signal(started.pid(), "KILL");
    let _ = started.wait();
    assert_eq!(get("monitor_on"), "on");
    scene
        .run(&["record", "paddr"])
        .exits(1)
        .says("damo stop --stale");
    scene.run(&["stop", "--stale"]).exits(0);
    assert_eq!(values(), before);
    set("rm_contexts", "theirs");
    set("attrs", "5000 100000 60000000 10 1000");
}

#[test]
fn several_kdamonds_through_debugfs() {
    let scene = Scene::quiet("debugfs_several");
    if !here() {
        return;
    }
    let before = values();
    let (one, two) = (zigzag(), zigzag());
    let (a, b) = (one.id().to_string(), two.id().to_string());
    scene
        .run(&[
            "start",
            "--interface",
            "debugfs",
            "--kdamond",
            "--damon_ctx",
            "--damon_target",
            "--target_pid",
            &a,
            "--kdamond",
            "--damon_ctx",
            "--damon_target",
            "--target_pid",
            &b,
        ])
        .exits(0);
    assert_eq!(get("target_ids"), a);
    assert_eq!(get("damo.1/target_ids"), b);
    assert_ne!(get("damo.1/kdamond_pid"), "none");
    // Ended by itself: told, and put back.
    end(one);
    end(two);
    until("the end of both", || {
        get("kdamond_pid") == "none" && get("damo.1/kdamond_pid") == "none"
    });
    scene.run(&["stop"]).exits(1).says("ended by itself");
    assert_eq!(values(), before);
}
