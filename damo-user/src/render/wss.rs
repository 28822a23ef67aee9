//! `report wss`.

use std::io::{self, Write};

use super::size;
use super::table::{Table, TableForm, Value};
use crate::analyze::TargetWss;

/// What is printed, and how.
#[derive(Clone, Debug)]
pub struct WssForm {
    /// Percentiles, in the order of lines; those above 100 are left out.
    pub percentiles: Vec<u64>,
    /// Bytes instead of numbers with units.
    pub raw_number: bool,
    /// Width of the bars; 0 for none.
    pub nr_cols_bar: u16,
}

/// Prints the distribution of every target's working set sizes.
///
/// # Errors
/// `out` cannot be written.
pub fn write_wss(out: &mut dyn Write, targets: &[TargetWss], form: &WssForm) -> io::Result<()> {
    writeln!(out, "# <percentile> <wss>")?;
    for target in targets {
        writeln!(out, "# target_id\t{}", target.target.target_id)?;
        write_target(out, target, form)?;
    }
    if targets.is_empty() {
        writeln!(out, "# no snapshot")?;
    }
    Ok(())
}

/// Prints one distribution as damo 3 does: the target comes first.
///
/// # Errors
/// `out` cannot be written.
pub fn write_collapsed_wss(
    out: &mut dyn Write,
    collapsed: &TargetWss,
    form: &WssForm,
) -> io::Result<()> {
    writeln!(out, "# target_id\t{}", collapsed.target.target_id)?;
    writeln!(out, "# <percentile> <wss>")?;
    write_target(out, collapsed, form)
}

/// Prints the percentiles as rows, and the mean as one without a percentile.
///
/// # Errors
/// `out` cannot be written.
pub fn write_wss_table(
    out: &mut dyn Write,
    targets: &[TargetWss],
    percentiles: &[u64],
    form: TableForm,
) -> io::Result<()> {
    let columns = ["kdamond", "target_id", "percentile", "wss_bytes"];
    let mut table = Table::begin(out, form, &columns)?;
    for target in targets {
        let of = |percentile, bytes| {
            [
                Value::Number(target.target.kdamond.into()),
                Value::Exact(target.target.target_id),
                percentile,
                Value::Number(bytes),
            ]
        };
        if let Some(mean) = target.mean() {
            table.row(&of(Value::None, mean.round() as u64))?;
        }
        for percentile in percentiles {
            if let Some(bytes) = target.percentile(*percentile) {
                table.row(&of(Value::Number(*percentile), bytes))?;
            }
        }
    }
    table.finish()
}

fn write_target(out: &mut dyn Write, target: &TargetWss, form: &WssForm) -> io::Result<()> {
    let Some(mean) = target.mean() else {
        return writeln!(out, "# no snapshot");
    };
    let mean = match form.raw_number {
        true => (mean as u64).to_string(),
        false => crate::model::units::format_size(mean),
    };
    writeln!(out, "# avr:\t{mean}")?;
    let lines: Vec<(u64, u64)> = form
        .percentiles
        .iter()
        .filter_map(|p| Some((*p, target.percentile(*p)?)))
        .collect();
    let longest = lines.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
    for (percentile, bytes) in lines {
        write!(out, "{percentile:3} {:>15}", size(bytes, form.raw_number))?;
        if form.nr_cols_bar > 0 {
            let width = usize::from(form.nr_cols_bar);
            let stars = "*".repeat(stars(bytes, longest, width));
            write!(out, " |{stars:<width$}|")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// How much of a bar's width a value takes, rounded down. Divided in this
/// order, as the peer does: a full bar can come out one star short.
fn stars(bytes: u64, longest: u64, width: usize) -> usize {
    if longest == 0 {
        return 0;
    }
    (bytes as f64 / (longest as f64 / width as f64)) as usize
}
