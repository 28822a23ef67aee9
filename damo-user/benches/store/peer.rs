//! The peer's own format, read and written by us and by the peer (damo 3.4.3).

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

#[path = "../../tests/peer_common/mod.rs"]
mod peer_common;

use peer_common::peer;

use damo_user::export::{Filter, JsonForm, write_json_compressed};

use crate::simulate::{S1, Simulation};
use crate::work;

/// Region samples of the record.
const SAMPLES: usize = 1_000_000;

/// What the peer needs, measured once on another machine.
const READ_S: f64 = 21.1;
const WRITE_S: f64 = 40.8;

pub fn run(quick: bool) {
    let samples = if quick { SAMPLES / 100 } else { SAMPLES };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    let mut written = 0;
    let mut enough = |count: usize| {
        written += count;
        written <= samples
    };
    let simulation = Simulation::new(S1, 1);
    let snapshots: Vec<_> = simulation
        .take_while(|snapshot| enough(snapshot.regions.len()))
        .collect();
    let mut file = Vec::new();
    work::write(&mut file, &snapshots, usize::MAX);
    drop(snapshots);
    let mut json = Vec::new();
    write_json_compressed(
        &mut work::reader(&file),
        &Filter::default(),
        JsonForm::File,
        &mut json,
    )
    .expect("memory takes it");
    fs::write(at("theirs"), &json).expect("it is written");
    fs::write(at("ours"), &file).expect("it is written");
    drop((json, file));

    let damo = Path::new(env!("CARGO_BIN_EXE_damo"));
    let ours = |args: &[&str]| seconds(Command::new(damo).args(args), folder.path());
    let print = ours(&["report", "raw", "--input", "theirs"]);
    let import = ours(&["convert", "theirs", "imported", "--format", "damo"]);
    let export = ours(&["convert", "ours", "exported", "--format", "json_compressed"]);
    let both = ours(&["convert", "theirs", "again", "--format", "json_compressed"]);
    println!("the peer's json_compressed, {samples} samples of S1: CPU seconds");
    println!("  ours to our file {import:.2}, from our file {export:.2}");
    if quick {
        return;
    }
    let row = |what: &str, ours: f64, theirs: f64| {
        println!(
            "  {what:<24} ours {ours:6.2}   the peer's {theirs:6.1}   {:5.0} times",
            theirs / ours
        );
    };
    let Some(peer) = peer() else {
        println!("  the peer itself is not here: its times are of 1 M samples, elsewhere");
        row("read", import, READ_S);
        row("write", export, WRITE_S);
        return;
    };
    let theirs = |args: &[&str]| {
        let mut command = Command::new(peer.join("bin/python"));
        command.arg(peer.join("bin/damo")).args(args);
        seconds(&mut command, folder.path())
    };
    let their_print = theirs(&["report", "access", "--raw_form", "--input", "theirs"]);
    let their_both = theirs(&[
        "convert_record_format",
        "--record_file",
        "theirs",
        "--format",
        "json_compressed",
        "--output_file",
        "back",
    ]);
    row("read, print as text", print, their_print);
    row("read, write again", both, their_both);
}

/// CPU time of a command, which must succeed.
fn seconds(command: &mut Command, folder: &Path) -> f64 {
    let mut status = None;
    let used = work::cpu_of_children(|| {
        let run = command
            .current_dir(folder)
            .env("HOME", folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status = Some(run.expect("it starts"));
    });
    let status = status.expect("it ran");
    assert!(status.success(), "{command:?}: {status}");
    used.as_secs_f64()
}
