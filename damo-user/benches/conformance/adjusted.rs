//! How the json of `damo adjust` may differ: both are taken apart, and all of it
//! but what is named here has to be equal.

use damo_user::model::units::{TimeUnit, parse_time_us};
use serde_json::Value;

/// Aggregations are longer: our regions ascend, our percents follow from the samples,
/// and all our ages are told in time.
pub fn joined(theirs: &str, ours: &str) -> bool {
    same(theirs, ours, |they, we, intervals| {
        sort(they);
        let ascend = |pair: &[Value]| number(&pair[0]["start"]) <= number(&pair[1]["start"]);
        let told = we.windows(2).all(ascend) && we.iter().all(|it| is_right(it, intervals));
        for regions in [they, we] {
            for region in regions {
                region["nr_accesses"]["percent"] = Value::Null;
                region["age"]["usec"] = Value::Null;
            }
        }
        told
    })
}

/// A filter leaves a part of each snapshot.
pub fn narrowed(theirs: &str, ours: &str) -> bool {
    same(theirs, ours, |_, _, _| true)
}

/// As [`narrowed`], and ours lacks regions without accesses.
pub fn without_idle(theirs: &str, ours: &str) -> bool {
    same(theirs, ours, |they, _, _| {
        they.retain(|region| number(&region["nr_accesses"]["samples"]) > 0.0);
        true
    })
}

/// Snapshots have the same times; their regions may differ.
pub fn same_snapshots(theirs: &str, ours: &str) -> bool {
    same(theirs, ours, |they, we, _| {
        they.clear();
        we.clear();
        true
    })
}

/// Whether both are the same once `change` was made to the regions of each pair of
/// snapshots, and has found ours to be right. It gets the record's intervals, too.
fn same(
    theirs: &str,
    ours: &str,
    change: impl Fn(&mut Vec<Value>, &mut Vec<Value>, &Value) -> bool,
) -> bool {
    let (Some(mut they), Some(mut we)) = (records(theirs), records(ours)) else {
        return false;
    };
    for (they, we) in they.iter_mut().zip(&mut we) {
        let intervals = we["intervals"].clone();
        for (they, we) in snapshots(they).iter_mut().zip(snapshots(we)) {
            let sum: f64 = regions(we).iter().map(length).sum();
            if number(&we["total_bytes"]) != sum || !change(regions(they), regions(we), &intervals)
            {
                return false;
            }
            they["total_bytes"] = we["total_bytes"].clone();
        }
    }
    they == we
}

/// The records of what was written.
fn records(text: &str) -> Option<Vec<Value>> {
    let (_, json) = text.split_once("written:\n")?;
    serde_json::from_str(json).ok()
}

fn snapshots(record: &mut Value) -> &mut Vec<Value> {
    record["snapshots"].as_array_mut().expect("a list")
}

fn regions(snapshot: &mut Value) -> &mut Vec<Value> {
    snapshot["regions"].as_array_mut().expect("a list")
}

fn sort(regions: &mut [Value]) {
    regions.sort_by(|one, other| number(&one["start"]).total_cmp(&number(&other["start"])));
}

/// Numbers are texts, with commas; NaN is none.
fn number(value: &Value) -> f64 {
    let text = value.as_str().map(|text| text.replace(',', ""));
    let number = text.map_or(value.as_f64(), |text| text.parse().ok());
    number.unwrap_or(f64::NAN)
}

fn length(region: &Value) -> f64 {
    number(&region["end"]) - number(&region["start"])
}

/// Whether rate and age of a region are as its samples and the intervals say. How
/// long an aggregation was before is not told: 100 ms in all records that tell any.
fn is_right(region: &Value, intervals: &Value) -> bool {
    let (accesses, age) = (&region["nr_accesses"], &region["age"]);
    if intervals.is_null() {
        return accesses["percent"].is_null() && age["usec"].is_null();
    }
    let most = number(&intervals["aggr_us"]) / number(&intervals["sample_us"]);
    let percent = (number(&accesses["samples"]) * 100.0 / most).trunc();
    let us = age["usec"]
        .as_str()
        .and_then(|it| parse_time_us(it, TimeUnit::Us).ok());
    number(&accesses["percent"]) == percent
        && us.map(|us| us as f64) == Some(number(&age["aggr_intervals"]) * 100_000.0)
}
