//! The peer's json, byte for byte as damo 3.4.3 writes it: Python's, indented
//! by four, numbers as texts, and in regions with commas and units.
//!
//! It knows neither gaps nor notes nor what a snapshot misses; they are counted.
//! `sz_filter_passed` keeps three decimals of its unit.

use std::io::{self, BufWriter, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::json_form::{JsonForm, exact};
use super::json_head::{write_head, write_stats, write_text};
use super::peer::{PeerRecord, snapshots, snapshots_by_target, survey};
use super::{ExportError, Exported, Filter};
use crate::model::units::{format_number, format_size};
use crate::model::{Extra, Intervals, Record, Region, Snapshot};

/// Where snapshots come from that always tell their sampling interval.
const DAMON_STAT: &str = "damon_stat";

/// Writes `record` as the peer's json, one target after the other.
///
/// # Errors
/// The record cannot be read, or `out` not be written.
pub fn write_json(
    record: &mut dyn Record,
    filter: &Filter,
    form: JsonForm,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let mut out = BufWriter::new(out);
    let exported = write_list(record, filter, form, &mut out)?;
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
    form: JsonForm,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let mut out = BufWriter::new(ZlibEncoder::new(out, Compression::default()));
    let exported = write_list(record, filter, form, &mut out)?;
    let encoder = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    encoder.finish()?.flush()?;
    Ok(exported)
}

fn write_list<W: Write>(
    record: &mut dyn Record,
    filter: &Filter,
    form: JsonForm,
    out: &mut W,
) -> Result<Exported, ExportError> {
    let mut list = JsonList::begin(out, form)?;
    let exported = list.add(record, filter)?;
    list.finish()?;
    Ok(exported)
}

/// A list of records that is being written, of as many files as there are.
pub struct JsonList<'a, W: Write + ?Sized> {
    out: &'a mut W,
    form: JsonForm,
    first: bool,
}

impl<'a, W: Write + ?Sized> JsonList<'a, W> {
    /// Begins a list.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn begin(out: &'a mut W, form: JsonForm) -> io::Result<JsonList<'a, W>> {
        out.write_all(b"[")?;
        Ok(JsonList {
            out,
            form,
            first: true,
        })
    }

    /// Writes the records of a file, one target after the other.
    ///
    /// # Errors
    /// The file cannot be read, or the list not be written.
    pub fn add(
        &mut self,
        record: &mut dyn Record,
        filter: &Filter,
    ) -> Result<Exported, ExportError> {
        let (targets, losses) = survey(record, filter)?;
        let mut exported = Exported {
            losses,
            ..Exported::default()
        };
        let (out, form) = (&mut *self.out, self.form);
        let mut parts = snapshots_by_target(record, filter, &targets);
        for target in &targets {
            out.write_all(if self.first { b"\n    {" } else { b",\n    {" })?;
            self.first = false;
            write_head(out, target, form)?;
            out.write_all(b"\n        \"snapshots\": [")?;
            let mut first = true;
            for snapshot in parts.next_target()?.into_iter().flat_map(snapshots) {
                let snapshot = snapshot?;
                out.write_all(if first { b"" } else { b"," })?;
                first = false;
                write_snapshot(out, &snapshot, target, form)?;
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
        Ok(exported)
    }

    /// Ends the list.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn finish(self) -> io::Result<()> {
        self.out.write_all(if self.first { b"]" } else { b"\n]" })
    }
}

fn write_snapshot<W: Write + ?Sized>(
    out: &mut W,
    snapshot: &Snapshot,
    target: &PeerRecord,
    form: JsonForm,
) -> io::Result<()> {
    let none = Extra::default();
    let extra = snapshot.extra.as_deref().unwrap_or(&none);
    write!(
        out,
        "\n            {{\n                \"start_time\": \"{}\",\n                \"end_time\": \"{}\",\n                \"regions\": [",
        form.ns(snapshot.start_ns),
        form.ns(snapshot.end_ns)
    )?;
    let filled = form.filled(target.intervals);
    // Of a snapshot whose ages have a unit of their own.
    let age_unit_us = filled.map(|it| extra.age_unit_us.unwrap_or(it.aggr_us));
    for (i, region) in snapshot.regions.iter().enumerate() {
        out.write_all(if i == 0 { b"" } else { b"," })?;
        let passed = extra.filter_passed.get(i).copied().flatten().unwrap_or(0);
        let hits = extra.probe_hits.get(i).map_or(&[][..], Vec::as_slice);
        write_region(out, region, passed, hits, (filled, age_unit_us))?;
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
        "],\n                \"total_bytes\": \"{}\",\n                \"damos_stats\": ",
        form.bytes(total)
    )?;
    match &extra.scheme_stats {
        Some(stats) => write_stats(out, stats, form)?,
        None => out.write_all(b"null")?,
    }
    out.write_all(b",\n                \"sample_interval_us\": ")?;
    let always = target.origin.data_source.as_deref() == Some(DAMON_STAT);
    match snapshot.intervals {
        Some(own) if always || Some(own.sample_us) != target.intervals.map(|i| i.sample_us) => {
            // The peer writes nanoseconds, whatever the name says.
            write!(out, "\"{}\"", form.ns(own.sample_us.saturating_mul(1000)))?;
        }
        _ => out.write_all(b"null")?,
    }
    out.write_all(b"\n            }")
}

fn write_region<W: Write + ?Sized>(
    out: &mut W,
    region: &Region,
    filter_passed: u64,
    hits: &[u32],
    (filled, age_unit_us): (Option<Intervals>, Option<u64>),
) -> io::Result<()> {
    write!(
        out,
        r#"
                    {{
                        "start": "{}",
                        "end": "{}",
                        "nr_accesses": {{
                            "samples": {},
                            "percent": "#,
        format_number(region.start),
        format_number(region.end),
        region.nr_accesses
    )?;
    match filled {
        Some(intervals) => {
            let most = intervals.aggr_us as f64 / intervals.sample_us.max(1) as f64;
            // Cut to whole ones, as the peer does.
            let percent = f64::from(region.nr_accesses) * 100.0 / most;
            write!(out, "{}", percent as u64)?;
        }
        None => out.write_all(b"null")?,
    }
    out.write_all(
        b"\n                        },\n                        \"age\": {\n                            \"usec\": ",
    )?;
    match (age_unit_us, region.age) {
        (Some(unit_us), Some(age)) => {
            let us = u64::from(age).saturating_mul(unit_us);
            write!(out, "\"{}\"", exact(us.saturating_mul(1000)))?;
        }
        _ => out.write_all(b"null")?,
    }
    out.write_all(b",\n                            \"aggr_intervals\": ")?;
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
