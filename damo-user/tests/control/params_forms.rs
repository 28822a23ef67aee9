//! The texts that parameters are read from and printed as.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use damo_user::control::params::*;
use damo_user::model::Ops;

/// The example of the peer's report, as the peer's json.
const PEER: &str = r#"{"kdamonds": [{"refresh_ms": "0 s", "contexts": [{
    "ops": "paddr", "addr_unit": 1,
    "targets": [{"pid": null, "regions": [{"start": "0", "end": "1,000,000"}]}],
    "intervals": {"sample_us": "5 ms", "aggr_us": "100 ms", "ops_update_us": "1 s",
        "intervals_goal": {"access_bp": "0 %", "aggrs": "0", "min_sample_us": "0 ns", "max_sample_us": "0 ns"}},
    "nr_regions": {"min": "10", "max": "1,000"},
    "schemes": [{
        "action": "pageout", "dests": [], "target_nid": null,
        "access_pattern": {
            "sz_bytes": {"min": "4.000 KiB", "max": "max"},
            "nr_accesses": {"min": "0 %", "max": "0 %"},
            "age": {"min": "1 m", "max": "max"}},
        "apply_interval_us": "0 ns",
        "quotas": {"time_ms": "10 ms", "sz_bytes": "1024.000 MiB", "reset_interval_ms": "1 s",
            "goals": [], "effective_sz_bytes": "0 B",
            "weights": {"sz_permil": "0 %", "nr_accesses_permil": "3 %", "age_permil": "97 %"}},
        "watermarks": {"metric": "free_mem_rate", "interval_us": "5 s",
            "high_permil": "60 %", "mid_permil": "50 %", "low_permil": "30 %"},
        "filters": [{"filter_type": "memcg", "matching": true, "allow": false, "memcg_path": "/foo",
            "address_range": null, "damon_target_idx": null, "hugepage_size": null}],
        "stats": {"nr_tried": "0"}
    }]}]}]}"#;

#[test]
fn the_peers_json_and_report() {
    let params = Params::from_json(PEER).unwrap();
    params.validate().unwrap();
    assert_eq!(
        params.report(false),
        "\
kdamond 0
    context 0
        ops: paddr
        target 0
            region [0, 1,000,000) (976.562 KiB)
        intervals: sample 5 ms, aggr 100 ms, update 1 s
        nr_regions: [10, 1,000]
        scheme 0
            action: pageout per aggr interval
            target access pattern
                sz: [4.000 KiB, max]
                nr_accesses: [0 %, 0 %]
                age: [1 m, max]
            quotas
                10 ms / 1024.000 MiB / 0 B per 1 s
                priority: sz 0 %, nr_accesses 3 %, age 97 %
            watermarks
                metric free_mem_rate, interval 5 s
                60 %, 50 %, 30 %
            filter 0
                reject memcg /foo
"
    );
    let raw = params.report(true);
    assert!(raw.contains("region [0, 1000000) (1000000)"), "{raw}");
    assert!(raw.contains("sz: [4096, 18446744073709551615]"), "{raw}");
    assert!(raw.contains("age: [60000000, max]"), "{raw}");
    let json = params.to_json(false);
    let scheme = &json["kdamonds"][0]["contexts"][0]["schemes"][0];
    assert_eq!(scheme["access_pattern"]["sz_bytes"]["min"], "4 KiB");
    assert_eq!(scheme["access_pattern"]["age"]["min"], "1 m");
    assert_eq!(scheme["quotas"]["weights"]["age_permil"], "97 %");
    let raw = params.to_json(true);
    let raw = &raw["kdamonds"][0]["contexts"][0];
    assert_eq!(raw["intervals"]["aggr_us"], 100_000);
    assert_eq!(raw["schemes"][0]["quotas"]["sz_bytes"], 1 << 30);
}

#[test]
fn what_is_missing_is_as_by_default() {
    let params = Params::from_json(r#"{"kdamonds": [{"contexts": [{}]}]}"#).unwrap();
    assert_eq!(params, Params::of(Context::default()));
    assert_eq!(Params::from_json("[]").unwrap(), Params::default());
    let yaml = "kdamonds:\n- contexts:\n  - ops: paddr\n    intervals: {aggr_us: 1 s}\n";
    let params = Params::from_yaml(yaml).unwrap();
    let context = &params.kdamonds[0].contexts[0];
    assert_eq!(
        (context.ops, context.intervals.aggr_us),
        (Ops::Paddr, 1_000_000)
    );
    let schemes = r#"[{"action": "cold"}, {}]"#;
    let actions: Vec<Action> = Scheme::list_from_json(schemes)
        .unwrap()
        .iter()
        .map(|scheme| scheme.action)
        .collect();
    assert_eq!(actions, [Action::Cold, Action::Stat]);
}

#[test]
fn rates_and_ages_in_every_unit() {
    let rate = |text: &str| text.parse::<AccessRate>();
    assert_eq!(rate("3 samples"), Ok(AccessRate::Samples(3)));
    assert_eq!(rate("12.5 %").unwrap().to_string(), "12.5 %");
    assert_eq!(rate("80"), rate("80 %"));
    assert_eq!(rate("5 hz").unwrap().to_string(), "5 hz");
    assert_eq!(rate("max"), Ok(AccessRate::Max));
    // What the peer makes of a maximum.
    assert_eq!(rate("18,446,744,073,709,551,615 %"), Ok(AccessRate::Max));
    let age = |text: &str| text.parse::<Age>();
    assert_eq!(age("2 aggr_intervals"), Ok(Age::Aggrs(2)));
    assert_eq!(age("5 s"), Ok(Age::Us(5_000_000)));
    assert_eq!(age("7"), Ok(Age::Us(7)));
    assert_eq!(age("18446744073709551615000"), Ok(Age::Max));
    for bad in ["", "x", "5 m", "-1 %", "1.12345678 %"] {
        assert!(rate(bad).is_err(), "{bad}");
    }
    for bad in ["", "x", "5 parsecs", "5 ns", "1.5 aggr_intervals"] {
        assert!(age(bad).is_err(), "{bad}");
    }
}

#[test]
fn ranges_never_match_what_was_not_meant() {
    let samples = |min: &str, max: &str| {
        let range = RateRange {
            min: min.parse().unwrap(),
            max: max.parse().unwrap(),
        };
        range
            .samples(&MonitoringIntervals::default().plain())
            .map(|found| (found.min, found.max))
    };
    assert_eq!(samples("80 %", "100 %"), Ok((16, 20)));
    assert_eq!(samples("1 %", "9 %"), Ok((1, 1)));
    assert_eq!(samples("0 %", "4 %"), Ok((0, 0)));
    assert_eq!(samples("10 hz", "50 hz"), Ok((1, 5)));
    assert_eq!(samples("1 %", "4 %"), Err(NoWholeNumber));
    assert_eq!(samples("0 %", "max"), Ok((0, u64::from(u32::MAX))));
    let aggrs = |min, max| {
        let range = AgeRange { min, max };
        range
            .aggrs(&MonitoringIntervals::default().plain())
            .map(|found| (found.min, found.max))
    };
    assert_eq!(aggrs(Age::Us(150_000), Age::Us(250_000)), Ok((2, 2)));
    assert_eq!(
        aggrs(Age::Us(150_000), Age::Us(199_999)),
        Err(NoWholeNumber)
    );
}

#[test]
fn bad_json_is_named() {
    for (json, path, message) in [
        (r#"{"kdamond": []}"#, "kdamond", "unknown field `kdamond`"),
        (
            r#"{"kdamonds": [{"contexts": [{"schemes": [{}, {"acton": 1}]}]}]}"#,
            "kdamonds[0].contexts[0].schemes[1].acton",
            "unknown field `acton`",
        ),
        (
            r#"[{"contexts": [{"intervals": {"sample_us": "5 parsecs"}}]}]"#,
            "[0].contexts[0].intervals.sample_us",
            "'5 parsecs' is not a time",
        ),
        (
            r#"[{"contexts": [{"nr_regions": {"min": -1}}]}]"#,
            "[0].contexts[0].nr_regions.min",
            "-1 is below 0",
        ),
        (
            r#"[{"contexts": [{"schemes": [{"filters": [{"filter_type": "addr"}]}]}]}]"#,
            "[0].contexts[0].schemes[0].filters[0]",
            "needs the key address_range",
        ),
        (
            r#"[{"contexts": [{"schemes": [{"quotas": {"time_ms": "500 us"}}]}]}]"#,
            "[0].contexts[0].schemes[0].quotas.time_ms",
            "not a whole number of milliseconds",
        ),
        (
            r#"[{"contexts": [{"schemes": [{"action": "explode"}]}]}]"#,
            "[0].contexts[0].schemes[0].action",
            "'explode' is not an action: willneed, cold,",
        ),
        ("{", "the top", "EOF"),
        ("{} x", "its end", "trailing"),
    ] {
        let text = Params::from_json(json).unwrap_err().to_string();
        assert!(
            text.starts_with(&format!("json, at {path}: ")),
            "{json}: {text}"
        );
        assert!(text.contains(message), "{json}: {text}");
    }
    let text = Params::from_yaml("kdamonds:\n- refresh: 5\n")
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("kdamonds[0].refresh: unknown field"),
        "{text}"
    );
}

/// The schemes of the documents, and their ranges in DAMON's units.
#[test]
fn the_documents_schemes() {
    let text = "\
# format is:
# <min/max size> <min/max frequency (0-100)> <min/max age> <action>

min    max      80      max     100ms   max willneed
min     max     10      20      200ms   1h  cold
min     max     0       10      60s     max pageout
2M      max     90      100     100ms   max hugepage
4K max 0 0 60s max PAGEOUT
";
    let max = u64::MAX;
    let most = u64::from(u32::MAX);
    let context = Context {
        targets: vec![Target {
            pid: Some(1),
            ..Target::default()
        }],
        schemes: parse_classic(text).unwrap(),
        ..Context::default()
    };
    let params = Params::of(context);
    params.validate().unwrap();
    let resolved = params.resolved().unwrap();
    let found: Vec<_> = resolved.kdamonds[0].contexts[0]
        .schemes
        .iter()
        .map(|scheme| {
            let pattern = &scheme.access_pattern;
            let rate = |rate| match rate {
                AccessRate::Samples(samples) => samples,
                _ => most,
            };
            let age = |age| match age {
                Age::Aggrs(aggrs) => aggrs,
                _ => most,
            };
            let size = (pattern.sz_bytes.min, pattern.sz_bytes.max);
            let rates = (rate(pattern.nr_accesses.min), rate(pattern.nr_accesses.max));
            (
                size,
                rates,
                (age(pattern.age.min), age(pattern.age.max)),
                scheme.action,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ((0, max), (16, 20), (1, most), Action::Willneed),
            ((0, max), (2, 4), (2, 36_000), Action::Cold),
            ((0, max), (0, 2), (600, most), Action::Pageout),
            ((2 << 20, max), (18, 20), (1, most), Action::Hugepage),
            ((4096, max), (0, 0), (600, most), Action::Pageout),
        ]
    );
    let report = Params::of(Context {
        schemes: parse_classic("2M max    90 max    100ms max    hugepage").unwrap(),
        ..Context::default()
    })
    .report(false);
    for line in [
        "sz: [2.000 MiB, max]",
        "nr_accesses: [90 %, 100 %]",
        "age: [100 ms, max]",
    ] {
        assert!(report.contains(line), "{report}");
    }
}

#[test]
fn longer_schemes() {
    let one = |text: &str| parse_classic(text).unwrap().remove(0);
    let base = "4K max 0% 5% 1m max pageout";
    let nine = one(&format!("{base} 128M 1s"));
    assert_eq!(
        (nine.quotas.sz_bytes, nine.quotas.reset_interval_ms),
        (128 << 20, 1000)
    );
    let twelve = one(&format!("{base} 128M 1000 0 3% 970"));
    let weights = twelve.quotas.weights;
    let weights = (
        weights.sz_permil,
        weights.nr_accesses_permil,
        weights.age_permil,
    );
    assert_eq!(
        (weights, twelve.quotas.reset_interval_ms),
        ((0, 30, 970), 1000)
    );
    let marks = "free_mem_rate 5s 60% 500 30%";
    let seventeen = one(&format!("{base} 128M 1s 0 30 970 {marks}"));
    let expected = Watermarks {
        metric: WatermarkMetric::FreeMemRate,
        interval_us: 5_000_000,
        high_permil: 600,
        mid_permil: 500,
        low_permil: 300,
    };
    assert_eq!(
        (seventeen.watermarks, seventeen.quotas.time_ms),
        (expected.clone(), 0)
    );
    let eighteen = one(&format!("{base} 10ms 128M 1s 0 30 970 {marks}"));
    assert_eq!(
        (&eighteen.watermarks, eighteen.quotas.time_ms),
        (&expected, 10)
    );
    assert_eq!(eighteen.quotas.sz_bytes, 128 << 20);
}

#[test]
fn bad_schemes_are_named() {
    for (text, message) in [
        ("# nothing\n\n", "there is no scheme in it"),
        ("4K max 0 0 60s max", "line 1: 6 fields; a scheme has 7"),
        (
            "\n# x\n4K 2K 0 0 1s 2s stat",
            "line 3: min-size '4K': is above max-size '2K'",
        ),
        (
            "0 max 5 4 0 max stat",
            "line 1: min-freq '5': is above max-freq '4'",
        ),
        // 0 is 0, not "no limit".
        (
            "min 0 0 0 0 0 stat\n1 0 0 0 0 0 stat",
            "line 2: min-size '1': is above max-size '0'",
        ),
        (
            "0 max 0 0 2s 1s stat",
            "line 1: min-age '2s': is above max-age '1s'",
        ),
        (
            "0 max 0 101 0 max stat",
            "line 1: max-freq '101': must be a percentage",
        ),
        ("0 max 0 x 0 max stat", "line 1: max-freq 'x': "),
        (
            "4k max 0 0 0 max stat",
            "line 1: min-size '4k': '4k' is not a size",
        ),
        (
            "0 max 0 0 0 max bake",
            "line 1: action 'bake': 'bake' is not an action",
        ),
        (
            "0 max 0 0 0 max stat 1M 1x",
            "line 1: reset-interval '1x': ",
        ),
    ] {
        let error = parse_classic(text).unwrap_err().to_string();
        assert!(error.starts_with(message), "{text:?}: {error}");
    }
}
