//! What the peer (damo 3.4.3) prints by `args damon` and `report damon`, with
//! every key that it has, can be read; what no kernel has is refused by name.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use damo_user::control::params::*;
use damo_user::model::Ops;
use serde_json::{Value, json};

/// `report damon --format json`: a list, with states, results and nulls, and
/// numbers as texts.
fn reported() -> Value {
    json!([{
        "state": "on", "pid": "1234", "refresh_ms": 0,
        "contexts": [{
            "ops": "paddr", "addr_unit": "4.000000 KiB",
            "targets": [{"pid": 0, "obsolete": false,
                "regions": [{"start": "1,048,576", "end": "2,097,152"}]}],
            "intervals": {"sample_us": "5 ms", "aggr_us": "100 ms", "ops_update_us": "1 m",
                "intervals_goal": {"access_bp": "4 %", "aggrs": "3", "min_sample_us": "5 ms", "max_sample_us": "10 s"}},
            "nr_regions": {"min": "10", "max": "1,000"},
            "probes": [{"preps": [], "weight": 3, "filters": [
                {"filter_type": "memcg", "matching": true, "allow": true, "path": "/a",
                    "range_min": null, "range_max": null}]}],
            "sample_control": {"primitives_enabled": {"page_table": true, "page_fault": false},
                "sample_filters": []},
            "pause": false,
            "schemes": [{
                "action": "migrate_cold", "dests": [{"id": 0, "weight": 7}], "target_nid": "-1",
                "access_pattern": {
                    "sz_bytes": {"min": "0 B", "max": "max"},
                    "nr_accesses": {"min": "0 samples", "max": "18,446,744,073,709,551,615 samples"},
                    "age": {"min": "600 aggr_intervals", "max": "4,294,967,295 aggr_intervals"}},
                "apply_interval_us": "0 ns",
                "quotas": {"time_ms": "0 ns", "sz_bytes": "1024.000 MiB", "reset_interval_ms": "1 s",
                    "fail_charge_num": "1", "fail_charge_denom": "4,096",
                    "goals": [
                        {"metric": "node_memcg_used_bp", "complement": false, "nid": "0",
                            "memcg_path": "/b", "target_value": "9,950", "current_value": "0"},
                        {"metric": "some_mem_psi_us", "complement": false, "nid": null,
                            "memcg_path": null, "target_value": "10,000", "current_value": "0"}],
                    "goal_tuner": "temporal", "effective_sz_bytes": "12.500 MiB",
                    "weights": {"sz_permil": "0 %", "nr_accesses_permil": "0.3 %", "age_permil": "99.7 %"}},
                "watermarks": {"metric": "none", "interval_us": "0 ns",
                    "high_permil": "0 %", "mid_permil": "0 %", "low_permil": "0 %"},
                "filters": [
                    {"filter_type": "addr", "matching": true, "allow": false, "memcg_path": "",
                        "address_range": {"start": "1,048,576", "end": "1,048,580"},
                        "damon_target_idx": null, "hugepage_size": null, "probe_hits_wsum_range": null},
                    {"filter_type": "hugepage_size", "matching": false, "allow": true, "memcg_path": "",
                        "address_range": null, "damon_target_idx": null,
                        "hugepage_size": ["2.000 MiB", "max"], "probe_hits_wsum_range": null}],
                "stats": {"nr_tried": "1,234", "sz_tried": "5.000 GiB", "nr_applied": "0", "sz_applied": "0 B",
                    "sz_ops_filter_passed": "0 B", "qt_exceeds": "7", "nr_snapshots": "9", "max_nr_snapshots": "12"},
                "tried_regions": {"total_bytes": "0 B", "regions": []},
            }],
        }],
    }])
}

/// The scheme of some such json.
fn scheme(json: &mut Value) -> &mut Value {
    &mut json[0]["contexts"][0]["schemes"][0]
}

#[test]
fn what_it_reports_is_taken() {
    let json = reported();
    let params = Params::from_json(&json.to_string()).unwrap();
    params.validate().unwrap();
    let context = &params.kdamonds[0].contexts[0];
    assert_eq!(
        (context.ops, context.addr_unit, context.targets[0].pid),
        (Ops::Paddr, 4096, None)
    );
    assert_eq!(context.probes[0].weight, 3);
    assert_eq!(
        context.probes[0].filters[0].kind,
        FilterKind::Memcg("/a".into())
    );
    let scheme = &context.schemes[0];
    assert_eq!(
        (scheme.target_nid, scheme.max_nr_snapshots, scheme.dests[0]),
        (-1, 12, Dest { id: 0, weight: 7 })
    );
    assert_eq!(scheme.access_pattern.nr_accesses.max, AccessRate::Max);
    let quotas = &scheme.quotas;
    assert_eq!(
        (quotas.fail_charge_denom, quotas.weights.nr_accesses_permil),
        (4096, 3)
    );
    assert_eq!(quotas.effective_sz_bytes, 25 << 19);
    let goals: Vec<_> = quotas
        .goals
        .iter()
        .map(|goal| (goal.target_value, goal.path.as_str()))
        .collect();
    assert_eq!(goals, [(9_950, "/b"), (10_000, "")]);
    assert_eq!(
        scheme.filters[1].kind,
        FilterKind::HugepageSize {
            min: 2 << 20,
            max: u64::MAX
        }
    );
    // `args damon` has an object, and neither states nor results.
    let mut args = json;
    for key in ["state", "pid"] {
        args[0].as_object_mut().unwrap().remove(key);
    }
    let args = json!({ "kdamonds": args });
    assert_eq!(Params::from_json(&args.to_string()).unwrap(), params);
    // Its yaml is yaml of the same.
    let yaml = serde_saphyr::to_string(&args).unwrap();
    assert_eq!(Params::from_yaml(&yaml).unwrap(), params);
    // A context of the peer's that watches a process.
    let vaddr = r#"[{"state": null, "pid": null, "contexts": [{"ops": "vaddr", "targets":
        [{"pid": 42, "obsolete": false, "regions": []}], "schemes": null}]}]"#;
    let params = Params::from_json(vaddr).unwrap();
    assert_eq!(params.kdamonds[0].contexts[0].targets[0].pid, Some(42));
}

/// Without units, shares have decimals, and some times are in nanoseconds.
#[test]
fn what_it_prints_raw_is_taken() {
    let mut json = reported();
    let humane = scheme(&mut json);
    humane["quotas"]["time_ms"] = "10 ms".into();
    humane["watermarks"]["interval_us"] = "5 s".into();
    humane["access_pattern"]["age"] = json!({ "min": "1 m", "max": "max" });
    let params = Params::from_json(&json.to_string()).unwrap();
    let mut raw = json;
    raw[0]["contexts"][0]["intervals"]["intervals_goal"]["access_bp"] = "400.000000".into();
    raw[0]["contexts"][0]["intervals"]["ops_update_us"] = "60000000".into();
    let machine = scheme(&mut raw);
    machine["quotas"]["weights"] = json!({ "sz_permil": "0.000000", "nr_accesses_permil": "3.000000", "age_permil": "997.000000" });
    machine["quotas"]["time_ms"] = "10000000".into();
    machine["quotas"]["reset_interval_ms"] = "1000000000".into();
    machine["watermarks"]["interval_us"] = "5000000000".into();
    machine["access_pattern"]["age"] =
        json!({ "min": "60000000000", "max": "18446744073709551615000" });
    assert_eq!(Params::from_json(&raw.to_string()).unwrap(), params);
    scheme(&mut raw)["quotas"]["reset_interval_ms"] = "18446744073709551615000000".into();
    let quotas = Params::from_json(&raw.to_string()).unwrap().kdamonds[0].contexts[0].schemes[0]
        .quotas
        .clone();
    assert_eq!(quotas.reset_interval_ms, u64::MAX);
    // Our own raw form is meant as it says.
    let ours = params.to_json(true).to_string();
    assert_eq!(Params::from_json(&ours).unwrap(), params);
    scheme(&mut raw)["quotas"]["weights"]["age_permil"] = "997.5".into();
    let error = Params::from_json(&raw.to_string()).unwrap_err().to_string();
    assert!(error.contains("'997.5' is not a whole number"), "{error}");
}

#[test]
fn what_no_kernel_has_is_refused() {
    type Change = fn(&mut Value);
    let table: &[(Change, &str, &str)] = &[
        (
            |json| {
                json[0]["contexts"][0]["sample_control"]["primitives_enabled"]["page_fault"] =
                    true.into()
            },
            "[0].contexts[0].sample_control.primitives_enabled.page_fault",
            "must be false; no kernel up to 7.3",
        ),
        (
            |json| {
                json[0]["contexts"][0]["sample_control"]["primitives_enabled"]["page_table"] =
                    "N".into()
            },
            "[0].contexts[0].sample_control.primitives_enabled.page_table",
            "must be true; ",
        ),
        (
            |json| {
                json[0]["contexts"][0]["sample_control"]["sample_filters"] =
                    json!([{"filter_type": "write"}])
            },
            "[0].contexts[0].sample_control.sample_filters",
            "must be an empty list; ",
        ),
        (
            |json| {
                json[0]["contexts"][0]["probes"][0]["preps"] =
                    json!([{"prep_action": "set_pgidle"}])
            },
            "[0].contexts[0].probes[0].preps",
            "no kernel up to 7.3 prepares pages",
        ),
        (
            |json| {
                json[0]["contexts"][0]["probes"][0]["filters"][0]["filter_type"] =
                    "pgidle_set".into()
            },
            "[0].contexts[0].probes[0].filters[0].filter_type",
            "no kernel up to 7.3 has 'pgidle_set' in a probe; a probe's filter is anon or memcg",
        ),
        (
            |json| scheme(json)["quotas"]["goals"][1]["complement"] = true.into(),
            "[0].contexts[0].schemes[0].quotas.goals[1].complement",
            "no kernel up to 7.3 takes",
        ),
        (
            |json| {
                scheme(json)["filters"][0] = json!({"filter_type": "probe_hits_wsum", "matching": true,
                "allow": true, "probe_hits_wsum_range": ["0", "max"]})
            },
            "[0].contexts[0].schemes[0].filters[0]",
            "no kernel up to 7.3 has filters of type probe_hits_wsum",
        ),
        (
            |json| scheme(json)["target_nid"] = "x".into(),
            "[0].contexts[0].schemes[0].target_nid",
            "'x' is not a whole number",
        ),
        (
            |json| json[0]["contexts"][0]["targets"][0]["pid"] = json!(-7),
            "[0].contexts[0].targets[0].pid",
            "-7 is not a process id",
        ),
    ];
    for (change, path, message) in table {
        let mut json = reported();
        change(&mut json);
        let error = Params::from_json(&json.to_string())
            .unwrap_err()
            .to_string();
        let expected = format!("json, at {path}: {message}");
        assert!(error.starts_with(&expected), "{expected}\n{error}");
    }
}
