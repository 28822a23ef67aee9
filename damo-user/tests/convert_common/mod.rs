//! What the tests of `damo convert` share.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use tempfile::TempDir;

use crate::report_common::{command, file, legacy, two_targets};

/// Forty snapshots of targets 7 and 9, 100 ms apart from 5 s on, of which the
/// first starts at 4.9 s.
pub fn record(folder: &TempDir) -> PathBuf {
    file(folder, "in.data", legacy(2, &two_targets(40)))
}

pub fn convert(args: &[&str], folder: &TempDir) -> Output {
    let mut command = command(&["convert"]);
    command
        .current_dir(folder)
        .args(args)
        .env_remove("SUDO_UID");
    command.output().expect("the damo binary")
}

/// What a run says that must end with `code`.
pub fn ends(code: i32, args: &[&str], folder: &TempDir) -> String {
    let output = convert(args, folder);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {message}");
    message
}

pub fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
