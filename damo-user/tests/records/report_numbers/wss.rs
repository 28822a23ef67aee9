//! `report wss`: moments, time, thresholds, and what is left out.

use damo_user::model::{Happened, Happening, Item, Known};

use super::*;

#[test]
fn sums_of_the_same_moments_are_not_sums_of_extremes() {
    let folder = folder();
    let record = in_turn(&folder);
    let pages = |args: &[&str]| -> Vec<u64> {
        let all = [&["wss", "-r", "0", "101", "50"], args].concat();
        last_column(&all, &record)
            .into_iter()
            .map(|it| it / PAGE)
            .collect()
    };
    // The mean, then percentiles 0, 50 and 100.
    assert_eq!(pages(&["--simultaneous"]), [11, 11, 11, 11]);
    assert_eq!(pages(&["--collapse_targets"]), [11, 2, 20, 20]);
    assert_eq!(pages(&[]), [5, 1, 10, 10, 5, 1, 10, 10]);
    assert_eq!(pages(&["--per_target"]), pages(&[]));
    let text = stdout(&["wss", "--simultaneous", "--nr_cols_bar", "0"], &record);
    assert!(
        text.starts_with("# <percentile> <wss>\n# all targets at the same moments\n# avr:\t44.000 KiB\n  0      44.000 KiB\n"),
        "{text}"
    );
    let (head, rows) = csv(&["wss", "--simultaneous"], &record);
    assert_eq!(head, "kdamond,target_id,percentile,wss_bytes");
    assert_eq!(rows[1][..3], ["", "", "0"]);
}

#[test]
fn a_target_that_is_gone_has_no_working_set() {
    let folder = folder();
    let mut items = Vec::new();
    for i in 0..40 {
        items.push(snapshot(0, i * 100, &[(0, 10, 5)]));
        if i < 30 {
            items.push(snapshot(1, i * 100, &[(1000, 100, 2)]));
        }
        if i == 29 {
            let gone = Happened {
                kdamond: 1,
                target_id: Some(1),
                what: Happening::TargetGone,
                value: 0,
            };
            items.push(note(3020, Known::Happened(gone)));
        }
    }
    let record = record(&folder, Vec::new(), &items);
    let args = [
        "wss",
        "--simultaneous",
        "--exclude_samples",
        "0",
        "--all_wss",
        "-s",
        "time",
    ];
    let all = last_column(&args, &record);
    let pages: Vec<u64> = all.iter().map(|it| it / PAGE).collect();
    assert_eq!(pages, [[110; 30].as_slice(), &[10; 10]].concat());
}

#[test]
fn time_counts_and_not_snapshots() {
    let folder = folder();
    let mut items = Vec::new();
    let mut now = 0;
    // 30 short ones of 1 page, then 10 long ones of 50.
    for i in 0..40 {
        let (ms, pages) = if i < 30 { (100, 1) } else { (900, 50) };
        let Item::Snapshot(mut it) = snapshot(0, now, &[(0, pages, 1)]) else {
            panic!();
        };
        now += ms;
        it.end_ns = now * MS;
        items.push(Item::Snapshot(it));
    }
    let record = record(&folder, Vec::new(), &items);
    let pages = |args: &[&str]| -> Vec<u64> {
        let all = [
            &["wss", "--exclude_samples", "0", "-r", "20", "101", "40"],
            args,
        ]
        .concat();
        last_column(&all, &record)
            .into_iter()
            .map(|it| it / PAGE)
            .collect()
    };
    // 3 of 12 seconds have a page, 9 have 50: the mean is 37.75.
    assert_eq!(pages(&["--time-weighted"]), [37, 1, 50, 50]);
    assert_eq!(pages(&[]), [13, 1, 1, 50]);
    assert_eq!(
        pages(&["--time-weighted", "--simultaneous"]),
        [37, 1, 50, 50]
    );
    let (code, said) = failure(&["wss", "--time-weighted", "-s", "time"], &record);
    assert_eq!(code, Some(2));
    assert!(said.contains("leave one of"), "{said}");
}

#[test]
fn thresholds_may_be_accesses_per_second() {
    let folder = folder();
    let items: Vec<Item> = (0..30)
        .map(|i| snapshot(0, i * 100, &[(0, 1, 1), (1, 10, 2), (20, 100, 3)]))
        .collect();
    let record = record(&folder, Vec::new(), &items);
    let pages = |args: &[&str]| last_column(&[&["wss"], args].concat(), &record)[0] / PAGE;
    assert_eq!(pages(&[]), 111);
    assert_eq!(pages(&["-t", "3"]), 100);
    for args in [
        &["-t", "10 hz"][..],
        &["--acc_thres", "10hz"],
        &["--acc_thres_hz", "10"],
    ] {
        assert_eq!(pages(args), 111, "{args:?}");
    }
    assert_eq!(pages(&["--acc_thres_hz", "10.5"]), 110);
    assert_eq!(pages(&["--acc_thres", "20.1 hz"]), 100);
    // Over three snapshots, 30 hz are 9 accesses, and 20 hz 6.
    let work = |hz: &str| pages(&["--work_time", "300ms", "--acc_thres_hz", hz]);
    assert_eq!([work("30"), work("20"), work("31")], [100, 110, 0]);
    let (code, said) = failure(&["wss", "-t", "fast"], &record);
    assert_eq!(code, Some(2));
    assert!(said.contains("'10 hz' for accesses per second"), "{said}");
    let unknown = file(&folder, "legacy", legacy(2, &two_targets(30)));
    let (code, said) = failure(&["wss", "--acc_thres_hz", "1"], &unknown);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("20 snapshots do not tell their intervals"),
        "{said}"
    );
}

#[test]
fn of_short_records_the_first_half_is_left_out() {
    let folder = folder();
    let record = file(&folder, "record", legacy(2, &two_targets(5)));
    for args in [&["wss"][..], &["nr_regions"]] {
        let ran = report(args, &record);
        assert_eq!(ran.status.code(), Some(0));
        let said = String::from_utf8(ran.stderr).unwrap();
        assert!(
            said.contains("2 targets have at most 20 snapshots") && said.contains("(2 at most"),
            "{said}"
        );
        let explicit = stdout(&[args, &["--exclude_samples", "2"]].concat(), &record);
        assert_eq!(String::from_utf8(ran.stdout).unwrap(), explicit);
    }
    // 21 are enough for the peer's rule, and nothing is said.
    let enough = file(&folder, "enough", legacy(2, &two_targets(21)));
    let one = stdout(&["wss"], &enough);
    assert_eq!(one, stdout(&["wss", "--exclude_samples", "20"], &enough));
}

#[test]
fn all_sizes_are_printed_with_their_places() {
    let folder = folder();
    let record = file(&folder, "record", legacy(2, &two_targets(23)));
    let text = stdout(&["wss", "--all_wss", "--raw_number", "-s", "time"], &record);
    assert!(
        text.starts_with(
            "# <percentile> <wss>\n# target_id\t7\n# avr:\t60074\n0 45056\n1 45056\n2 90112\n"
        ),
        "{text}"
    );
    let (head, rows) = csv(&["wss", "--all_wss"], &record);
    assert_eq!(head, "kdamond,target_id,index,wss_bytes");
    assert_eq!((rows.len(), rows[2][2].as_str()), (6, "2"));
}
