//! `report footprints`: of records, and of the peer's file beside them.

use damo_user::model::{Known, ProcessMemory, SystemMemory};

use super::*;

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
    let plot = folder.path().join("memory.svg");
    let drawn = |metric: &str| {
        stdout(
            &["footprints", metric, "--plot", plot.to_str().unwrap()],
            &record,
        );
        std::fs::read_to_string(&plot).unwrap()
    };
    let (one, all) = (drawn("rss"), drawn("all"));
    assert!(
        one.contains(">Memory (rss)<") && !one.contains(">rss<"),
        "{one}"
    );
    assert!(
        all.contains(">Memory<") && all.contains(">sys_used<"),
        "{all}"
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
