//! Our reader's items in the second one's words.

use std::ops::Range;

use damo_user::model::{Gap, Item, Known, LossCause, Note, Record, Region, Snapshot, TargetKey};
use damo_user::store::Reader;
use serde_json::{Value, json};

fn key(target: TargetKey) -> Value {
    json!([target.kdamond, target.target_id])
}

fn of_gap(gap: &Gap) -> Value {
    let cause = match gap.cause {
        LossCause::RingFull => "ring_full",
        LossCause::Unseen => "unseen",
        LossCause::Damaged => "damaged",
        LossCause::Unwritten => "unwritten",
    };
    json!({"item": "gap", "target": gap.target.map(key), "start_ns": gap.start_ns,
        "end_ns": gap.end_ns, "events": gap.events, "cause": cause})
}

fn of_snapshot(it: &Snapshot) -> Value {
    let extra = it.extra.clone().unwrap_or_default();
    let region = |it: &Region| json!([it.start, it.end, it.nr_accesses, it.age]);
    json!({"item": "snapshot", "target": key(it.target), "start_ns": it.start_ns,
        "end_ns": it.end_ns, "missing": it.missing,
        "intervals": it.intervals.map(|it| [it.sample_us, it.aggr_us, it.update_us]),
        "regions": it.regions.iter().map(region).collect::<Vec<_>>(),
        "filter_passed": extra.filter_passed, "probe_hits": extra.probe_hits,
        "total_bytes": extra.total_bytes, "scheme_stats": extra.scheme_stats,
        "age_unit_us": extra.age_unit_us})
}

fn of_note(note: &Note) -> Value {
    let mut value = match &note.what {
        Known::Clock(wall_ns) => json!({"note": "clock", "wall_ns": wall_ns}),
        Known::Tuned(it) => json!({"note": "tuned", "kdamond": it.kdamond,
            "sample_us": it.intervals.sample_us, "aggr_us": it.intervals.aggr_us,
            "update_us": it.intervals.update_us}),
        Known::Scheme(it) => json!({"note": "scheme", "kdamond": it.kdamond,
            "context": it.context, "scheme": it.scheme, "nr_tried": it.nr_tried,
            "sz_tried": it.sz_tried, "nr_applied": it.nr_applied,
            "sz_applied": it.sz_applied, "sz_ops_filter_passed": it.sz_ops_filter_passed,
            "qt_exceeds": it.qt_exceeds, "nr_snapshots": it.nr_snapshots}),
        Known::ProcessMemory(it) => json!({"note": "footprint", "pid": it.pid,
            "virtual": it.virtual_bytes, "resident": it.resident_bytes,
            "shared": it.shared_bytes}),
        Known::SystemMemory(it) => json!({"note": "system", "total": it.total_bytes,
            "free": it.free_bytes, "available": it.available_bytes,
            "buffers": it.buffers_bytes, "cached": it.cached_bytes,
            "swap_total": it.swap_total_bytes, "swap_free": it.swap_free_bytes}),
        Known::Mapping(it) => json!({"note": "mapping", "pid": it.pid, "start": it.start,
            "end": it.end, "permissions": it.permissions, "offset": it.offset,
            "name": it.name.as_ref()}),
        Known::CpuTime(it) => json!({"note": "cpu_time", "pid": it.pid, "kdamond": it.kdamond,
            "user_us": it.user_us, "system_us": it.system_us}),
        Known::Quota(it) => json!({"note": "quota", "kdamond": it.kdamond,
            "context": it.context, "scheme": it.scheme, "bytes": it.bytes}),
        Known::Summed(it) => json!({"note": "summed", "kdamond": it.target.kdamond,
            "target_id": it.target.target_id, "figure": it.figure.code(), "step": it.step,
            "value": it.value}),
        Known::Happened(it) => json!({"note": "happened", "kdamond": it.kdamond,
            "target_id": it.target_id, "what": it.what.code(), "value": it.value}),
        Known::Applied(it) => json!({"note": "applied", "kdamond": it.target.kdamond,
            "target_id": it.target.target_id, "context": it.context, "scheme": it.scheme,
            "start": it.region.start, "end": it.region.end,
            "nr_accesses": it.region.nr_accesses, "age": it.region.age}),
    };
    value["item"] = json!("note");
    value["time_ns"] = json!(note.time_ns);
    value
}

/// What our reader gives, in the second one's words.
pub fn items(record: &mut dyn Record, time: Option<&Range<u64>>) -> Vec<Value> {
    let items = match time {
        Some(time) => record.items_in(time.clone()),
        None => record.items(),
    };
    let value = |item| match item {
        Ok(Item::Snapshot(snapshot)) => of_snapshot(&snapshot),
        Ok(Item::Gap(gap)) => of_gap(&gap),
        Ok(Item::Note(note)) => of_note(&note),
        Err(_) => json!({"item": "refused"}),
    };
    items.unwrap().map(value).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a file says before its first frame.
pub fn header(reader: &Reader) -> Vec<Value> {
    let of = reader.header().map(|it| {
        json!({"version": it.version, "page_shift": it.page_shift, "segment": it.segment,
            "compat": it.compat, "uuid": hex(&it.uuid), "boot_id": hex(&it.boot_id)})
    });
    vec![json!({"item": "header", "header": of})]
}
