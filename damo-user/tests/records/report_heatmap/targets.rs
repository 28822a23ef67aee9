//! Of which records, targets and regions a heatmap is.

use std::path::PathBuf;

use damo_user::model::{Extra, Meta, Origin, TargetInfo, TargetKey};

use super::*;

/// Two kdamonds, two schemes and equal target ids, as the peer's json has them.
fn several(folder: &tempfile::TempDir) -> PathBuf {
    let known = [
        (0, 0, None, 3, 4),
        (0, 0, Some(1), 3, 6),
        (1, 0, None, 3, 8),
        (1, 0, None, 5, 2),
    ];
    let mut meta = Meta::default();
    let mut snapshots = Vec::new();
    for (number, (kdamond, context, scheme, target_id, pages)) in (0..).zip(known) {
        let key = TargetKey {
            kdamond: number,
            target_id,
        };
        meta.targets.push(TargetInfo {
            target_id,
            kdamond: number,
            origin: Some(Origin {
                kdamond_idx: Some(kdamond),
                context_idx: Some(context),
                scheme_idx: scheme,
                ..Origin::default()
            }),
            ..TargetInfo::default()
        });
        for nth in 0..2 {
            let times = (1000 + nth * 100, 1100 + nth * 100);
            snapshots.push(snapshot(key, times, &[(10, 10 + pages, number + 1, 0)]));
        }
    }
    write(folder, "several.data", &meta, &snapshots)
}

#[test]
fn targets_are_chosen_by_their_indices() {
    let folder = folder();
    let record = several(&folder);
    let chosen = |args: &[&str]| heats(&[&["--resol", "1", "1"], args].concat(), &record);
    // The one with the most memory.
    assert_eq!(chosen(&[]), ["30.0"]);
    assert_eq!(chosen(&["--kdamond_idx", "0"]), ["10.0"]);
    assert_eq!(
        chosen(&["--kdamond_idx", "0", "--scheme_idx", "1"]),
        ["20.0"]
    );
    assert_eq!(chosen(&["--tid", "5"]), ["40.0"]);
    let guide = stdout(&["heatmap", "--guide"], &record);
    let heads: Vec<&str> = guide.lines().filter(|line| line.contains("idx")).collect();
    assert_eq!(
        heads,
        [
            "kdamond_idx: 1",
            "context_idx: 0",
            "kdamond_idx: 0",
            "context_idx: 0",
            "scheme_idx: 1",
            "kdamond_idx: 0",
            "context_idx: 0",
            "kdamond_idx: 1",
            "context_idx: 0",
        ]
    );
    let (code, message) = failure(&["heatmap", "--scheme_idx", "4"], &record);
    assert_eq!(code, Some(2));
    assert!(
        message.contains("--kdamond_idx 0 --context_idx 0 --scheme_idx 1 --tid 3"),
        "{message}"
    );
    // Of a record without indices, the peer says 0.
    let plain = process(&folder);
    let peers = stdout(&["heatmap", "--guide", "--compat", "damo"], &plain);
    assert!(
        peers.starts_with("kdamond_idx: 0\ncontext_idx: 0\ntarget_id: 0\n"),
        "{peers}"
    );
}

#[test]
fn several_records_are_one() {
    let folder = folder();
    let meta = Meta::default();
    let of = |name: &str, start, nr_accesses| {
        let snapshots = [
            snapshot(TARGET, (start, start + 100), &[(10, 20, nr_accesses, 0)]),
            snapshot(
                TARGET,
                (start + 100, start + 200),
                &[(10, 20, nr_accesses, 50)],
            ),
        ];
        write(&folder, name, &meta, &snapshots)
    };
    let (first, second) = (of("first", 1000, 1), of("second", 1200, 2));
    let second = second.to_str().unwrap();
    let args = ["--resol", "4", "1", "-i", second];
    assert_eq!(heats(&args, &first), ["10.0", "10.0", "20.0", "20.0"]);
}

#[test]
fn only_what_passed_filters_counts_where_asked_for() {
    let folder = folder();
    let mut one = snapshot(TARGET, (1000, 1100), &[(10, 14, 4, 0), (14, 18, 4, 0)]);
    one.extra = Some(Box::new(Extra {
        filter_passed: vec![Some(PAGE), None],
        ..Extra::default()
    }));
    let record = write(&folder, "passed", &Meta::default(), &[one.clone()]);
    assert_eq!(heats(&["--resol", "1", "2"], &record), ["40.0", "40.0"]);
    assert_eq!(
        heats(&["--resol", "1", "2", "--df_passed"], &record),
        ["10.0", "0.0"]
    );
}

#[test]
fn regions_can_be_sorted_by_temperature() {
    let folder = folder();
    let pages = [
        (10, 12, 4, 0),
        (12, 14, 0, 9),
        (14, 16, 20, 5),
        (16, 18, 0, 1),
    ];
    let snapshots = [snapshot(TARGET, (1000, 1100), &pages)];
    let record = write(&folder, "sorted", &Meta::default(), &snapshots);
    let args = [
        "--resol",
        "1",
        "4",
        "--time_range",
        "1s",
        "1100ms",
        "--sort_temperature",
    ];
    // Idle for long, idle, a little in use, in use.
    assert_eq!(heats(&args, &record), ["0.0", "0.0", "40.0", "200.0"]);
    // With negative weights the hottest come first; idleness counts nothing.
    let other = [&args[..], &["--temperature_weights", "-1", "0"]].concat();
    assert_eq!(heats(&other, &record), ["200.0", "40.0", "0.0", "0.0"]);
    let plain = file(&folder, "plain", legacy(2, &two_targets(3)));
    let (code, message) = failure(&["heatmap", "--sort_temperature"], &plain);
    assert_eq!(code, Some(2));
    assert!(message.contains("does not tell its intervals"), "{message}");
}
