//! NDJSON: one JSON object per line, described in docs/PARQUET.md.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::rows::cause;
use super::wall::{Wall, rfc3339};
use super::{ExportError, Exported, Filter};
use crate::model::{Gap, Intervals, Item, Known, Meta, Note, Record, Region, Snapshot, TargetKey};

/// Writes the wanted part of a record as one JSON object per line: what the
/// record says about itself, then snapshots, gaps and notes in their order.
///
/// # Errors
/// The record cannot be read any more, or `out` not be written.
pub fn write_ndjson(
    record: &mut dyn Record,
    filter: &Filter,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let wall = Wall::new(record.meta());
    line(out, &about(record.meta())?)?;
    let mut exported = Exported::default();
    for item in filter.items(record)? {
        let item = item?;
        exported.count(&item);
        match &item {
            Item::Snapshot(snapshot) => line(out, &snapshot_line(snapshot, &wall))?,
            Item::Gap(gap) => line(out, &gap_line(gap, &wall))?,
            Item::Note(note) => line(out, &of_note(note, &wall))?,
        }
    }
    out.flush()?;
    Ok(exported)
}

fn line(out: &mut dyn Write, object: &impl Serialize) -> Result<(), ExportError> {
    serde_json::to_writer(&mut *out, object).map_err(io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}

/// A number as text, since many JSON readers know only floats, which round it.
struct Exact(u64);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

fn exact(number: u64) -> Value {
    number.to_string().into()
}

fn about(meta: &Meta) -> Result<Value, ExportError> {
    let mut meta = serde_json::to_value(meta).map_err(io::Error::from)?;
    let numbers_to_text = |object: &mut Value, names: &[&str]| {
        for name in names {
            if let Some(value) = object.get_mut(*name)
                && let Some(number) = value.as_u64()
            {
                *value = exact(number);
            }
        }
    };
    numbers_to_text(&mut meta, &["wall_ns", "mono_ns"]);
    let targets = meta.get_mut("targets").and_then(Value::as_array_mut);
    for target in targets.into_iter().flatten() {
        numbers_to_text(target, &["target_id"]);
    }
    Ok(json!({ "type": "record", "meta": meta }))
}

/// A snapshot or a gap; what the record does not tell is null.
#[derive(Serialize)]
struct Place {
    r#type: &'static str,
    kdamond: Option<u32>,
    target_id: Option<Exact>,
    start_ns: Exact,
    end_ns: Exact,
    start_time: Option<String>,
    end_time: Option<String>,
}

impl Place {
    fn new(
        r#type: &'static str,
        target: Option<TargetKey>,
        times: (u64, u64),
        wall: &Wall,
    ) -> Self {
        let time = |ns| wall.at(ns).map(rfc3339);
        Place {
            r#type,
            kdamond: target.map(|target| target.kdamond),
            target_id: target.map(|target| Exact(target.target_id)),
            start_ns: Exact(times.0),
            end_ns: Exact(times.1),
            start_time: time(times.0),
            end_time: time(times.1),
        }
    }
}

#[derive(Serialize)]
struct SnapshotLine<'a> {
    #[serde(flatten)]
    place: Place,
    intervals: Option<Intervals>,
    missing_samples: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_bytes: Option<Exact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme_stats: Option<&'a BTreeMap<String, u64>>,
    regions: Regions<'a>,
}

fn snapshot_line<'a>(snapshot: &'a Snapshot, wall: &Wall) -> SnapshotLine<'a> {
    let times = (snapshot.start_ns, snapshot.end_ns);
    let extra = snapshot.extra.as_deref();
    SnapshotLine {
        place: Place::new("snapshot", Some(snapshot.target), times, wall),
        intervals: snapshot.intervals,
        missing_samples: snapshot.missing,
        total_bytes: extra.and_then(|extra| extra.total_bytes).map(Exact),
        scheme_stats: extra.and_then(|extra| extra.scheme_stats.as_ref()),
        regions: Regions(snapshot),
    }
}

/// A snapshot's regions, written one by one.
struct Regions<'a>(&'a Snapshot);

impl Serialize for Regions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let extra = self.0.extra.as_deref();
        serializer.collect_seq(self.0.regions.iter().enumerate().map(|(i, region)| {
            let passed = extra.and_then(|extra| extra.filter_passed.get(i).copied().flatten());
            let hits = extra.and_then(|extra| extra.probe_hits.get(i));
            RegionObject {
                filter_passed_bytes: passed.map(Exact),
                probe_hits: hits.filter(|hits| !hits.is_empty()).map(Vec::as_slice),
                ..RegionObject::from(region)
            }
        }))
    }
}

#[derive(Serialize)]
struct RegionObject<'a> {
    start_address: Exact,
    end_address: Exact,
    nr_accesses: u32,
    age_aggrs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter_passed_bytes: Option<Exact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probe_hits: Option<&'a [u32]>,
}

impl From<&Region> for RegionObject<'_> {
    fn from(region: &Region) -> Self {
        RegionObject {
            start_address: Exact(region.start),
            end_address: Exact(region.end),
            nr_accesses: region.nr_accesses,
            age_aggrs: region.age,
            filter_passed_bytes: None,
            probe_hits: None,
        }
    }
}

#[derive(Serialize)]
struct GapLine {
    #[serde(flatten)]
    place: Place,
    lost_samples: Option<u64>,
    lost_cause: &'static str,
}

fn gap_line(gap: &Gap, wall: &Wall) -> GapLine {
    GapLine {
        place: Place::new("gap", gap.target, (gap.start_ns, gap.end_ns), wall),
        lost_samples: gap.events,
        lost_cause: cause(gap.cause),
    }
}

fn of_note(note: &Note, wall: &Wall) -> Value {
    let (kind, what) = match &note.what {
        Known::Clock(ns) => ("clock", json!({ "wall_ns": exact(*ns) })),
        Known::Mapping(mapping) => (
            "mapping",
            json!({
                "pid": mapping.pid,
                "start_address": exact(mapping.start),
                "end_address": exact(mapping.end),
                "permissions": mapping.permissions,
                "offset_bytes": exact(mapping.offset),
                "name": &*mapping.name,
            }),
        ),
        Known::ProcessMemory(memory) => (
            "process_memory",
            json!({
                "pid": memory.pid,
                "virtual_bytes": memory.virtual_bytes,
                "resident_bytes": memory.resident_bytes,
                "shared_bytes": memory.shared_bytes,
            }),
        ),
        Known::SystemMemory(memory) => (
            "system_memory",
            json!({
                "total_bytes": memory.total_bytes,
                "free_bytes": memory.free_bytes,
                "available_bytes": memory.available_bytes,
                "buffers_bytes": memory.buffers_bytes,
                "cached_bytes": memory.cached_bytes,
                "swap_total_bytes": memory.swap_total_bytes,
                "swap_free_bytes": memory.swap_free_bytes,
            }),
        ),
        Known::CpuTime(time) => (
            "cpu_time",
            json!({
                "pid": time.pid,
                "is_kdamond": time.kdamond,
                "user_us": time.user_us,
                "system_us": time.system_us,
            }),
        ),
        Known::Tuned(tuned) => (
            "tuned",
            json!({ "kdamond": tuned.kdamond, "intervals": tuned.intervals }),
        ),
        Known::Applied(applied) => (
            "applied",
            json!({
                "kdamond": applied.target.kdamond,
                "target_id": exact(applied.target.target_id),
                "context": applied.context,
                "scheme": applied.scheme,
                "region": RegionObject::from(&applied.region),
            }),
        ),
        Known::Scheme(counts) => (
            "scheme",
            json!({
                "kdamond": counts.kdamond,
                "context": counts.context,
                "scheme": counts.scheme,
                "nr_tried": counts.nr_tried,
                "sz_tried_bytes": counts.sz_tried,
                "nr_applied": counts.nr_applied,
                "sz_applied_bytes": counts.sz_applied,
                "sz_ops_filter_passed_bytes": counts.sz_ops_filter_passed,
                "qt_exceeds": counts.qt_exceeds,
                "nr_snapshots": counts.nr_snapshots,
            }),
        ),
        Known::Quota(quota) => (
            "quota",
            json!({
                "kdamond": quota.kdamond,
                "context": quota.context,
                "scheme": quota.scheme,
                "effective_bytes": quota.bytes,
            }),
        ),
        Known::Summed(it) => (
            "summed",
            json!({
                "kdamond": it.target.kdamond,
                "target_id": exact(it.target.target_id),
                "figure": it.figure.name(),
                "step": it.step,
                "value": it.value,
            }),
        ),
        Known::Happened(it) => (
            "event",
            json!({
                "kdamond": it.kdamond,
                "target_id": it.target_id.map(exact),
                "what": it.what.name(),
                "value": exact(it.value),
            }),
        ),
    };
    let mut object = Map::new();
    object.insert("type".to_owned(), kind.into());
    object.insert("time_ns".to_owned(), exact(note.time_ns));
    if let Some(ns) = wall.at(note.time_ns) {
        object.insert("time".to_owned(), rfc3339(ns).into());
    }
    if let Value::Object(members) = what {
        object.extend(members);
    }
    Value::Object(object)
}
