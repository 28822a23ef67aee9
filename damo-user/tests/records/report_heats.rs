//! `report heats` of small records: guide, text and picture.

use crate::report_common;

use report_common::*;

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
3333
6666
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
    assert_eq!(stdout(&args, &record), PICTURE);
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
