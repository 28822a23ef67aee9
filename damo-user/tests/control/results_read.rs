//! What DAMON's files say of its work, on every kernel, in every form.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use crate::common;

use common::fake_kernel::{FakeKernel, Version};
use common::fixtures::PID;
use damo_user::control::params::{Params, read};
use damo_user::control::results::{
    CpuUsage, Results, Stats, TriedRegion, read_cpu_usage, read_results,
};

const SCHEME: &str = "kdamonds/0/contexts/0/schemes/0";

/// A kdamond that is on, with a scheme that has done something, and one that
/// is off.
fn working(version: Version) -> std::sync::Arc<FakeKernel> {
    let kernel = FakeKernel::new(version);
    kernel.start_process(PID, "victim");
    for (path, value) in [
        ("kdamonds/nr_kdamonds", "2"),
        ("kdamonds/0/contexts/nr_contexts", "1"),
        ("kdamonds/0/contexts/0/targets/nr_targets", "1"),
        ("kdamonds/0/contexts/0/targets/0/pid_target", "4242"),
        ("kdamonds/0/contexts/0/schemes/nr_schemes", "1"),
        ("kdamonds/0/state", "on"),
    ] {
        kernel.set(path, value);
    }
    for (file, value) in [
        ("stats/nr_tried", "1234"),
        ("stats/sz_tried", "5368709120"),
        ("stats/qt_exceeds", "7"),
        ("quotas/effective_bytes", "4096"),
        ("tried_regions/total_bytes", "12288"),
    ] {
        kernel.tell(&format!("{SCHEME}/{file}"), value);
    }
    // As 6.17 names them, where 18 sorts before 2.
    for (name, start, end) in [
        (16, "4096", "8192"),
        (18, "8192", "12288"),
        (2, "0", "4096"),
    ] {
        let values = [
            ("start", start),
            ("end", end),
            ("nr_accesses", "3"),
            ("age", "17"),
        ];
        let hits: &[&str] = if version >= Version::V7_2 {
            &["1", "0"]
        } else {
            &[]
        };
        kernel.tried(SCHEME, name, &values, hits);
    }
    kernel
}

#[test]
fn every_kernel() {
    for version in Version::ALL {
        let kernel = working(version);
        let (before, tree) = (kernel.dump(), kernel.system().admin());
        let results = read_results(&tree).unwrap();
        let params = read(&tree).unwrap();
        assert!(before == kernel.dump());
        assert_eq!(kernel.writes(), 0);
        let [first, second] = results.kdamonds.as_slice() else {
            panic!("{results:?}")
        };
        let state = |k: &damo_user::control::results::KdamondResults| (k.state.clone(), k.pid);
        assert_eq!(state(first), (Some("on".to_owned()), Some(800)));
        assert_eq!(state(second), (Some("off".to_owned()), None));
        let scheme = &first.contexts[0].schemes[0];
        let later = |since| (version >= since).then_some(0);
        let expected = Stats {
            nr_tried: Some(1234),
            sz_tried_bytes: Some(5 << 30),
            nr_applied: Some(0),
            sz_applied_bytes: Some(0),
            sz_ops_filter_passed_bytes: later(Version::V6_17),
            qt_exceeds: Some(7),
            nr_snapshots: later(Version::V7_2),
        };
        assert_eq!(scheme.stats, Some(expected));
        let tried = scheme.tried_regions.as_ref().unwrap();
        let starts: Vec<_> = tried.regions.iter().map(|region| region.start).collect();
        assert_eq!((tried.total_bytes, starts), (12_288, vec![0, 4096, 8192]));
        let region = TriedRegion {
            start: 0,
            end: 4096,
            nr_accesses_samples: 3,
            age_aggr_intervals: 17,
            sz_filter_passed_bytes: later(Version::V6_17),
            probe_hits: if version >= Version::V7_2 {
                vec![1, 0]
            } else {
                Vec::new()
            },
        };
        assert_eq!(tried.regions[0], region);
        // And back from every form.
        for raw in [false, true] {
            let json = results.to_json(&params, raw);
            let text = json.to_string();
            assert_eq!(Results::from_json(&text).unwrap(), results, "{text}");
            assert_eq!(Params::from_json(&text).unwrap(), params, "{text}");
            let yaml = damo_user::control::params::yaml_of(&json).unwrap();
            assert_eq!(Results::from_yaml(&yaml).unwrap(), results, "{yaml}");
            // As the peer has it: only a list.
            let list = json["kdamonds"].to_string();
            assert_eq!(Results::from_json(&list).unwrap(), results);
            assert_eq!(Params::from_json(&list).unwrap(), params);
        }
    }
}

#[test]
fn for_people() {
    let kernel = working(Version::V7_3);
    let tree = kernel.system().admin();
    let (params, mut results) = (read(&tree).unwrap(), read_results(&tree).unwrap());
    let report = params.report_with(&results, false);
    let tail = "            statistics
                tried 1,234 times (5.000 GiB)
                applied 0 times (0 B)
                0 B passed filters
                quota exceeded 7 times
                tried 0 snapshots (max 0)
            tried regions (12.000 KiB)
                [0, 4,096) (4.000 KiB): nr_accesses: 3 samples, age: 17 aggr_intervals, probe_hits: 1 0, filter_passed: 0 B
                [4,096, 8,192) (4.000 KiB): nr_accesses: 3 samples, age: 17 aggr_intervals, probe_hits: 1 0, filter_passed: 0 B
                [8,192, 12,288) (4.000 KiB): nr_accesses: 3 samples, age: 17 aggr_intervals, probe_hits: 1 0, filter_passed: 0 B
kdamond 1
    state: off
";
    assert!(report.ends_with(tail), "{report}");
    assert!(
        report.starts_with("kdamond 0\n    state: on, pid: 800\n    context 0\n"),
        "{report}"
    );
    assert!(
        report.contains("0 ns / 0 B / 4.000 KiB per 0 ns\n"),
        "{report}"
    );
    assert!(!report.contains("18,446"), "{report}");
    results.forget_tried_regions();
    assert!(
        !params
            .report_with(&results, false)
            .contains("tried regions")
    );
    // Where regions go away while they are read, there are fewer.
    kernel.before(common::fake_kernel::When::Touching("age"), |state| {
        state.kernel_forgets("kdamonds/0/contexts/0/schemes/0/tried_regions/2");
    });
    let fewer = read_results(&tree).unwrap();
    let tried = fewer.kdamonds[0].contexts[0].schemes[0]
        .tried_regions
        .clone()
        .unwrap();
    assert_eq!(tried.regions.len(), 2, "{tried:?}");
}

/// Addresses stay in the context's unit; bytes are bytes.
#[test]
fn units() {
    let kernel = working(Version::V7_3);
    kernel.set("kdamonds/0/contexts/0/addr_unit", "4096");
    let results = read_results(&kernel.system().admin()).unwrap();
    let tried = results.kdamonds[0].contexts[0].schemes[0]
        .tried_regions
        .clone()
        .unwrap();
    assert_eq!(
        (tried.total_bytes, tried.regions[2].end),
        (12_288 * 4096, 12_288)
    );
    let params = read(&kernel.system().admin()).unwrap();
    let report = params.report_with(&results, false);
    assert!(
        report.contains("[0, 4,096) (16.000 MiB): nr_acc"),
        "{report}"
    );
}

#[test]
fn processor_time() {
    let kernel = working(Version::V7_3);
    let system = kernel.system();
    let mut results = read_results(&system.admin()).unwrap();
    kernel.state(|state| {
        state.kernel_says(
            "/proc/800/stat",
            "800 (kdamond.0) S 2 0 0 0 -1 2129984 0 0 0 0 3 12 0 0 20 0 1 0 77 0 0",
        )
    });
    kernel.state(|state| state.kernel_says("/proc/uptime", "10.77 20.00"));
    read_cpu_usage(&mut results, &system.proc_tree());
    let usage = CpuUsage {
        cpu_time_ms: 150,
        running_ms: 10_000,
    };
    assert_eq!(results.kdamonds[0].cpu_usage, Some(usage));
    assert_eq!(results.kdamonds[1].cpu_usage, None);
    assert_eq!(
        results.kdamonds[0].to_string(),
        "state: on, pid: 800, cpu usage: 1.5 % (150 ms in 10 s)"
    );
}
