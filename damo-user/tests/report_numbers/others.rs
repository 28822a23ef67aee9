//! `report nr_regions`, `footprints` and `times`.

use damo_user::model::{Known, ProcessMemory, SystemMemory};

use super::made::*;
use super::report_common::*;

#[test]
fn regions_are_counted_as_the_peer_does() {
    let folder = folder();
    let blocks: Vec<Block> = (0..40)
        .map(|i| {
            let regions = (0..1 + i % 5).map(|r| (r * 4096, (r + 1) * 4096, 1));
            (
                i * 100_000_000 + 5_000_000_000,
                vec![(3, regions.collect())],
            )
        })
        .collect();
    let record = file(&folder, "record", legacy(2, &blocks));
    let head = "# <percentile> <# regions>\n# target_id\t3\n# avr:\t3\n";
    assert_eq!(
        stdout(&["nr_regions"], &record),
        format!("{head}0\t1\n25\t2\n50\t3\n75\t4\n100\t5\n")
    );
    assert_eq!(
        stdout(&["nr_regions", "-s", "time", "-r", "0", "10", "5"], &record),
        format!("{head}0\t1\n5\t2\n")
    );
    let json = stdout(
        &["nr_regions", "--format", "json", "-r", "50", "51", "1"],
        &record,
    );
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["nr_regions"], 3);
    assert_eq!(json[0]["percentile"], serde_json::Value::Null);
    assert_eq!(json[1]["percentile"], 50);
    assert_eq!(json[1]["target_id"], "3");
}

#[test]
fn numbers_of_the_fixture_are_the_peers() {
    let Some(v1) = fixtures() else { return };
    let v3 = v1.join("../v3/zigzag.json_compressed");
    let expected = "# <percentile> <# regions>\n# target_id\t18446623438842320000\n# avr:\t18\n\
         0\t16\n25\t17\n50\t18\n75\t19\n100\t21\n";
    assert_eq!(stdout(&["nr_regions"], &v3), expected);
    assert_eq!(
        stdout(&["times"], &v3),
        "539.809434-596.606619\n# (seconds)\n"
    );
    let args = ["times", "--snapshot_time", "539914032967", "540437986000"];
    assert_eq!(stdout(&args, &v3), "539.914033-540.333995\n# (seconds)\n");
    let args = ["times", "--snapshot_idx", "3", "5"];
    assert_eq!(stdout(&args, &v3), "540.122014-540.437986\n# (seconds)\n");
}

#[test]
fn footprints_are_those_of_all_processes() {
    let folder = folder();
    let mut items = Vec::new();
    for i in 0..5_u64 {
        for pid in [5, 6] {
            items.push(note(
                i * 1000,
                Known::ProcessMemory(ProcessMemory {
                    pid,
                    virtual_bytes: 1 << 20,
                    resident_bytes: (i + 1) * 64 * 1024,
                    shared_bytes: 0,
                }),
            ));
        }
        items.push(note(
            i * 1000,
            Known::SystemMemory(SystemMemory {
                total_bytes: 1 << 30,
                free_bytes: 1 << 29,
                ..SystemMemory::default()
            }),
        ));
    }
    let record = record(&folder, Vec::new(), &items);
    assert_eq!(
        stdout(&["footprints", "rss", "--nr_cols_bar", "10"], &record),
        "# <percentile> <rss>\n# avr:\t384.000 KiB\n  0     128.000 KiB |**        |\n \
         25     256.000 KiB |****      |\n 50     384.000 KiB |******    |\n 75     512.000 KiB |********  |\n\
         100     640.000 KiB |**********|\n"
    );
    assert_eq!(
        stdout(
            &["footprints", "vsz", "--all_footprint", "--raw_number"],
            &record
        ),
        "# <percentile> <vsz>\n# avr:\t2097152\n0 2097152\n1 2097152\n2 2097152\n3 2097152\n4 2097152\n"
    );
    let (head, rows) = csv(&["footprints"], &record);
    assert_eq!(head, "metric,percentile,bytes");
    assert_eq!(
        rows.iter()
            .filter(|row| row[0] == "sys_used" && row[2] == "536870912")
            .count(),
        6
    );
}

/// As damo 3 writes it, with other numbers.
const SIDE_FILE: &str = r#"[
    {"time": 100.5, "footprints": [
        {"pid": 77, "footprint": {"size": 10, "resident": 5, "shared": 1, "trs": 1, "lrs": 0, "drs": 1, "dt": 0}},
        {"pid": 78, "footprint": {"size": 20, "resident": 6, "shared": 1, "trs": 1, "lrs": 0, "drs": 1, "dt": 0}},
        {"pid": null, "footprint": {"total": 1000, "free": 400, "available": 5, "buffers": 1, "cached": 2}}]},
    {"time": 101.5, "footprints": [
        {"pid": 77, "footprint": {"size": 40, "resident": 8, "shared": 1, "trs": 1, "lrs": 0, "drs": 1, "dt": 0}},
        {"pid": null, "footprint": {"total": 1000, "free": 300, "available": 5, "buffers": 1, "cached": 2}}]}
]"#;

#[test]
fn the_peers_side_file_is_read() {
    let folder = folder();
    let side = file(&folder, "old.data.mem_footprint", SIDE_FILE);
    let record = file(&folder, "old.data", legacy(2, &two_targets(3)));
    let expected = "# <percentile> <vsz>\n# avr:\t143360\n0 122880\n1 163840\n\
        # <percentile> <rss>\n# avr:\t38912\n0 32768\n1 45056\n\
        # <percentile> <sys_used>\n# avr:\t665600\n0 614400\n1 716800\n";
    for input in [&side, &record] {
        let args = ["footprints", "all", "--all_footprint", "--raw_number"];
        assert_eq!(stdout(&args, input), expected);
    }
    let broken = file(&folder, "broken.mem_footprint", &SIDE_FILE[..400]);
    let (code, said) = failure(&["footprints"], &broken);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("broken.mem_footprint") && said.contains("line"),
        "{said}"
    );
}

#[test]
fn times_are_those_of_what_fits() {
    let folder = folder();
    let mut items = Vec::new();
    for i in 0..10 {
        let hot = if (3..6).contains(&i) { 20 } else { 1 };
        items.push(snapshot(0, 1000 + i * 100, &[(0, 10, hot)]));
    }
    let record = record(&folder, Vec::new(), &items);
    let times = |args: &[&str]| stdout(&[&["times"], args].concat(), &record);
    assert_eq!(times(&[]), "1.000000-2.000000\n# (seconds)\n");
    assert_eq!(
        times(&["--access_rate", "50", "100"]),
        "1.300000-1.600000\n# (seconds)\n"
    );
    assert_eq!(
        times(&["--access_rate", "0", "50"]),
        "1.000000-1.300000\n# (seconds)\n1.600000-2.000000\n# (seconds)\n"
    );
    assert_eq!(
        times(&["--snapshot_idx", "8", "20"]),
        "1.800000-2.000000\n# (seconds)\n"
    );
    assert_eq!(times(&["--sz_snapshot", "41K", "max"]), "");
    assert_eq!(
        times(&["--temperature", "1000", "max"].map(|it| if it == "max" { "99999" } else { it })),
        "1.300000-1.600000\n# (seconds)\n"
    );
    let (head, rows) = csv(&["times"], &record);
    assert_eq!(head, "kdamond,target_id,start_ns,end_ns");
    assert_eq!(rows, [["1", "0", "1000000000", "2000000000"]]);
    let (code, said) = failure(&["times", "--snapshot_idx", "9", "8"], &record);
    assert_eq!(code, Some(2));
    assert!(said.contains("--snapshot_idx 9 8"), "{said}");
}
