//! The smaller reports of numbers: regions, memory, times.

use std::io::{self, Write};

use super::series::{SeriesForm, write_rows, write_sizes};
use super::table::{Table, TableForm, Value};
use crate::analyze::{FootprintMetric, Series, TargetNrRegions, TargetTimes};

/// Prints how many regions each target had.
///
/// # Errors
/// `out` cannot be written.
pub fn write_nr_regions(
    out: &mut dyn Write,
    targets: &[TargetNrRegions],
    form: &SeriesForm,
) -> io::Result<()> {
    writeln!(out, "# <percentile> <# regions>")?;
    for TargetNrRegions { target, numbers } in targets {
        writeln!(out, "# target_id\t{}", target.target_id)?;
        let Some(mean) = numbers.mean() else {
            writeln!(out, "# no snapshot")?;
            continue;
        };
        writeln!(out, "# avr:\t{}", mean as u64)?;
        for percentile in &form.percentiles {
            if let Some(number) = numbers.percentile(*percentile) {
                writeln!(out, "{percentile}\t{number}")?;
            }
        }
    }
    if targets.is_empty() {
        writeln!(out, "# no snapshot")?;
    }
    Ok(())
}

/// As [`write_nr_regions`], for programs.
///
/// # Errors
/// `out` cannot be written.
pub fn write_nr_regions_table(
    out: &mut dyn Write,
    targets: &[TargetNrRegions],
    form: &SeriesForm,
    table: TableForm,
) -> io::Result<()> {
    let columns = ["kdamond", "target_id", form.column(), "nr_regions"];
    let mut table = Table::begin(out, table, &columns)?;
    for TargetNrRegions { target, numbers } in targets {
        write_rows(&mut table, numbers, form, |at, number| {
            [
                Value::Number(target.kdamond.into()),
                Value::Exact(target.target_id),
                at,
                Value::Number(number),
            ]
        })?;
    }
    table.finish()
}

/// Prints how much memory there was.
///
/// # Errors
/// `out` cannot be written.
pub fn write_footprints(
    out: &mut dyn Write,
    footprints: &[(FootprintMetric, Series)],
    form: &SeriesForm,
) -> io::Result<()> {
    for (metric, bytes) in footprints {
        writeln!(out, "# <percentile> <{}>", metric.name())?;
        write_sizes(out, bytes, form)?;
    }
    Ok(())
}

/// As [`write_footprints`], for programs.
///
/// # Errors
/// `out` cannot be written.
pub fn write_footprints_table(
    out: &mut dyn Write,
    footprints: &[(FootprintMetric, Series)],
    form: &SeriesForm,
    table: TableForm,
) -> io::Result<()> {
    let columns = ["metric", form.column(), "bytes"];
    let mut table = Table::begin(out, table, &columns)?;
    for (metric, bytes) in footprints {
        write_rows(&mut table, bytes, form, |at, bytes| {
            [
                Value::Text(metric.name().to_owned()),
                at,
                Value::Number(bytes),
            ]
        })?;
    }
    table.finish()
}

/// Prints times as damo 3 does: in seconds, the unit after each line.
///
/// # Errors
/// `out` cannot be written.
pub fn write_times(out: &mut dyn Write, targets: &[TargetTimes]) -> io::Result<()> {
    for time in targets.iter().flat_map(|target| &target.times) {
        let seconds = |ns: u64| ns as f64 / 1e9;
        writeln!(out, "{:.6}-{:.6}", seconds(time.start), seconds(time.end))?;
        writeln!(out, "# (seconds)")?;
    }
    Ok(())
}

/// As [`write_times`], for programs.
///
/// # Errors
/// `out` cannot be written.
pub fn write_times_table(
    out: &mut dyn Write,
    targets: &[TargetTimes],
    table: TableForm,
) -> io::Result<()> {
    let columns = ["kdamond", "target_id", "start_ns", "end_ns"];
    let mut table = Table::begin(out, table, &columns)?;
    for TargetTimes { target, times } in targets {
        for time in times {
            table.row(&[
                Value::Number(target.kdamond.into()),
                Value::Exact(target.target_id),
                Value::Exact(time.start),
                Value::Exact(time.end),
            ])?;
        }
    }
    table.finish()
}
