//! `report raw` and `report wss` of small records, as v1.7.3 prints them.

use crate::report_common;

use report_common::*;

#[test]
fn raw_prints_one_target_after_the_other() {
    let folder = folder();
    let blocks = two_targets(2);
    let expected = "\
base_time_absolute: 4.900 s

monitoring_start:                0 ns
monitoring_end:                100 ms
monitoring_duration:           100 ms
target_id: 7
nr_regions: 3
# start_addr     end_addr        length  nr_accesses   age
00000000a000-000000014000 (  40.000 KiB)           0    -1
00000001e000-000000028000 (  40.000 KiB)           0    -1
000000029000-00000002a000 (   4.000 KiB)           1    -1

monitoring_start:              100 ms
monitoring_end:                200 ms
monitoring_duration:           100 ms
target_id: 7
nr_regions: 3
# start_addr     end_addr        length  nr_accesses   age
00000000a000-000000015000 (  44.000 KiB)           1    -1
00000001e000-000000028000 (  40.000 KiB)           3    -1
000000029000-00000002a000 (   4.000 KiB)           1    -1

base_time_absolute: 4.900 s

monitoring_start:                0 ns
monitoring_end:                100 ms
monitoring_duration:           100 ms
target_id: 9
nr_regions: 2
# start_addr     end_addr        length  nr_accesses   age
000000064000-000000096000 ( 200.000 KiB)           0    -1
000000096000-0000000a0000 (  40.000 KiB)           0    -1

monitoring_start:              100 ms
monitoring_end:                200 ms
monitoring_duration:           100 ms
target_id: 9
nr_regions: 2
# start_addr     end_addr        length  nr_accesses   age
000000064000-000000095000 ( 196.000 KiB)           1    -1
000000095000-0000000a0000 (  44.000 KiB)           1    -1

";
    for version in 0..=2 {
        let record = file(&folder, "record", legacy(version, &blocks));
        assert_eq!(stdout(&["raw"], &record), expected, "version {version}");
    }
    let text = file(&folder, "script", script(&blocks));
    assert_eq!(stdout(&["raw"], &text), expected);
}

#[test]
fn raw_numbers_and_ages() {
    let folder = folder();
    let line = |time: &str, rest: &str| {
        format!("kdamond.0-9 [001] {time}: damon_aggregated: target_id=0 nr_regions=1 {rest}\n")
    };
    let text = line("1.5", "4096-12288: 3 17") + &line("1.6", "4096-12288: 20 18");
    let record = file(&folder, "trace.txt", text);
    let expected = "\
base_time_absolute: 1400000000

monitoring_start:                   0
monitoring_end:             100000000
monitoring_duration:        100000000
target_id: 0
nr_regions: 1
# start_addr     end_addr        length  nr_accesses   age
000000001000-000000003000 (        8192)           3    17

";
    assert_eq!(
        stdout(&["raw", "--raw_number", "--duration", "0", "0.05"], &record),
        expected
    );
}

#[test]
fn raw_duration_is_of_starts_both_ends_included() {
    let folder = folder();
    let blocks: Vec<Block> = (0..6)
        .map(|i| {
            (
                1_000_000_000 + i * 100_000_000,
                vec![(1, vec![(4096, 8192, 1)])],
            )
        })
        .collect();
    let record = file(&folder, "record", legacy(2, &blocks));
    let starts = |start: &str, end: &str| -> Vec<String> {
        let text = stdout(&["raw", "--duration", start, end], &record);
        assert!(text.starts_with("base_time_absolute: 900 ms\n\n"), "{text}");
        let starts = text
            .lines()
            .filter_map(|line| line.strip_prefix("monitoring_start:"));
        starts.map(|time| time.trim().to_owned()).collect()
    };
    assert_eq!(starts("0", "0.1"), ["0 ns", "100 ms"]);
    assert_eq!(starts("0.1", "0.1"), ["100 ms"]);
    assert_eq!(starts("50 ms", "0.3"), ["100 ms", "200 ms", "300 ms"]);
    assert_eq!(starts("0.51", "9"), [""; 0]);
}

#[test]
fn one_snapshot_has_no_known_start() {
    let folder = folder();
    let record = file(&folder, "record", legacy(2, &two_targets(1)));
    let raw = stdout(&["raw"], &record);
    assert!(
        raw.starts_with("base_time_absolute: 5 s\n\nmonitoring_start:                0 ns\n"),
        "{raw}"
    );
    let guide = stdout(&["heats", "--guide"], &record);
    assert!(
        guide.starts_with("target_id:9\ntime: 5000000000-5000000000 (0 ns)\n"),
        "{guide}"
    );
    let (code, message) = failure(&["heats"], &record);
    assert_eq!(code, Some(2));
    assert!(
        message.contains("5000000000-5000000000 has no nanosecond for each of 500 pixels"),
        "{message}"
    );
}

#[test]
fn wss_of_two_targets() {
    let folder = folder();
    let record = file(&folder, "record", legacy(2, &two_targets(30)));
    let expected = "\
# <percentile> <wss>
# target_id\t7
# avr:\t71.200 KiB
  0      44.000 KiB |****************************                               |
 25      44.000 KiB |****************************                               |
 50      84.000 KiB |*****************************************************      |
 75      92.000 KiB |***********************************************************|
100      92.000 KiB |***********************************************************|
# target_id\t9
# avr:\t168.000 KiB
  0             0 B |                                                           |
 25     120.000 KiB |*****************************                              |
 50     240.000 KiB |***********************************************************|
 75     240.000 KiB |***********************************************************|
100     240.000 KiB |***********************************************************|
";
    assert_eq!(stdout(&["wss"], &record), expected);
}

#[test]
fn wss_options() {
    let folder = folder();
    let record = file(&folder, "record", legacy(2, &two_targets(30)));
    let values = |args: &[&str]| -> String {
        let all = [&["wss", "--nr_cols_bar", "0", "--raw_number"], args].concat();
        let text = stdout(&all, &record);
        let first = text.split("# target_id").nth(1).unwrap();
        first
            .lines()
            .skip(2)
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join("=") + " ")
            .collect()
    };
    assert_eq!(
        values(&["-s", "time"]),
        "0=45056 25=90112 50=45056 75=86016 100=94208 "
    );
    assert_eq!(
        values(&["-t", "3"]),
        "0=0 25=40960 50=40960 75=45056 100=90112 "
    );
    assert_eq!(
        values(&["--sz_thres", "40K"]),
        "0=40960 25=40960 50=81920 75=90112 100=90112 "
    );
    assert_eq!(
        values(&["--exclude_samples", "28"]),
        "0=49152 25=49152 50=94208 75=94208 100=94208 "
    );
    assert_eq!(
        values(&["-r", "100", "-1", "-50"]),
        "100=94208 50=86016 0=45056 "
    );
    assert_eq!(values(&["-r", "99", "103", "1"]), "99=94208 100=94208 ");
    assert_eq!(
        values(&["--work_time", "300000"]),
        "0=94208 25=94208 50=94208 75=94208 100=94208 "
    );
    assert_eq!(
        values(&["--work_time", "300ms"]),
        values(&["--work_time", "300000"])
    );
    assert_eq!(values(&["-t", "99"]), "0=0 25=0 50=0 75=0 100=0 ");
    let bars = stdout(
        &["wss", "--nr_cols_bar", "10", "-r", "50", "51", "1"],
        &record,
    );
    assert!(
        bars.contains("\n 50      84.000 KiB |**********|\n"),
        "{bars}"
    );
}

#[test]
fn work_time_adds_up_what_later_snapshots_say() {
    let folder = folder();
    let blocks: Vec<Block> = [
        vec![(100, 200, 1), (200, 300, 0)],
        vec![(150, 250, 5)],
        vec![(100, 110, 7), (190, 210, 9), (290, 400, 2)],
        vec![(100, 400, 0)],
    ]
    .into_iter()
    .zip(1..)
    .map(|(regions, i)| (i * 1_000_000_000, vec![(1, regions)]))
    .collect();
    let record = file(&folder, "record", legacy(2, &blocks));
    for (accesses, bytes) in [("2", 300), ("3", 200), ("14", 200), ("15", 100), ("16", 0)] {
        let text = stdout(
            &[
                "wss",
                "--exclude_samples",
                "0",
                "--work_time",
                "4s",
                "--raw_number",
                "-t",
                accesses,
            ],
            &record,
        );
        assert!(
            text.contains(&format!("# avr:\t{bytes}\n")),
            "{accesses}: {text}"
        );
    }
}

#[test]
fn wss_of_too_few_snapshots_says_so() {
    let folder = folder();
    let record = file(&folder, "record", legacy(2, &two_targets(5)));
    let expected =
        "# <percentile> <wss>\n# target_id\t7\n# no snapshot\n# target_id\t9\n# no snapshot\n";
    for args in [
        &["wss", "--exclude_samples", "20"][..],
        &["wss", "--compat", "damo"],
        &["wss", "--exclude_samples", "0", "--work_time", "1h"],
    ] {
        assert_eq!(stdout(args, &record), expected, "{args:?}");
    }
}
