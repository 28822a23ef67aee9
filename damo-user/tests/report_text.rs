//! The three reports of small records, as v1.7.3 prints them.

mod report_common;

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
fn guide_has_the_largest_target_first() {
    let folder = folder();
    let record = file(&folder, "record", legacy(2, &two_targets(30)));
    let expected = "\
target_id:9
time: 5000000000-7900000000 (2.900 s)
region\t 0: 00000000000000409600-00000000000000655360 (240.000 KiB)
target_id:7
time: 5000000000-7900000000 (2.900 s)
region\t 0: 00000000000000040960-00000000000000090112 (48.000 KiB)
region\t 1: 00000000000000122880-00000000000000163840 (40.000 KiB)
region\t 2: 00000000000000167936-00000000000000172032 (4.000 KiB)
";
    assert_eq!(stdout(&["heats", "--guide"], &record), expected);
}

/// Ends at 1 to 5 s, with 1 to 5 accesses of one region.
fn stairs() -> Vec<u8> {
    let blocks: Vec<Block> = (0..5)
        .map(|i| {
            (
                1_000_000_000 * (i + 1),
                vec![(1, vec![(10_000, 20_000, i as u32 + 1)])],
            )
        })
        .collect();
    legacy(2, &blocks)
}

#[test]
fn heats_are_weighted_by_time() {
    let folder = folder();
    let record = file(&folder, "record", stairs());
    assert_eq!(
        stdout(&["heats", "--resol", "5", "2"], &record),
        "0\t0\t2.0\n0\t5000\t2.0\n800000000\t0\t2.75\n800000000\t5000\t2.75\n\
         1600000000\t0\t3.5\n1600000000\t5000\t3.5\n2400000000\t0\t4.25\n2400000000\t5000\t4.25\n\
         3200000000\t0\t5.0\n3200000000\t5000\t5.0\n"
    );
}

#[test]
fn heats_of_ranges_are_relative_unless_absolute() {
    let folder = folder();
    let record = file(&folder, "record", stairs());
    let ranges = [
        "heats",
        "--resol",
        "5",
        "1",
        "--time_range",
        "1",
        "5000000001",
    ];
    let heats = "2e-09 2.000000001 3.0000000010000005 4.000000001 4.999999995";
    let expected = |first_time: u64, address: u64| -> String {
        let lines = (0..).zip(heats.split(' '));
        lines
            .map(|(i, heat)| format!("{}\t{address}\t{heat}\n", first_time + i * 1_000_000_000))
            .collect()
    };
    assert_eq!(stdout(&ranges, &record), expected(0, 0));
    let absolute = [&ranges[..], &["--abs_time", "--abs_addr"]].concat();
    assert_eq!(stdout(&absolute, &record), expected(1, 10_000));
    // Half of the range is outside of the record, and the record's end too.
    let half = [
        "heats",
        "--resol",
        "1",
        "1",
        "--address_range",
        "5000",
        "15000",
        "--time_range",
        "4s",
        "6s",
    ];
    assert_eq!(stdout(&half, &record), "0\t0\t1.25\n");
    // A range that starts late does not bend what comes later, as it does at the peer.
    let late = [
        "heats",
        "--resol",
        "2",
        "1",
        "--time_range",
        "2500000000",
        "4500000000",
    ];
    assert_eq!(stdout(&late, &record), "0\t0\t3.5\n1000000000\t0\t4.5\n");
}

#[test]
fn an_explicit_zero_counts_as_given() {
    let folder = folder();
    let blocks: Vec<Block> = (0..4)
        .map(|i| {
            let targets = vec![(0, vec![(0, 4096, 4)]), (5, vec![(8192, 65_536, 1)])];
            (1_000_000_000 * (i + 1), targets)
        })
        .collect();
    let record = file(&folder, "record", legacy(2, &blocks));
    let args = ["heats", "--resol", "1", "1", "--abs_addr", "--abs_time"];
    assert_eq!(stdout(&args, &record), "1000000000\t8192\t1.0\n");
    let zero = [&args[..], &["--tid", "0", "--time_range", "0", "4s"]].concat();
    assert_eq!(stdout(&zero, &record), "0\t0\t3.0\n");
}

const PICTURE: &str = "\
0000
2222
4444
# access_frequency:  0  1  2  3  4  5  6  7  8  9 
# x-axis: space (10000-20000: 9.766 KiB)
# y-axis: time (1000000000-4999999999: 4.000 s)
# resolution: 4x3 (2.441 KiB and 1.333 s for each character)
";

#[test]
fn picture_in_the_terminal() {
    let folder = folder();
    let record = file(&folder, "record", stairs());
    let args = ["heats", "--resol", "3", "4", "--heatmap", "stdout"];
    // Not a terminal: no escapes.
    assert_eq!(
        stdout(&args, &record),
        PICTURE.replace("2222", "3333").replace("4444", "6666")
    );
    let in_color = [&args[..], &["--color", "always"]].concat();
    let text = stdout(&in_color, &record);
    let cell = "\x1b[48;5;232m\x1b[38;5;237m0";
    assert!(
        text.starts_with(&format!("{}\x1b[0m\n", cell.repeat(4))),
        "{text:?}"
    );
    for color in ["flame", "emotion"] {
        let other = stdout(
            &[&in_color[..], &["--stdout_heatmap_color", color]].concat(),
            &record,
        );
        assert!(other.contains("\x1b[0m\n# access_frequency: \x1b[48;5;") && other != text);
    }
    assert!(!stdout(&[&args[..], &["--color", "never"]].concat(), &record).contains('\x1b'));
}

#[test]
fn picture_of_one_row_and_of_default_size() {
    let folder = folder();
    let record = file(&folder, "record", stairs());
    let picture = |args: &[&str]| -> Vec<usize> {
        let text = stdout(&[&["heats", "--heatmap", "stdout"], args].concat(), &record);
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::len)
            .collect()
    };
    assert_eq!(picture(&["--resol", "1", "7"]), [7]);
    assert_eq!(picture(&["--resol", "1", "1"]), [1]);
    assert_eq!(picture(&[]), [80; 40]);
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
    assert_eq!(stdout(&["wss"], &record), expected);
    assert_eq!(
        stdout(
            &["wss", "--exclude_samples", "0", "--work_time", "1h"],
            &record
        ),
        expected
    );
}
