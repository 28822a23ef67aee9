//! `damo adjust` and `damo validate`.

use std::path::Path;

use damo_user::model::Item;

use super::*;

/// Runs `damo ARGS`.
fn damo(args: &[&str]) -> (Option<i32>, String, String) {
    let output = command(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn adjusting_joins_snapshots() {
    let folder = folder();
    let items: Vec<Item> = (0..9)
        .map(|i| snapshot(0, i * 100, &[(0, 10, 1), (10 + i, 10 - i, 2)]))
        .collect();
    let record = record(&folder, Vec::new(), &items);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (input, output) = (record.to_str().unwrap(), path("adjusted"));
    let adjust = |args: &[&str]| {
        let all = [&["adjust", "-i", input, "-o", &output], args].concat();
        let (code, _, said) = damo(&all);
        assert_eq!(code, Some(0), "{said}");
        stdout(&["raw", "--raw_number"], Path::new(&output))
    };
    let raw = adjust(&["--aggregate_interval", "300000", "--skip", "2"]);
    // Of seven snapshots, six make two; the third has its first regions.
    let lines: Vec<&str> = raw
        .lines()
        .filter(|line| line.contains('-') && line.contains('('))
        .collect();
    assert_eq!(
        lines,
        [
            "000000000000-00000000a000 (       40960)           3     0",
            "00000000c000-000000014000 (       32768)           6     0",
            "000000000000-00000000a000 (       40960)           3     0",
            "00000000f000-000000014000 (       20480)           6     0",
        ]
    );
    assert!(raw.contains("base_time_absolute: 200000000\n"), "{raw}");
    let json = std::fs::read(&output).unwrap();
    assert_eq!(json[0], 0x78, "zlib");
    // The default skips 20, but only with an interval.
    assert!(!adjust(&["--aggregate_interval", "300000"]).contains("nr_regions"));
    let all = adjust(&["--output_type", "damo", "--access_rate", "6", "100"]);
    assert_eq!(all.matches("nr_regions: 1\n").count(), 9, "{all}");
    let one = adjust(&["--output_type", "json", "--snapshot_idx", "3", "3"]);
    assert_eq!(one.matches("nr_regions: ").count(), 1);
    let (code, _, said) = damo(&["adjust", "-i", input, "-o", input]);
    assert_eq!(code, Some(2));
    assert!(said.contains("name another file"), "{said}");
    let Some(v1) = fixtures() else { return };
    let v3 = v1.join("../v3/zigzag.json_compressed");
    let args = [
        "adjust",
        "-i",
        v3.to_str().unwrap(),
        "-o",
        &output,
        "--output_type",
        "perf_script",
    ];
    let (code, _, said) = damo(&[&args[..], &["--aggregate_interval", "300000"]].concat());
    assert_eq!(code, Some(0), "{said}");
    let text = std::fs::read_to_string(&output).unwrap();
    assert_eq!(text.lines().count(), 3154);
}

#[test]
fn rates_and_ages_of_joined_snapshots_are_right_in_every_format() {
    let folder = folder();
    let items: Vec<Item> = (0..10)
        .map(|i| {
            let accesses = if i % 5 == 0 { 6 } else { 11 };
            let mut it = snapshot(0, i * 100, &[(0, 10, accesses)]);
            if let Item::Snapshot(it) = &mut it {
                it.regions[0].age = Some(4);
            }
            it
        })
        .collect();
    let record = record(&folder, Vec::new(), &items);
    let output = folder.path().join("adjusted");
    for format in ["damo", "json", "json_compressed"] {
        let _ = std::fs::remove_file(&output);
        let (code, _, said) = damo(&[
            "adjust",
            "-i",
            record.to_str().unwrap(),
            "-o",
            output.to_str().unwrap(),
            "--aggregate_interval",
            "500000",
            "--skip",
            "0",
            "--output_type",
            format,
        ]);
        assert_eq!(code, Some(0), "{said}");
        // 6 and four times 11 of 100 checks, and four times 100 ms.
        let text = stdout(
            &[
                "access",
                "--format",
                "set",
                "region",
                "<access rate> for <age>",
                "--format",
                "set",
                "snapshot_head",
                "",
                "--format",
                "set",
                "snapshot_tail",
                "",
            ],
            &output,
        );
        let found = text.matches("50 %").count();
        assert_eq!(
            (found, text.matches(" for 400 ms").count()),
            (2, 2),
            "{text}"
        );
        if format == "json" {
            // The peer's json tells both in its own words, too.
            let text = std::fs::read_to_string(&output).unwrap();
            for told in [
                "\"percent\": 50\n",
                "\"usec\": \"400 ms\",",
                "\"aggr_intervals\": \"4\"",
            ] {
                assert_eq!(text.matches(told).count(), 2, "{told}: {text}");
            }
        }
    }
}

#[test]
fn validating_tells_the_first_rule_that_is_broken() {
    let folder = folder();
    let items: Vec<Item> = (0..50)
        .map(|i| {
            let mut it = snapshot(0, i * 100, &[(1, 1, 1), (2, 1, 2), (3, 1, 20)]);
            if let (Item::Snapshot(it), true) = (&mut it, i % 10 == 9) {
                it.regions.pop();
            }
            it
        })
        .collect();
    let record = record(&folder, Vec::new(), &items);
    let validate = |args: &[&str]| {
        let input = ["validate", "-i", record.to_str().unwrap()];
        let (code, out, said) = damo(&[&input, args].concat());
        assert_eq!(said, "");
        (code.unwrap(), out)
    };
    // Five of 50 have two regions; one may, by default.
    let few = "invalid: expect 3<=nr_regions<=1200 but 2\n".to_owned();
    assert_eq!(validate(&[]), (1, few.clone()));
    assert_eq!(validate(&["--allow_error", "8"]), (1, few));
    assert_eq!(validate(&["--allow_error", "10"]), (0, String::new()));
    assert_eq!(validate(&["--nr_regions", "2", "3"]), (0, String::new()));
    for (args, said) in [
        (
            &["--aggr", "100001", "200000"][..],
            "invalid: expect 100001<=aggregate interval<=200000 but 100000\n",
        ),
        (
            &["--nr_accesses", "0", "19"],
            "invalid: expect 0<=nr_accesses<=19 but 20\n",
        ),
        (
            &["--regions_boundary", "4096-8192", "8192-16383"],
            "region 12288-16384 out of the boundary\n",
        ),
    ] {
        let args = [&["--nr_regions", "2", "3"], args].concat();
        assert_eq!(validate(&args), (1, said.to_owned()));
    }
    let inside = ["--nr_regions", "2", "3", "--regions_boundary", "0-16384"];
    assert_eq!(validate(&inside), (0, String::new()));
    let Some(v1) = fixtures() else { return };
    let v3 = v1.join("../v3/zigzag.json_compressed");
    let v3 = ["validate", "-i", v3.to_str().unwrap()];
    for (args, code, said) in [
        (&[][..], 0, ""),
        (
            &["--nr_regions", "3", "15"],
            1,
            "invalid: expect 3<=nr_regions<=15 but 17\n",
        ),
        (
            &["--nr_regions", "3", "18"],
            1,
            "invalid: expect 3<=nr_regions<=18 but 19\n",
        ),
        (
            &["--aggr", "1", "2"],
            1,
            "invalid: expect 1<=aggregate interval<=2 but 103990\n",
        ),
        (
            &["--nr_accesses", "1", "2"],
            1,
            "invalid: expect 1<=nr_accesses<=2 but 0\n",
        ),
        (
            &["--regions_boundary", "100-200"],
            1,
            "region 94827419009024-94827423150080 out of the boundary\n",
        ),
    ] {
        let (ours, out, _) = damo(&[&v3[..], args].concat());
        assert_eq!((ours, out.as_str()), (Some(code), said), "{args:?}");
    }
}
