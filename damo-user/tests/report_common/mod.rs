//! What the report tests share: records made by hand, and the command itself.

#![allow(dead_code, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Start, end and nr_accesses of a region.
pub type Region = (u64, u64, u32);

/// One block of a binary record: end time in ns, and targets with regions.
pub type Block = (u64, Vec<(u64, Vec<Region>)>);

/// A binary record as v1.7.3 writes it.
pub fn legacy(version: i32, blocks: &[Block]) -> Vec<u8> {
    let mut bytes = Vec::new();
    if version > 0 {
        bytes.extend(b"damon_recfmt_ver");
        bytes.extend(version.to_le_bytes());
    }
    for (end_ns, targets) in blocks {
        bytes.extend((end_ns / 1_000_000_000).to_le_bytes());
        bytes.extend((end_ns % 1_000_000_000).to_le_bytes());
        bytes.extend((targets.len() as u32).to_le_bytes());
        for (id, regions) in targets {
            match version {
                1 => bytes.extend((*id as u32).to_le_bytes()),
                _ => bytes.extend(id.to_le_bytes()),
            }
            bytes.extend((regions.len() as u32).to_le_bytes());
            for (start, end, nr_accesses) in regions {
                bytes.extend(start.to_le_bytes());
                bytes.extend(end.to_le_bytes());
                bytes.extend(nr_accesses.to_le_bytes());
            }
        }
    }
    bytes
}

/// Lines as `perf script` prints them.
pub fn script(blocks: &[Block]) -> String {
    let mut text = String::new();
    for (end_ns, targets) in blocks {
        let (seconds, micros) = (end_ns / 1_000_000_000, end_ns / 1_000 % 1_000_000);
        for (id, regions) in targets {
            for (start, end, nr_accesses) in regions {
                text += &format!(
                    "  kdamond.0  4452 [000] {seconds}.{micros:06}: damon:damon_aggregated: \
                     target_id={id} nr_regions={} {start}-{end}: {nr_accesses}\n",
                    regions.len()
                );
            }
        }
    }
    text
}

/// Two targets, 100 ms apart: one of two mappings, one of a single large one.
pub fn two_targets(snapshots: u64) -> Vec<Block> {
    let page = |n: u64| n * 4096;
    (0..snapshots)
        .map(|i| {
            let n = i as u32;
            let small = vec![
                (page(10), page(20 + i % 3), n % 5),
                (page(30), page(40), n * 3 % 7),
                (page(41), page(42), 1),
            ];
            let large = vec![
                (page(100), page(150 - i), n % 3),
                (page(150 - i), page(160), n % 4),
            ];
            (
                5_000_000_000 + i * 100_000_000,
                vec![(7, small), (9, large)],
            )
        })
        .collect()
}

/// A folder that lives as long as the value.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Writes a file into a folder.
pub fn file(folder: &tempfile::TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("a writable temporary folder");
    path
}

/// The command, without what the environment says about colours.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_damo"));
    command.env_remove("NO_COLOR").args(args);
    command
}

/// Runs `damo report ARGS --input INPUT`.
pub fn report(args: &[&str], input: &Path) -> Output {
    let mut command = command(&["report"]);
    command.args(args).arg("--input").arg(input);
    command.output().expect("the damo binary")
}

/// Standard output of a run that must end with exit code 0 and say nothing else.
pub fn stdout(args: &[&str], input: &Path) -> String {
    let output = report(args, input);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
    assert!(output.stderr.is_empty(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// Exit code and standard error of a run.
pub fn failure(args: &[&str], input: &Path) -> (Option<i32>, String) {
    let output = report(args, input);
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// The shared folder with the peer's records, or a word that it is not here.
pub fn fixtures() -> Option<PathBuf> {
    let shared = match std::env::var_os("DAMO_SHARED") {
        Some(shared) => PathBuf::from(shared),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    };
    let folder = shared.join("fixtures/v1");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: ../shared/fixtures is not here");
    None
}

/// What a gzip file holds.
pub fn gunzip(path: &Path) -> Vec<u8> {
    let output = Command::new("gzip")
        .arg("-dc")
        .arg(path)
        .output()
        .expect("gzip");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// The id that git gives a text.
pub fn blob_id(text: &str) -> String {
    let mut git = Command::new("git")
        .args(["hash-object", "--stdin"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("git");
    let mut stdin = git.stdin.take().expect("piped");
    std::io::Write::write_all(&mut stdin, text.as_bytes()).expect("git reads");
    drop(stdin);
    let output = git.wait_with_output().expect("git");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
