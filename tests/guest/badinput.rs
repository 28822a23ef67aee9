//! Bad input: one clear line, then what to do; the right exit code; nothing
//! left behind.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::kit::{ADMIN, Scene, parameters};
use crate::process::{Ran, Started};

/// Runs `damo record ARGS`, checks that it leaves nothing, and what it says.
#[track_caller]
fn refused(scene: &Scene, args: &[&str], code: i32, words: &[&str]) {
    let before = parameters();
    let files = names(scene);
    let mut ran = scene.run(&[&["record"], args].concat()).exits(code);
    for word in words {
        ran = ran.says(word);
    }
    one_clear_line(&ran);
    assert_eq!(parameters(), before, "{args:?}");
    assert_eq!(names(scene), files, "{args:?}");
}

#[track_caller]
fn one_clear_line(ran: &Ran) {
    let first = ran.stderr.lines().next().unwrap_or_default();
    assert!(
        first.starts_with("damo: ") || first.starts_with("error: "),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
}

fn names(scene: &Scene) -> Vec<String> {
    let entries = fs::read_dir(&scene.dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_cannot_be_is_refused() {
    let scene = Scene::quiet("refused");
    let ran = format!("busybox touch {}", scene.path("ran").display());
    let ran = ran.as_str();
    refused(&scene, &["999999"], 1, &["999999"]);
    refused(
        &scene,
        &["no-such-command-anywhere 5"],
        1,
        &["no-such-command-anywhere"],
    );
    refused(
        &scene,
        &["--minr", "2", ran],
        2,
        &["--minr 2", "at least 3"],
    );
    refused(
        &scene,
        &["-s", "200ms", ran],
        2,
        &["--sample 200ms", "--aggr 100ms"],
    );
    refused(
        &scene,
        &["-n", "100", "-m", "50", ran],
        2,
        &["--minr", "--maxr"],
    );
    refused(
        &scene,
        &["-o", "no/such/folder/damon.data", ran],
        1,
        &["no/such/folder"],
    );
    refused(&scene, &["-r", "10-5", ran], 2, &["--regions"]);
    refused(&scene, &["--ops", "paddr", ran], 2, &["--ops paddr"]);
    refused(&scene, &["--ops", "fvaddr", ran], 2, &["--regions"]);
    refused(&scene, &["--sample", "5parsecs", ran], 2, &["5parsecs"]);
    refused(&scene, &["--output_permission", "999", ran], 2, &["999"]);
    refused(&scene, &["--kdamonds", "{}", ran], 2, &["--kdamonds"]);
    refused(&scene, &["missing.json"], 2, &["missing.json"]);
    refused(&scene, &["--ring", "1000", ran], 2, &["--ring"]);
}

#[test]
fn who_is_not_root_is_told() {
    let _scene = Scene::quiet("not_root");
    let before = parameters();
    let bad = [
        "record",
        "--timeout",
        "1",
        "-o",
        "/tmp/not-root.data",
        "paddr",
    ];
    let mut command = Command::new("damo");
    command.args(bad).current_dir("/tmp").uid(65534).gid(65534);
    let ran = Started::new(&mut command).wait();
    let ran = ran.exits(1).says("root").says("sudo");
    one_clear_line(&ran);
    assert_eq!(parameters(), before);
    assert!(!fs::exists("/tmp/not-root.data").unwrap());
}

#[test]
fn a_kernel_without_damon_is_told() {
    let scene = Scene::quiet("no_damon");
    // This process only: an empty folder in place of DAMON's.
    let hidden = format!("mount -t tmpfs none {ADMIN} && exec damo record --timeout 1 paddr");
    let mut command = Command::new("unshare");
    command
        .args(["-m", "sh", "-c", &hidden])
        .current_dir(&scene.dir);
    let ran = Started::new(&mut command)
        .wait()
        .exits(1)
        .says("DAMON")
        .says("CONFIG_DAMON_SYSFS");
    one_clear_line(&ran);
    assert_eq!(names(&scene), [""; 0]);
}
