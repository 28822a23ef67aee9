//! `damo report access`, on records: byte for byte what 3.x prints of its own
//! snapshots, and what it is to print of others.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use crate::report_common;

use std::path::{Path, PathBuf};

use report_common::*;

/// Start, end, accesses, age, bytes that passed filters.
type Told = (u64, u64, u32, u32, u64);

/// The peer's json: a record for each list of snapshots. 5 ms and 100 ms.
fn record(records: &[&[&[Told]]], filters: &str) -> String {
    let mut texts = Vec::new();
    for (target, snapshots) in records.iter().enumerate() {
        let mut told = Vec::new();
        for (i, regions) in (0u64..).zip(*snapshots) {
            let regions: Vec<String> = regions
                .iter()
                .map(|(start, end, accesses, age, passed)| {
                    format!(
                        r#"{{"start":"{start}","end":"{end}","nr_accesses":{{"samples":{accesses},"percent":null}},"age":{{"usec":null,"aggr_intervals":"{age}"}},"sz_filter_passed":"{passed} B"}}"#
                    )
                })
                .collect();
            let (start, end) = (
                1_000_000_000 + i * 100_000_000,
                1_100_000_000 + i * 100_000_000,
            );
            told.push(format!(
                r#"{{"start_time":"{start}","end_time":"{end}","regions":[{}],"total_bytes":null}}"#,
                regions.join(",")
            ));
        }
        texts.push(format!(
            r#"{{"kdamond_idx":2,"context_idx":0,"intervals":{{"sample_us":"5000","aggr_us":"100000","ops_update_us":"1000000"}},"scheme_idx":null,"target_id":{target},"scheme_filters":[{filters}],"snapshots":[{}]}}"#,
            told.join(",")
        ));
    }
    format!("[{}]", texts.join(","))
}

const KIB: u64 = 1024;
const HOT: Told = (0x10000, 0x10000 + 4 * KIB, 20, 3, 0);
const COLD: Told = (0x20000, 0x20000 + 12 * KIB, 0, 700, 0);
const WARM: Told = (0x23000, 0x23000 + 16 * KIB, 5, 0, 0);

fn one(folder: &tempfile::TempDir) -> PathBuf {
    file(folder, "one", record(&[&[&[HOT, COLD, WARM]]], ""))
}

fn access(args: &[&str], input: &Path) -> String {
    stdout(&[&["access"], args].concat(), input)
}

/// The folder of 3.x's snapshots, or a word that it is not here.
fn v3() -> Option<PathBuf> {
    Some(fixtures()?.with_file_name("v3"))
}

#[test]
fn the_peers_snapshots_look_as_in_the_peer() {
    let Some(v3) = v3() else { return };
    for name in ["nofilter", "anon"] {
        for style in [
            "detailed",
            "recency-percentiles",
            "recency-sz-hist",
            "temperature-percentiles",
            "temperature-sz-hist",
        ] {
            let theirs = v3.join(format!("{style}-{name}.txt"));
            let theirs = std::fs::read_to_string(theirs).unwrap();
            let args = ["--style", style, "--color", "always"];
            let ours = access(&args, &v3.join(format!("snapshot.{name}")));
            // Their pager adds blank lines, or not.
            let (ours, theirs) = (ours.trim_end_matches('\n'), theirs.trim_end_matches('\n'));
            for (number, (ours, theirs)) in ours.lines().zip(theirs.lines()).enumerate() {
                assert_eq!(ours, theirs, "{style} of {name}, line {}", number + 1);
            }
            assert_eq!(ours.len(), theirs.len(), "{style} of {name}");
        }
    }
}

#[test]
fn a_line_for_each_region_and_what_they_come_to() {
    let folder = folder();
    let detailed = access(&["--snapshot_heatmap_width", "8"], &one(&folder));
    assert_eq!(
        detailed,
        "heatmap: 9[...]0008888\n\
         # min/max temperatures: -7,000,000,000, 30,010,000, column size: 4.000 KiB\n\
         intervals: sample 5 ms aggr 100 ms (max access hz 200)\n\
         0   addr 64.000 KiB   size 4.000 KiB   access 200 hz age 300 ms       \n\
         1   addr 128.000 KiB  size 12.000 KiB  access 0 hz   age 1 m 10 s     \n\
         2   addr 140.000 KiB  size 16.000 KiB  access 50 hz  age 0 ns         \n\
         memory bw estimate: 1.562 MiB per second\n\
         total size: 32.000 KiB\n\
         record DAMON intervals: sample 5 ms, aggr 100 ms\n"
    );
    let hot = access(
        &["--style", "hot", "--format_snapshot_head", ""],
        &one(&folder),
    );
    let sizes: Vec<&str> = hot
        .lines()
        .filter_map(|line| line.split('|').nth(2))
        .collect();
    assert_eq!(
        sizes,
        [
            " 4.000 KiB   access 200 hz 300 ms       ",
            " 16.000 KiB  access 50 hz  0 ns         ",
            " 12.000 KiB  access 0 hz   1 m 10 s     ",
        ]
    );
    assert_eq!(
        access(&["--total_sz_only", "--raw_number"], &one(&folder))
            .lines()
            .next(),
        Some("32768")
    );
}

#[test]
fn bytes_count_in_percentiles_and_histograms() {
    let folder = folder();
    let percentiles = access(
        &[
            "--style",
            "idle-time-percentiles",
            "--percentiles_range",
            "0",
            "101",
            "50",
        ],
        &one(&folder),
    );
    assert!(
        percentiles.starts_with(
            "# total recency percentiles\n\
             <percentile> <idle time>\n\
             \u{20} 0          0 ns  |                    |\n\
             \u{20}50          0 ns  |                    |\n\
             100  1 m 10.100 s  |********************|\n"
        ),
        "{percentiles}"
    );
    let bins = access(
        &[
            "--style",
            "cold-memory-tail",
            "--hist_ranges",
            "0",
            "1s",
            "1 s",
            "2m",
        ],
        &one(&folder),
    );
    assert!(
        bins.starts_with(
            "<idle time (us)> <total size>\n\
             [0 ns, 1 s) 20.000 KiB |********************|\n\
             [1 s, 2 m)  12.000 KiB |                    |\n"
        ),
        "{bins}"
    );
}

#[test]
fn what_is_filtered_out_does_not_count_unless_it_is_to_be_the_peers() {
    let folder = folder();
    let input = one(&folder);
    let args = [
        "--total_sz_only",
        "--raw_number",
        "--sz_region",
        "5K",
        "max",
    ];
    let total = |args: &[&str]| access(args, &input).lines().next().unwrap().to_owned();
    assert_eq!(total(&args), "28672");
    let theirs = [&args[..], &["--compat", "damo"]].concat();
    assert_eq!(total(&theirs), "32768");
    let cut = [
        "--total_sz_only",
        "--raw_number",
        "--address",
        "0",
        "0x22000",
    ];
    assert_eq!(total(&cut), "12288");
    let cold = [
        "--total_sz_only",
        "--raw_number",
        "--temperature",
        "-7000000000",
        "-1",
    ];
    assert_eq!(total(&cold), "12288");
    // A rate of 1 in 200 is not nothing, except where percents are cut.
    let rare = record(&[&[&[(0, 4096, 1, 50, 0)]]], "").replace("\"5000\"", "\"500\"");
    let rare = file(&folder, "rare", rare);
    let line = [
        "--format_region",
        "<access rate>|<temperature>|",
        "--format_snapshot_head",
        "",
    ];
    assert_eq!(
        access(&line, &rare).lines().next(),
        Some("0.5 %|500,000,050|")
    );
    let theirs = [&line[..], &["--compat", "damo"]].concat();
    assert_eq!(
        access(&theirs, &rare).lines().next(),
        Some("0 %  |-500,000,000|")
    );
}

#[test]
fn records_come_one_after_the_other_each_with_its_snapshots() {
    let folder = folder();
    let two = record(&[&[&[HOT], &[HOT, COLD]], &[&[WARM]]], "");
    let two = file(&folder, "two", two);
    let args = [
        "--format_region",
        "<index>",
        "--format_snapshot_head",
        "<start time>-<end time>",
        "--format_snapshot_tail",
        "",
        "--format_record_tail",
        "end\\n",
    ];
    let text = "kdamond 2 / context 0 / scheme None / target id 0 / recorded for 200 ms from 1 s\n\
                0 ns-100 ms\n0  \n\n100 ms-200 ms\n0  \n1  \nend\n\n\
                kdamond 2 / context 0 / scheme None / target id 1 / recorded for 100 ms from 1 s\n\
                0 ns-100 ms\n0  \nend\n\n";
    assert_eq!(access(&args, &two), text);
    let second = [&args[..], &["--snapshot_idx", "1", "1"]].concat();
    assert!(access(&second, &two).starts_with(
        "kdamond 2 / context 0 / scheme None / target id 0 / recorded for 100 ms from 1.100 s\n\
         0 ns-100 ms\n0  \n1  \nend\n"
    ));
    // As the peer takes it: no snapshot is at a place below zero.
    for (places, snapshots) in [(["1", "-1"], 0), (["-1", "0"], 2)] {
        let some = [&args[..], &["--snapshot_idx"], &places].concat();
        let input = ["--input", two.to_str().unwrap()];
        let mut command = command(&[&["report", "access"], &some[..], &input].concat());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.matches("0 ns-100 ms").count(), snapshots, "{text}");
    }
    // Another file beside it, named like a word.
    let other = one(&folder);
    let args = [
        "access",
        "--style",
        "recency-sz-hist",
        "--input",
        other.to_str().unwrap(),
    ];
    let both = stdout(&args, &two);
    assert_eq!(both.matches("recorded for").count(), 3, "{both}");
}

#[test]
fn filters_are_told_with_what_passed_them() {
    let folder = folder();
    let filter = r#"{"filter_type":"hugepage_size","matching":true,"allow":true,"hugepage_size":["2097152","max"]}"#;
    let told = record(
        &[&[&[(0, 8192, 20, 0, 4096), (8192, 16384, 0, 9, 0)]]],
        filter,
    );
    let filtered = file(&folder, "filtered", told);
    let detailed = access(&[], &filtered);
    assert!(
        detailed
            .contains("\n# damos filters (df): allow hugepage_size [2.000 MiB, max]\ndf-pass: "),
        "{detailed}"
    );
    assert!(detailed.contains("df-passed 4.000 KiB\n"), "{detailed}");
    assert!(
        detailed.contains("total size: 16.000 KiB  df-passed 4.000 KiB\n"),
        "{detailed}"
    );
    let percentiles = access(
        &[
            "--style",
            "recency-percentiles",
            "--percentiles_range",
            "99",
            "101",
        ],
        &filtered,
    );
    assert!(percentiles.contains(
        "# df-passed recency percentiles\n<df-passed percentile> <idle time>\n 99  0 ns  |                    |\n"
    ), "{percentiles}");
}

#[test]
fn programs_get_tables_and_the_peers_json() {
    let folder = folder();
    let input = one(&folder);
    let rows = access(&["--format", "csv"], &input);
    assert_eq!(
        rows,
        "kdamond,context,scheme,target_id,snapshot,start_ns,end_ns,index,start_address,end_address,size_bytes,nr_accesses,access_rate_percent,access_hz,age_us,temperature,filters_passed_bytes\n\
         2,0,,0,0,1000000000,1100000000,0,65536,69632,4096,20,100,200,300000,30010000,\n\
         2,0,,0,0,1000000000,1100000000,1,131072,143360,12288,0,0,0,70000000,-7000000000,\n\
         2,0,,0,0,1000000000,1100000000,2,143360,159744,16384,5,25,50,0,2500,\n"
    );
    let lines = access(
        &["--format", "ndjson", "--style", "recency-percentiles"],
        &input,
    );
    assert_eq!(lines.lines().count(), 7);
    let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last["idle_time_us"], 70_100_000);
    assert_eq!(last["target_id"], "0");
    // What it prints can be read again, as it is for people or for programs.
    let detailed = access(&[], &input);
    for args in [&["--json"][..], &["--json", "--raw_number"]] {
        let json = access(args, &input);
        let again = file(&folder, "again", &json);
        assert_eq!(access(&[], &again), detailed, "{args:?}");
    }
    let raw = access(&["--raw_form"], &input);
    assert!(
        raw.starts_with("base_time_absolute: 1 s\ndata source: unknown\n\nmonitoring_start:"),
        "{raw}"
    );
}

#[test]
fn what_cannot_be_shown_says_why() {
    let folder = folder();
    let input = one(&folder);
    for (args, said) in [
        (&["--exec", "x.py"][..], "--format ndjson"),
        (&["--format", "xml"], "--format xml: give json"),
        (&["--format", "set", "region"], "a part and a format"),
        (
            &["--format", "set", "head", "x"],
            "the parts are record_head",
        ),
        (
            &["--hist_ranges", "0", "1", "2"],
            "two numbers for each bin",
        ),
        (&["--hist_ranges", "0", "soon"], "'soon'"),
        (&["--percentiles_range", "0", "9", "0"], "above 0"),
        (&["--repeat", "1"], "a delay and a count"),
        (
            &["--temperature", "5", "4"],
            "--temperature 5 4: the minimum",
        ),
        (
            &["--snapshot_damos_filter", "allow", "anon"],
            "leave --input out",
        ),
        (&["--input", "tried_regions_of", "0"], "three numbers"),
        (
            &["--min_chars_for", "<size>", "many"],
            "--min_chars_for <size> many",
        ),
    ] {
        let (code, stderr) = failure(&[&["access"], args].concat(), &input);
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
    }
    let legacy = file(&folder, "legacy", legacy(2, &two_targets(3)));
    let (code, stderr) = failure(&["access"], &legacy);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("does not say which intervals"), "{stderr}");
    let empty = file(&folder, "empty", record(&[&[&[]]], ""));
    assert!(access(&[], &empty).starts_with("heatmap: n/a (no region)\n"));
    let percentiles = access(&["--style", "recency-percentiles"], &empty);
    assert!(
        percentiles.contains("\nno region in snapshot\n"),
        "{percentiles}"
    );
    let nothing = access(&["--region_box"], &empty);
    assert!(nothing.contains("\n# length: age"), "{nothing}");
}
