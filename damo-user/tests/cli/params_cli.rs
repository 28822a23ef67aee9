//! `damo args damon` and `damo status` as they are typed; nothing of DAMON is
//! read or written here.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// Runs damo in a folder: its exit code, and what it printed.
fn damo(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_damo"));
    let ran = command.args(args).current_dir(dir).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        ran.status.code().unwrap(),
        text(ran.stdout),
        text(ran.stderr),
    )
}

fn done(dir: &Path, args: &[&str]) -> String {
    let (code, out, error) = damo(dir, args);
    assert_eq!((code, error.as_str()), (0, ""), "{args:?}");
    out
}

fn refused(dir: &Path, args: &[&str], message: &str) {
    let (code, out, error) = damo(dir, args);
    assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {error}");
    assert!(error.contains(message), "{args:?}: {error}");
}

/// The pids of a file's kdamonds.
fn pids(json: &str) -> Vec<u64> {
    let json: Value = serde_json::from_str(json).unwrap();
    let kdamonds = json["kdamonds"].as_array().unwrap();
    let pid = |kdamond: &Value| {
        kdamond["contexts"][0]["targets"][0]["pid"]
            .as_u64()
            .unwrap()
    };
    kdamonds.iter().map(pid).collect()
}

#[test]
fn a_file_is_edited() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let file = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    assert_eq!(done(dir, &["args", "damon", "1", "--out", "one.json"]), "");
    assert_eq!(pids(&file("one.json")), [1]);
    // Also over the file that is read.
    done(
        dir,
        &[
            "args", "damon", "2", "--add", "one.json", "--out", "one.json",
        ],
    );
    assert_eq!(pids(&file("one.json")), [1, 2]);
    assert_eq!(
        pids(&done(
            dir,
            &["args", "damon", "3", "--replace", "one.json", "0"]
        )),
        [3, 2]
    );
    assert_eq!(
        pids(&done(dir, &["args", "damon", "--remove", "one.json", "0"])),
        [2]
    );
    assert_eq!(pids(&file("one.json")), [1, 2]);
    assert_eq!(done(dir, &["args", "damon", "one.json"]), file("one.json"));
    let yaml = done(dir, &["args", "damon", "one.json", "--format", "yaml"]);
    std::fs::write(dir.join("one.yaml"), yaml).unwrap();
    assert_eq!(done(dir, &["args", "damon", "one.yaml"]), file("one.json"));
    for (args, message) in [
        (
            &["3", "--add", "none.json"][..],
            "--add none.json: No such file",
        ),
        (
            &["--remove", "one.json", "2"],
            "--remove one.json 2: it has 2 kdamonds, counted from 0",
        ),
        (&["--remove", "one.json", "-1"], "-1"),
        (
            &["3", "--remove", "one.json", "0"],
            "--remove: takes only a file",
        ),
        (
            &["--replace", "one.json", "9", "3"],
            "--replace one.json 9: it has 2 kdamonds",
        ),
        (
            &["one.json", "--replace", "one.json", "0"],
            "--replace one.json 0: the options say 2 kdamonds",
        ),
        (
            &["3", "--add", "one.json", "--replace", "one.json", "0"],
            "cannot be used with",
        ),
        (
            &["3", "--out", "x", "--format", "report"],
            "--out: a report cannot be read back",
        ),
        (
            &["one.json", "--sample", "1ms"],
            "one.json: says everything",
        ),
        (
            &["true"],
            "true: this is a command, and has a process id only when it runs; `damo args` starts nothing",
        ),
        (
            &["no_such_thing_here"],
            "no_such_thing_here: neither process ids, nor paddr, nor a file",
        ),
    ] {
        refused(dir, &[&["args", "damon"], args].concat(), message);
    }
    // Nothing is left behind, and nothing half written.
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["one.json", "one.yaml"]);
    let (code, _, error) = damo(dir, &["args", "damon", "1", "--out", "none/x.json"]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("none/x.json: cannot be written"), "{error}");
}

#[test]
fn what_is_as_by_default_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let typed = [
        "args",
        "damon",
        "7",
        "--sample",
        "1ms",
        "--damos_action",
        "stat",
    ];
    let full = done(dir, &typed);
    let brief = done(dir, &[&typed[..], &["--omit_defaults"]].concat());
    let read: Value = serde_json::from_str(&brief).unwrap();
    let context = &read["kdamonds"][0]["contexts"][0];
    assert_eq!(context["schemes"], json!([{ "action": "stat" }]));
    assert_eq!(context["intervals"]["sample_us"], "1 ms");
    assert_eq!(context.get("nr_regions"), None);
    // In the order of all keys.
    let at = |key: &str| brief.find(&format!("\"{key}\"")).unwrap();
    assert!(
        at("ops") < at("targets")
            && at("targets") < at("intervals")
            && at("intervals") < at("schemes"),
        "{brief}"
    );
    std::fs::write(dir.join("brief.json"), brief).unwrap();
    assert_eq!(done(dir, &["args", "damon", "brief.json"]), full);
    let report = done(
        dir,
        &[&typed[..], &["--omit_defaults", "--format", "report"]].concat(),
    );
    assert!(
        report.contains("action: stat") && !report.contains("watermarks"),
        "{report}"
    );
}

/// What was saved of a kernel: two kdamonds, the first with two schemes.
fn saved(dir: &Path) {
    let scheme = |tried: u32| {
        json!({ "action": "stat", "stats": { "nr_tried": tried, "sz_tried": "12 KiB" },
            "tried_regions": { "total_bytes": "4 KiB", "regions": [{ "start": 0, "end": "4,096" }] } })
    };
    let json = json!([
        { "state": "on", "pid": "77", "contexts": [{ "ops": "vaddr",
            "targets": [{ "pid": 5, "regions": [] }], "schemes": [scheme(1_234), scheme(0)] }] },
        { "state": "off", "pid": "-1", "contexts": [] },
    ]);
    std::fs::write(dir.join("saved.json"), json.to_string()).unwrap();
}

#[test]
fn status_of_a_saved_file() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    saved(dir);
    let status = |args: &[&str]| {
        done(
            dir,
            &[&["status", "--input_file", "saved.json"], args].concat(),
        )
    };
    assert_eq!(
        status(&["--kdamonds_summary"]),
        "0\tstate: on, pid: 77\n1\tstate: off\n"
    );
    assert_eq!(
        status(&["--damos_stats", "--damos_stat_fields", "nr_tried"]),
        "kdamond 0 / context 0 / scheme 0\n1,234\n\nkdamond 0 / context 0 / scheme 1\n0\n\n"
    );
    let stats: Value =
        serde_json::from_str(&status(&["--damos_stats", "--format", "json", "--raw"])).unwrap();
    assert_eq!(
        stats[0],
        json!([{ "kdamond": 0, "context": 0, "scheme": 0 }, { "nr_tried": 1_234, "sz_tried": 12_288 }])
    );
    let text = status(&[]);
    assert!(text.contains("tried 1,234 times (12.000 KiB)"), "{text}");
    assert!(
        text.contains("[0, 4,096) (4.000 KiB): nr_accesses: 0 samples"),
        "{text}"
    );
    let all: Value = serde_json::from_str(&status(&["--json"])).unwrap();
    assert_eq!(
        (&all["kdamonds"][0]["pid"], &all["kdamonds"][1]["state"]),
        (&json!(77), &json!("off"))
    );
    let scheme = |json: &Value| json["kdamonds"][0]["contexts"][0]["schemes"][0].clone();
    assert_eq!(scheme(&all)["tried_regions"]["total_bytes"], "4 KiB");
    let without = status(&["--json", "--omit_damos_tried_regions"]);
    let without: Value = serde_json::from_str(&without).unwrap();
    assert_eq!(scheme(&without).get("tried_regions"), None);
    assert_eq!(scheme(&without)["stats"], scheme(&all)["stats"]);
    let params = status(&["--damon_params", "--format", "json"]);
    assert!(
        !params.contains("\"stats\"") && params.contains("\"watermarks\""),
        "{params}"
    );
    let brief = status(&["--damon_params_omit_defaults", "--format", "json"]);
    assert!(
        !brief.contains("\"watermarks\"") && brief.contains("\"action\""),
        "{brief}"
    );
    // The same command by the peer's name.
    assert_eq!(
        done(dir, &["report", "damon", "--input_file", "saved.json"]),
        text
    );
    for (args, message) in [
        (
            &["--damos_stats", "--kdamonds_summary"][..],
            "cannot be used with",
        ),
        (&["--damos_stat_fields", "nr_tried"], "--damos_stats"),
        (
            &["--damos_stats", "--damos_stat_fields", "nr_fish"],
            "nr_fish",
        ),
    ] {
        refused(
            dir,
            &[&["status", "--input_file", "saved.json"], args].concat(),
            message,
        );
    }
    std::fs::write(dir.join("none.yaml"), "kdamonds: []\n").unwrap();
    let none = ["status", "--input_file", "none.yaml"];
    assert_eq!(done(dir, &none), "no kdamonds\n");
    std::fs::write(
        dir.join("bad.json"),
        r#"[{"contexts": [{"schemes": [{"stats": {"nr_tried": "x"}}]}]}]"#,
    )
    .unwrap();
    refused(
        dir,
        &["status", "--input_file", "bad.json"],
        "bad.json: json, at [0].contexts[0].schemes[0].stats.nr_tried: 'x' is not a whole number",
    );
    let (code, _, error) = damo(dir, &["status", "--input_file", "gone.json"]);
    assert_eq!(code, 1);
    assert!(error.contains("gone.json: cannot be read"), "{error}");
}

/// What `args damon` says of the only context.
fn context(args: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let words = ["args", "damon", "--raw"]
        .into_iter()
        .chain(args.split(' '));
    let out = done(folder.path(), &words.collect::<Vec<_>>());
    let json: Value = serde_json::from_str(&out).unwrap();
    json["kdamonds"][0]["contexts"][0].clone()
}

#[test]
fn ranges_of_a_process_stay() {
    // vaddr would replace them by the mappings at its first update.
    assert_eq!(context("42 -r 4096-8192")["ops"], "fvaddr");
    assert_eq!(context("42 -r 4096-8192 --ops vaddr")["ops"], "vaddr");
    assert_eq!(context("42")["ops"], "vaddr");
    assert_eq!(context("42 42")["targets"].as_array().unwrap().len(), 1);
}

#[test]
fn a_quota_without_a_reset_interval_is_never_reset() {
    let quotas = &context("42 --damos_action stat --damos_quotas 10 1G")["schemes"][0]["quotas"];
    assert_eq!(quotas["reset_interval_ms"], u64::MAX, "{quotas}");
}

#[test]
fn what_cannot_be_is_refused_by_option() {
    let folder = tempfile::tempdir().unwrap();
    for (line, says) in [
        ("paddr -r 0-4G --nr_probes 99999999999999", "probes"),
        ("paddr -r 0-4G --nr_probes 18446744073709551615 1", "probes"),
        (
            "42 --damos_action stat --damos_quota_space 0.9",
            "--damos_quota_space 0.9",
        ),
        ("42 --sample -1", "--sample -1"),
        (
            "42 --damos_sz_region -1 3 --damos_action stat",
            "--damos_sz_region -1",
        ),
        ("42 --kdamonds {}", "--kdamonds"),
        ("+42", "+42"),
        ("--kdamonds nosuch", "--kdamonds nosuch"),
        ("42 -c nosuch.txt", "--schemes nosuch.txt"),
    ] {
        let words = ["args", "damon"].into_iter().chain(line.split(' '));
        refused(folder.path(), &words.collect::<Vec<_>>(), says);
    }
    let filter =
        r#"{"kdamonds":[{"contexts":[{"schemes":[{"filters":[{"filter_type":"anon"}]}]}]}]}"#;
    refused(folder.path(), &["args", "damon", filter], "matching");
    refused(
        folder.path(),
        &["start", r#"{"kdamonds":[]}"#],
        "no kdamonds",
    );
}

#[test]
fn the_peers_plain_numbers_are_told_by_the_address_unit() {
    // Its ages are in nanoseconds then, also where no share tells.
    let json = r#"{"kdamonds":[{"contexts":[{"addr_unit":"1","targets":[{"pid":42,"regions":[]}],
        "schemes":[{"action":"pageout","access_pattern":{"age":{"min":"60000000000","max":"max"}}}]}]}]}"#;
    let folder = tempfile::tempdir().unwrap();
    let out = done(folder.path(), &["args", "damon", "--raw", json]);
    let json: Value = serde_json::from_str(&out).unwrap();
    let age = &json["kdamonds"][0]["contexts"][0]["schemes"][0]["access_pattern"]["age"];
    assert_eq!(age["min"], 60_000_000, "{age}");
}

#[test]
fn what_has_no_effect_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let said = |line: &str| {
        let words = ["start", "--dry-run"].into_iter().chain(line.split(' '));
        damo(folder.path(), &words.collect::<Vec<_>>()).2
    };
    let said_of = |line: &str, what: &str| assert!(said(line).contains(what), "{line}");
    said_of(
        "42 --damos_action pageout --damos_filter reject memcg /a",
        "--damos_filter memcg",
    );
    said_of("42 --damos_action lru_prio", "--damos_action lru_prio");
    said_of("paddr -r 0-4G --damos_action cold", "--damos_action cold");
    for fine in [
        "42 --damos_action pageout --damos_filter reject addr 0 4096",
        "paddr -r 0-4G --damos_action pageout --damos_filter reject anon",
        "42 --damos_action stat --damos_filter reject anon",
    ] {
        assert!(!said(fine).contains("--damos"), "{fine}: {}", said(fine));
    }
}

#[test]
fn following_is_refused_beside_what_says_otherwise_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let follow = ["record", "--dry-run", "--follow-command", "nginx"];
    let with = |more: &[&'static str]| [&follow[..], more].concat();
    let shown = done(dir, &with(&["--sample", "1ms", "--aggr", "20ms"]));
    for line in [
        "# PID is the process id of each process named \"nginx\"",
        "echo $PID > ",
        "echo 1000 > ",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    refused(dir, &with(&["4242"]), "leave the target '4242' out");
    refused(dir, &with(&["ongoing"]), "leave the target 'ongoing' out");
    refused(dir, &with(&["--regions", "0-4096"]), "--follow-command");
    refused(dir, &with(&["--target_pid", "1"]), "--follow-command");
    refused(
        dir,
        &with(&["--ops", "fvaddr", "--regions", "0-4096"]),
        "--ops vaddr",
    );
    refused(
        dir,
        &with(&["--kdamonds", "{\"kdamonds\": []}"]),
        "--kdamonds",
    );
    refused(dir, &with(&["--cgroup", "a"]), "cannot be used with");
    refused(
        dir,
        &with(&["--snapshot", "1s", "2"]),
        "cannot be used with",
    );
    let profile = [
        "record",
        "--follow-command",
        "nginx",
        "--do_record",
        "cpu_profile",
    ];
    let (code, _, error) = damo(dir, &profile);
    assert_ne!(code, 0);
    assert!(error.contains("perf cannot follow"), "{error}");
}
