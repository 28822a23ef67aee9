//! `report summary`.

use std::io::{self, Write};

use super::bars::{Bar, write_bars};
use super::table::{Table, TableForm, Value};
use super::{size, time};
use crate::analyze::{Digest, Distribution};
use crate::model::units::format_number;
use crate::model::{TargetKey, printable};

/// What a summary is of: a target of a file, or several.
#[derive(Clone, Debug)]
pub struct Summarized {
    /// The record; `None` for several together.
    pub file: Option<String>,
    /// The target; `None` for several together.
    pub target: Option<TargetKey>,
    /// Process id and name, where there is one.
    pub process: Option<(u32, String)>,
    /// The distributions.
    pub digest: Digest,
}

/// What is printed, and how.
#[derive(Clone, Debug)]
pub struct SummaryForm {
    /// Percentiles, from 0 to 100.
    pub percentiles: Vec<u64>,
    /// Bytes and nanoseconds instead of numbers with units.
    pub raw_number: bool,
}

/// Prints distributions with bars.
///
/// # Errors
/// `out` cannot be written.
pub fn write_summary(
    out: &mut dyn Write,
    all: &[Summarized],
    form: &SummaryForm,
) -> io::Result<()> {
    let raw = form.raw_number;
    for it in all {
        write_whose(out, it)?;
        let digest = &it.digest;
        writeln!(
            out,
            "# {} snapshots, {} region samples, {}",
            format_number(digest.snapshots),
            format_number(digest.samples),
            time(digest.time_ns, raw)
        )?;
        writeln!(out, "# working set: percentile of the snapshots")?;
        let of = |bytes| size(bytes, raw);
        write_percentiles(out, &digest.working_set, form, of)?;
        if !digest.has_rates() {
            writeln!(out, "# intervals and ages of regions are not known")?;
            continue;
        }
        writeln!(out, "# idle time: percentile of the memory; 0: in use")?;
        let of = |us: u64| time(us.saturating_mul(1000), raw);
        write_percentiles(out, &digest.idle_us, form, of)?;
        writeln!(
            out,
            "# access rate (% of the checks): mean of the snapshots' memory"
        )?;
        write_rates(out, digest, raw)?;
    }
    if all.is_empty() {
        writeln!(out, "# no snapshot")?;
    }
    Ok(())
}

/// Prints distributions as rows: of percentiles, and of mean bytes by access rate.
///
/// # Errors
/// `out` cannot be written.
pub fn write_summary_table(
    out: &mut dyn Write,
    all: &[Summarized],
    percentiles: &[u64],
    form: TableForm,
) -> io::Result<()> {
    let columns = ["file", "kdamond", "target_id", "figure", "at", "value"];
    let mut table = Table::begin(out, form, &columns)?;
    for it in all {
        let mut row = |figure: &str, at: Option<u64>, value: u64| {
            table.row(&[
                it.file.clone().map_or(Value::None, Value::Text),
                (it.target).map_or(Value::None, |it| Value::Number(it.kdamond.into())),
                (it.target).map_or(Value::None, |it| Value::Exact(it.target_id)),
                Value::Text(figure.to_owned()),
                at.map_or(Value::None, Value::Number),
                Value::Number(value),
            ])
        };
        let digest = &it.digest;
        row("snapshots", None, digest.snapshots)?;
        row("samples", None, digest.samples)?;
        row("time_ns", None, digest.time_ns)?;
        for (figure, values) in [
            ("wss_bytes_percentile", &digest.working_set),
            ("idle_us_percentile", &digest.idle_us),
        ] {
            for percentile in percentiles {
                if let Some(value) = values.percentile(*percentile as f64) {
                    row(figure, Some(*percentile), value)?;
                }
            }
        }
        for (percent, bytes) in digest.bytes_by_rate() {
            if bytes > 0.0 {
                row(
                    "bytes_by_access_percent",
                    Some(percent.into()),
                    bytes.round() as u64,
                )?;
            }
        }
    }
    table.finish()
}

fn write_whose(out: &mut dyn Write, it: &Summarized) -> io::Result<()> {
    let Some(target) = it.target else {
        return writeln!(out, "# all targets");
    };
    write!(out, "# target_id\t{}", target.target_id)?;
    if target.kdamond != 0 {
        write!(out, " of kdamond {}", target.kdamond)?;
    }
    if let Some((pid, name)) = &it.process {
        write!(out, ", process {pid} ({})", printable(name))?;
    }
    if let Some(file) = &it.file {
        write!(out, ", of {}", printable(file))?;
    }
    writeln!(out)
}

fn write_percentiles(
    out: &mut dyn Write,
    values: &Distribution,
    form: &SummaryForm,
    text: impl Fn(u64) -> String,
) -> io::Result<()> {
    let bars = form.percentiles.iter().filter_map(|percentile| {
        let value = values.percentile(*percentile as f64)?;
        Some(Bar {
            label: percentile.to_string(),
            text: text(value),
            value: i64::try_from(value).unwrap_or(i64::MAX),
        })
    });
    write_bars(out, &bars.collect::<Vec<_>>())
}

/// Bytes that were not accessed, and then in steps of ten percent.
fn write_rates(out: &mut dyn Write, digest: &Digest, raw: bool) -> io::Result<()> {
    let mut steps = [0.0; 11];
    for (percent, bytes) in digest.bytes_by_rate() {
        if let Some(step) = steps.get_mut(percent.div_ceil(10) as usize) {
            *step += bytes;
        }
    }
    let bars = (0..).zip(steps).map(|(step, bytes): (u32, f64)| Bar {
        label: match step {
            0 => "0".to_owned(),
            step => format!("{}-{}", step * 10 - 9, step * 10),
        },
        text: size(bytes.round() as u64, raw),
        value: bytes as i64,
    });
    write_bars(out, &bars.collect::<Vec<_>>())
}
