//! The peer itself (damo 3.4.3) reads what we write, and prints for it what it
//! prints for the original.
//!
//! It is fetched by pip into a folder of its own, from wherever pip is told to
//! fetch. It looks into DAMON's folders even to print a record, so it only runs
//! where they are hidden, as in `cargo xtask test`. It knows formats by what
//! `file -b` says, which is not what it expects of plain json: it gets
//! compressed json and text.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use crate::{json_common, peer_common};

use std::path::Path;
use std::process::Command;

use damo_user::export::{Filter, JsonForm, write_json_compressed, write_perf_script};
use json_common::*;
use peer_common::peer;

/// Runs the peer in `folder`: exit code and what it printed.
fn run(peer: &Path, folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(peer.join("bin/python"))
        .arg(peer.join("bin/damo"))
        .args(args)
        .current_dir(folder)
        .env("HOME", folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// Records that the peer can read.
fn originals() -> Vec<(&'static str, Vec<u8>)> {
    let mut records = vec![("two kdamonds", zlib(two_kdamonds().as_bytes()))];
    let Some(fixtures) = fixtures() else {
        return records;
    };
    let read = |name| std::fs::read(fixtures.join("v3").join(name)).unwrap();
    records.push(("zigzag", read("zigzag.json_compressed")));
    records.push(("nofilter", read("snapshot.nofilter")));
    records.push(("anon", read("snapshot.anon")));
    records
}

/// With intervals and ages, so that every report has something to print.
fn two_kdamonds() -> String {
    let regions = |seed: u64| -> Vec<String> {
        let region = |i: u64| {
            let (start, end) = (i * 0x10000, (i * 0x10000) + 0x1000 * (1 + (i + seed) % 16));
            let (samples, age) = ((i * 7 + seed) % 21, (i * seed) % 50);
            format!(
                r#"{{"start": "{start}", "end": "{end}", "nr_accesses": {{"samples": {samples}, "percent": null}}, "age": {{"usec": null, "aggr_intervals": "{age}"}}}}"#
            )
        };
        (1..20).map(region).collect()
    };
    let record_of = |kdamond: u64, target: u64| {
        let times = (0..40u64).map(|i| (1_000_000_000 + i * 100_000_000 + kdamond * 7, i));
        let all: Vec<String> = times
            .map(|(at, i)| snapshot(at, at + 100_000_000, &regions(i + target)))
            .collect();
        let head = format!(
            r#""kdamond_idx": {kdamond}, "context_idx": 0, "scheme_idx": null, "target_id": {target}, "intervals": {{"sample_us": "5 ms", "aggr_us": "100 ms", "ops_update_us": "1 s"}}"#
        );
        record(&head, &all)
    };
    format!(
        "[{}, {}, {}]",
        record_of(0, 0),
        record_of(0, 1),
        record_of(1, 0)
    )
}

#[test]
fn the_peer_prints_the_same_for_what_we_write() {
    let Some(peer) = peer() else { return };
    for (name, original) in originals() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("original"), &original).unwrap();
        let mut imported = damo_user::import::open(&at("original")).unwrap();
        let mut ours = stored(&mut *imported);
        let all = Filter::default();
        let mut bytes = Vec::new();
        write_json_compressed(&mut ours, &all, JsonForm::File, &mut bytes).unwrap();
        std::fs::write(at("ours"), &bytes).unwrap();

        // Its own text of the original is ours.
        let convert = |from: &str, format: &str, to: &str| {
            let args = [
                "convert_record_format",
                "--record_file",
                from,
                "--format",
                format,
                "--output_file",
                to,
            ];
            let (code, said) = run(&peer, folder.path(), &args);
            assert_eq!(code, Some(0), "{name}: {said}");
            std::fs::read_to_string(at(to)).unwrap()
        };
        let theirs = convert("original", "json", "theirs.json");
        let text = String::from_utf8(unzlib(&bytes)).unwrap();
        assert_same(name, &text, &theirs);
        assert_same(name, &convert("ours", "json", "again.json"), &theirs);

        let reports: [&[&str]; 4] = [
            &["report", "access", "--raw_form", "--input"],
            &["report", "access", "--input"],
            &["report", "heatmap", "--guide", "--input"],
            &["report", "wss", "--exclude_samples", "0", "--input"],
        ];
        for report in reports {
            let print = |file| run(&peer, folder.path(), &[report, &[file]].concat());
            let (theirs, ours) = (print("original"), print("ours"));
            let what = format!("{name}: {report:?}");
            assert!(
                theirs.1.lines().count() > 1 || name != "two kdamonds",
                "{what}: {theirs:?}"
            );
            assert_eq!(ours.0, theirs.0, "{what}");
            assert_same(&what, &ours.1, &theirs.1);
        }
    }
}

#[test]
fn the_peers_text_of_perf_script_is_ours() {
    let Some(peer) = peer() else { return };
    for (name, original) in originals() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("original"), &original).unwrap();
        let mut ours = Vec::new();
        let mut record = damo_user::import::open(&at("original")).unwrap();
        write_perf_script(&mut *record, &Filter::default(), &mut ours).unwrap();
        std::fs::write(at("ours"), &ours).unwrap();
        let args = [
            "convert_record_format",
            "--record_file",
            "original",
            "--format",
            "perf_script",
            "--output_file",
            "theirs",
        ];
        let (code, said) = run(&peer, folder.path(), &args);
        assert_eq!(code, Some(0), "{name}: {said}");
        // But for what makes its own reader fail.
        let theirs = std::fs::read_to_string(at("theirs")).unwrap();
        let theirs = theirs
            .replace(" None\n", "\n")
            .replace("target_id=None ", "target_id=0 ");
        assert_same(name, &String::from_utf8(ours).unwrap(), &theirs);
        if name == "two kdamonds" {
            // Two targets of equal ids are one in this form, which its reader refuses.
            continue;
        }
        let (code, said) = run(
            &peer,
            folder.path(),
            &["report", "access", "--raw_form", "--input", "ours"],
        );
        assert_eq!(code, Some(0), "{name}: {said}");
        assert!(said.contains("nr_regions: "), "{name}: {said}");
    }
}
