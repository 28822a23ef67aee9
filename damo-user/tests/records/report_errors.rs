//! Loss, bad arguments, bad files: each is told in a line and by the exit code.

use crate::report_common;

use std::io::Read;
use std::process::Stdio;

use damo_user::model::{Item, LossCause};
use proptest::prelude::*;
use report_common::*;

/// Ten snapshots of two targets, without the lines that `drop` picks.
fn script_without(drop: impl Fn(usize) -> bool) -> String {
    let text = script(&two_targets(10));
    let kept = text
        .lines()
        .enumerate()
        .filter(|(number, _)| !drop(*number));
    kept.map(|(_, line)| format!("{line}\n")).collect()
}

#[test]
fn a_lost_line_is_missing_and_shifts_nothing() {
    let folder = folder();
    let whole = stdout(&["raw"], &file(&folder, "whole", script_without(|_| false)));
    // Each snapshot has three lines of target 7 and two of target 9.
    for lost in 0..50 {
        let record = file(&folder, "lossy", script_without(|number| number == lost));
        let output = report(&["raw"], &record);
        assert_eq!(output.status.code(), Some(3));
        let message = String::from_utf8(output.stderr).unwrap();
        let expected =
            "damo: 1 region samples are missing from this record (incomplete snapshots: 1)\n";
        assert_eq!(message, expected, "line {lost}");
        let text = String::from_utf8(output.stdout).unwrap();
        let regions = if lost % 5 < 3 { 3 } else { 2 };
        let mark = format!(
            "nr_regions: {}\n# lost: 1 of {regions} regions\n",
            regions - 1
        );
        assert!(text.contains(&mark), "line {lost}: {text}");
        assert_eq!(text.lines().count(), whole.lines().count());
        let changed = text.lines().filter(|line| !whole.contains(line)).count();
        assert_eq!(changed, if regions == 3 { 1 } else { 2 }, "line {lost}");
    }
}

#[test]
fn a_lost_stretch_that_fits_together_again_is_not_one_snapshot() {
    let folder = folder();
    // From within one snapshot to the same place of the next.
    let record = file(
        &folder,
        "lossy",
        script_without(|number| (21..26).contains(&number)),
    );
    let (code, message) = failure(&["wss"], &record);
    assert_eq!(code, Some(3));
    assert!(message.contains("incomplete snapshots: 3"), "{message}");
}

#[test]
fn every_report_tells_loss() {
    let folder = folder();
    let record = file(&folder, "lossy", script_without(|number| number == 11));
    for args in [
        &["raw"][..],
        &["heats", "--resol", "3", "3"],
        &["heats", "--guide"],
        &["wss"],
    ] {
        let (code, message) = failure(args, &record);
        assert_eq!(code, Some(3), "{args:?}");
        // wss tells first how few snapshots it left out.
        let line = usize::from(args == ["wss"]);
        let line = message.lines().nth(line).unwrap_or_default();
        assert!(
            line.starts_with("damo: 1 region samples are missing"),
            "{message}"
        );
    }
}

#[test]
fn a_damaged_line_is_told_once() {
    let folder = folder();
    let text = script(&two_targets(10));
    let lines: Vec<&str> = text.lines().collect();
    // In place of a region, its snapshot misses it.
    let mut damaged = lines.clone();
    damaged[11] = "kdamond.0 4452 [000] 5.2: damon:damon_aggregated: target_id=7 nr_reg";
    let (code, message) = failure(&["wss"], &file(&folder, "in", damaged.join("\n")));
    assert_eq!(
        (
            code,
            message.contains("1 region samples") && message.contains("incomplete snapshots: 1")
        ),
        (Some(3), true),
        "{message}"
    );
    // In addition to all regions, nothing misses it.
    let mut damaged = lines.clone();
    damaged.insert(
        15,
        "kdamond.0 4452 [000] 5.3: damon:damon_aggregated: target_id=7 nr_reg",
    );
    let record = file(&folder, "more", damaged.join("\n"));
    let (code, message) = failure(&["wss"], &record);
    assert_eq!(
        (
            code,
            message.contains("1 region samples") && message.contains("damaged: 1")
        ),
        (Some(3), true),
        "{message}"
    );
    let raw = String::from_utf8(report(&["raw"], &record).stdout).unwrap();
    assert!(raw.contains("# lost: 1 region samples between "), "{raw}");
}

#[test]
fn a_record_that_was_cut_off_is_read_up_to_there() {
    let folder = folder();
    let bytes = legacy(2, &two_targets(3));
    let whole = stdout(&["raw"], &file(&folder, "whole", &bytes));
    let first = 20 + 20 + 12 + 60;
    let blocks: Vec<usize> = (0..=3).map(|i| 20 + i * (20 + 12 + 60 + 12 + 40)).collect();
    for len in 0..bytes.len() {
        let record = file(&folder, "cut", &bytes[..len]);
        let output = report(&["raw"], &record);
        let text = String::from_utf8(output.stdout).unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        let expected = match len {
            _ if len < first => Some(1),
            _ if blocks.contains(&len) => Some(0),
            _ => Some(3),
        };
        assert_eq!(output.status.code(), expected, "{len}: {message}");
        match expected {
            Some(0) => assert!(message.is_empty(), "{len}: {message}"),
            Some(3) => {
                assert!(
                    text.contains("# lost: an unknown number of region samples"),
                    "{len}: {text}"
                );
                assert!(
                    message.contains("gaps of unknown size: 1"),
                    "{len}: {message}"
                );
            }
            _ => assert!(
                message.contains("cut: ") && message.lines().count() == 1,
                "{len}: {message}"
            ),
        }
        let regions = text.lines().filter(|line| line.contains("iB)"));
        assert!(regions.clone().all(|line| whole.contains(line)), "{len}");
    }
}

#[test]
fn damage_within_a_record_ends_it() {
    let folder = folder();
    let bytes = legacy(2, &two_targets(3));
    let second = 20 + 20 + 12 + 60 + 12 + 40;
    for (what, at, value) in [
        ("seconds", second + 7, 0x80),
        ("nanoseconds", second + 15, 1),
        ("regions", second + 31, 0xff),
        ("addresses", second + 32 + 7, 0xff),
    ] {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        let (code, message) = failure(&["wss"], &file(&folder, "damaged", bytes));
        assert_eq!(code, Some(3), "{what}: {message}");
    }
    // In the very first snapshot there is nothing to keep, but to say where.
    let mut damaged = bytes.clone();
    damaged[20 + 15] = 1;
    let (code, message) = failure(&["wss"], &file(&folder, "damaged", damaged));
    assert_eq!(code, Some(1));
    assert!(
        message.contains("damaged: at offset 40: a block's time is not one"),
        "{message}"
    );
}

#[test]
fn a_promise_of_many_regions_allocates_nothing() {
    let folder = folder();
    let mut bytes = legacy(2, &two_targets(3));
    let second = 20 + 20 + 12 + 60 + 12 + 40;
    bytes[second + 28..second + 32].copy_from_slice(&u32::MAX.to_le_bytes());
    let record = file(&folder, "promise", bytes);
    // In 500 MB of address space, 4 G regions cannot even be reserved.
    let limited = "ulimit -v 500000 && exec \"$0\" report wss --input \"$1\"";
    let output = std::process::Command::new("sh")
        .args(["-c", limited, env!("CARGO_BIN_EXE_damo")])
        .arg(&record)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}

#[test]
fn other_files_are_named() {
    let folder = folder();
    for (bytes, looks) in [
        (&b""[..], "looks like an empty file"),
        (b"\x17\x08\x44tracing6\0", "trace-cmd"),
        (
            b"\x7fELF\x02\x01\x01\0",
            "unknown binary data (it begins with 7f 45 4c 46 02 01 01 00)",
        ),
        (
            b"hello\n",
            "no line of it is a damon:damon_aggregated event",
        ),
        (
            b"damon_recfmt_ver\x09\0\0\0",
            "a binary record of version 9",
        ),
        (
            b"damon_recfmt_ver\x00\0\0\x02",
            "a binary record of version 33554432",
        ),
    ] {
        let (code, message) = failure(&["wss"], &file(&folder, "other", bytes));
        assert_eq!(code, Some(1), "{looks}");
        assert!(
            message.starts_with("damo: ") && message.contains("other: "),
            "{message}"
        );
        assert!(message.contains(looks), "{looks}: {message}");
        // What is empty is of no format.
        assert_eq!(
            message.contains("Readable are damo record files"),
            looks != "looks like an empty file",
            "{message}"
        );
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    let (code, message) = failure(&["wss"], folder.path());
    assert_eq!(
        (code, message.contains("a folder without segments")),
        (Some(1), true),
        "{message}"
    );
}

#[test]
fn a_missing_default_says_how_to_make_one() {
    let folder = folder();
    let output = command(&["report", "raw"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "damo: damon.data: there is no such file; make a record with `sudo damo record ...`, or name another file\n"
    );
}

#[test]
fn bad_arguments_end_with_2() {
    let folder = folder();
    let record = file(&folder, "record", legacy(2, &two_targets(30)));
    for (args, what) in [
        (&["heats", "--resol", "0", "3"][..], "--resol"),
        (&["heats", "--resol", "4294967295", "4294967295"], "--resol"),
        (&["heats", "--time_range", "0", "1"], "--time_range"),
        (
            &["heats", "--time_range", "6s", "5s"],
            "6000000000-5000000000",
        ),
        (
            &["heats", "--address_range", "4k", "5K"],
            "'4k' is not a size",
        ),
        (
            &["heats", "--tid", "8"],
            "--tid 8: the record has no such target, but 9, 7",
        ),
        (
            &["heats", "--heatmap", "x.png", "--format", "csv"],
            "--format prints numbers; leave one out",
        ),
        (&["heats", "--heatmap", "x.foo"], "not a kind of picture"),
        (&["raw", "--duration", "1 fortnight", "2"], "is not a time"),
        (&["raw", "--duration", "2", "1"], "ends before it starts"),
        (&["wss", "-r", "0", "101", "0"], "STEP must not be 0"),
        (&["wss", "-s", "age"], "age"),
        (&["nonsense"], "nonsense"),
    ] {
        let (code, message) = failure(args, &record);
        assert_eq!(code, Some(2), "{args:?}: {message}");
        assert!(message.contains(what), "{args:?}: {message}");
    }
    assert_eq!(command(&[]).output().unwrap().status.code(), Some(2));
    assert_eq!(
        command(&["--help"]).output().unwrap().status.code(),
        Some(0)
    );
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let folder = folder();
    let record = file(&folder, "record", legacy(2, &two_targets(40)));
    let mut damo = command(&["report", "heats", "--input"])
        .arg(&record)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = damo.stdout.take().unwrap();
    pipe.read_exact(&mut [0; 10]).unwrap();
    drop(pipe);
    let output = damo.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

/// Reads everything of a file, if it is a record at all.
fn read_all(bytes: &[u8]) -> Option<Vec<Item>> {
    let folder = folder();
    let path = file(&folder, "any", bytes);
    let mut record = damo_user::import::open(&path).ok()?;
    let items: Vec<Item> = record.items().ok()?.map_while(Result::ok).collect();
    Some(items)
}

#[test]
fn the_mark_of_a_single_snapshots_end_gives_its_start() {
    let text = "kdamond.x xxxx xxxx 2.0: damon:damon_aggregated: target_id=3 nr_regions=1 4096-8192: 1 None\n\
                kdamond.x xxxx xxxx 2.5: damon:damon_aggregated: target_id=3 nr_regions=1 0-0: -1 -1\n";
    let items = read_all(text.as_bytes()).unwrap();
    let [Item::Snapshot(snapshot)] = &items[..] else {
        panic!("{items:?}")
    };
    assert_eq!(
        (snapshot.start_ns, snapshot.end_ns),
        (1_500_000_000, 2_000_000_000)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any bytes, alone or after a valid beginning, end in items or an error.
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), keep in 0usize..200) {
        read_all(&bytes);
        for version in 0..=2 {
            let valid = legacy(version, &two_targets(2));
            let start = valid.get(..keep).unwrap_or(&valid);
            read_all(&[start, &bytes].concat());
        }
        let text = script(&two_targets(2));
        read_all(&[text.as_bytes().get(..keep * 8).unwrap_or(text.as_bytes()), &bytes].concat());
    }

    /// What is in a text and what is missing add up to what was announced.
    #[test]
    fn lost_lines_are_counted(lost in prop::collection::btree_set(0usize..50, 0..12)) {
        // Whole snapshots that are lost leave no trace.
        let whole = (0..10).any(|i| {
            (0..3).all(|k| lost.contains(&(i * 5 + k))) || (3..5).all(|k| lost.contains(&(i * 5 + k)))
        });
        prop_assume!(!whole);
        let items = read_all(script_without(|number| lost.contains(&number)).as_bytes()).unwrap();
        let (mut here, mut missing) = (0, 0);
        for item in &items {
            match item {
                Item::Snapshot(snapshot) => {
                    here += snapshot.regions.len();
                    missing += snapshot.missing as usize;
                }
                Item::Gap(gap) => prop_assert!(gap.cause != LossCause::Damaged, "{:?}", gap),
                Item::Note(_) => {}
            }
        }
        prop_assert_eq!((here, missing), (50 - lost.len(), lost.len()));
    }
}

/// Every command without commands below it, by its words.
fn leaves(command: &clap::Command, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    if !command.has_subcommands() {
        found.push(path.clone());
    }
    for below in command.get_subcommands() {
        path.push(below.get_name().to_owned());
        leaves(below, path, found);
        path.pop();
    }
}

#[test]
fn a_reader_that_has_had_enough_ends_every_command_quietly() {
    let folder = folder();
    let text = script(&two_targets(60)).replace(": 1\n", ": 1 3\n");
    let text = file(&folder, "text", text);
    let mut commands = Vec::new();
    leaves(&damo_user::cli::tree(), &mut Vec::new(), &mut commands);
    let run = |words: &[String], stdout: Stdio| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = command(&words)
            // Some write files where they are.
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(stdout)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said, output.stdout)
    };
    let mut tried = 0;
    for words in commands {
        let help = [&words[..], &["--help".to_owned()]].concat();
        let mut lines = vec![help.clone()];
        // Those that read a record, and those that need nothing.
        let (.., help) = run(&help, Stdio::piped());
        let help = String::from_utf8(help).unwrap();
        if help.contains("--input <") {
            let input = ["--input".to_owned(), text.display().to_string()];
            lines.push([&words[..], &input].concat());
        } else if help.contains("[FILE]") || help.contains("<FILE>...") {
            lines.push([&words[..], &[text.display().to_string()]].concat());
        }
        if ["completions", "help", "version", "features"].contains(&words[0].as_str()) {
            let shell = (words[0] == "completions").then(|| "bash".to_owned());
            lines.push(words.into_iter().chain(shell).collect());
        }
        for words in lines {
            let (code, said, out) = run(&words, Stdio::piped());
            if out.is_empty() {
                continue;
            }
            let (read, write) = std::io::pipe().unwrap();
            drop(read);
            let closed = run(&words, write.into());
            assert!(
                closed.0 == Some(0) || closed.0 == code,
                "{words:?}: {closed:?}"
            );
            assert!(
                closed.1 == said || closed.1.is_empty(),
                "{words:?}: {closed:?}"
            );
            tried += 1;
        }
    }
    assert!(tried > 40, "{tried}");
}
