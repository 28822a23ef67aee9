//! The peer's json, byte for byte as damo 3.4.3 writes it: Python's, indented
//! by four, numbers as texts, and in regions with commas and units.
//!
//! It knows neither gaps nor notes nor what a snapshot misses; they are counted.
//! `sz_filter_passed` keeps three decimals of its unit.

use std::io::{self, BufWriter, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::json_head::{write_head, write_stats, write_text};
use super::peer::{PeerRecord, snapshots, snapshots_by_target, survey};
use super::{ExportError, Exported, Filter};
use crate::model::units::{format_number, format_size};
use crate::model::{Extra, Record, Region, Snapshot};

/// Where snapshots come from that always tell their sampling interval.
const DAMON_STAT: &str = "damon_stat";

/// Writes `record` as the peer's json, one target after the other.
///
/// # Errors
/// The record cannot be read, or `out` not be written.
pub fn write_json(
    record: &mut dyn Record,
    filter: &Filter,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let mut out = BufWriter::new(out);
    let exported = write_records(record, filter, &mut out)?;
    out.flush()?;
    Ok(exported)
}

/// Writes `record` as the peer's json, compressed by zlib.
///
/// # Errors
/// As for [`write_json`].
pub fn write_json_compressed(
    record: &mut dyn Record,
    filter: &Filter,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let mut out = BufWriter::new(ZlibEncoder::new(out, Compression::default()));
    let exported = write_records(record, filter, &mut out)?;
    let encoder = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    encoder.finish()?.flush()?;
    Ok(exported)
}

fn write_records<W: Write>(
    record: &mut dyn Record,
    filter: &Filter,
    out: &mut W,
) -> Result<Exported, ExportError> {
    let (targets, losses) = survey(record, filter)?;
    let mut exported = Exported {
        losses,
        ..Exported::default()
    };
    out.write_all(b"[")?;
    let mut first = true;
    let mut parts = snapshots_by_target(record, filter, &targets);
    for target in &targets {
        out.write_all(if first { b"\n    {" } else { b",\n    {" })?;
        first = false;
        write_head(out, target)?;
        out.write_all(b"\n        \"snapshots\": [")?;
        let mut first = true;
        for snapshot in parts.next_target()?.into_iter().flat_map(snapshots) {
            let snapshot = snapshot?;
            out.write_all(if first { b"" } else { b"," })?;
            first = false;
            write_snapshot(out, &snapshot, target)?;
            exported.snapshots += 1;
            exported.samples += snapshot.regions.len() as u64;
        }
        out.write_all(if first { b"]" } else { b"\n        ]" })?;
        out.write_all(b",\n        \"data_source\": ")?;
        write_text(
            out,
            target.origin.data_source.as_deref().unwrap_or("unknown"),
        )?;
        out.write_all(b"\n    }")?;
    }
    out.write_all(if first { b"]" } else { b"\n]" })?;
    Ok(exported)
}

fn write_snapshot<W: Write>(
    out: &mut W,
    snapshot: &Snapshot,
    target: &PeerRecord,
) -> io::Result<()> {
    let none = Extra::default();
    let extra = snapshot.extra.as_deref().unwrap_or(&none);
    write!(
        out,
        "\n            {{\n                \"start_time\": \"{}\",\n                \"end_time\": \"{}\",\n                \"regions\": [",
        snapshot.start_ns, snapshot.end_ns
    )?;
    for (i, region) in snapshot.regions.iter().enumerate() {
        out.write_all(if i == 0 { b"" } else { b"," })?;
        let passed = extra.filter_passed.get(i).copied().flatten().unwrap_or(0);
        let hits = extra.probe_hits.get(i).map_or(&[][..], Vec::as_slice);
        write_region(out, region, passed, hits)?;
    }
    if !snapshot.regions.is_empty() {
        out.write_all(b"\n                ")?;
    }
    let total = extra.total_bytes.unwrap_or_else(|| {
        let bytes = snapshot.regions.iter().map(Region::len);
        bytes.fold(0, u64::saturating_add)
    });
    write!(
        out,
        "],\n                \"total_bytes\": \"{total}\",\n                \"damos_stats\": "
    )?;
    match &extra.scheme_stats {
        Some(stats) => write_stats(out, stats)?,
        None => out.write_all(b"null")?,
    }
    out.write_all(b",\n                \"sample_interval_us\": ")?;
    let always = target.origin.data_source.as_deref() == Some(DAMON_STAT);
    match snapshot.intervals {
        Some(own) if always || Some(own.sample_us) != target.intervals.map(|i| i.sample_us) => {
            // The peer writes nanoseconds, whatever the name says.
            write!(out, "\"{}\"", u128::from(own.sample_us) * 1000)?;
        }
        _ => out.write_all(b"null")?,
    }
    out.write_all(b"\n            }")
}

fn write_region<W: Write>(
    out: &mut W,
    region: &Region,
    filter_passed: u64,
    hits: &[u32],
) -> io::Result<()> {
    write!(
        out,
        r#"
                    {{
                        "start": "{}",
                        "end": "{}",
                        "nr_accesses": {{
                            "samples": {},
                            "percent": null
                        }},
                        "age": {{
                            "usec": null,
                            "aggr_intervals": "#,
        format_number(region.start),
        format_number(region.end),
        region.nr_accesses
    )?;
    match region.age {
        Some(age) => write!(out, "\"{}\"", format_number(age.into()))?,
        None => out.write_all(b"null")?,
    }
    out.write_all(b"\n                        },\n                        \"probe_hits\": [")?;
    for (i, count) in hits.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        write!(out, "{comma}\n                            {count}")?;
    }
    if !hits.is_empty() {
        out.write_all(b"\n                        ")?;
    }
    write!(
        out,
        "],\n                        \"sz_filter_passed\": \"{}\"\n                    }}",
        format_size(filter_passed as f64)
    )
}
