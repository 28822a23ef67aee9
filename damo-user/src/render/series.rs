//! A distribution of numbers: percentiles, or each of them.

use std::io::{self, Write};

use super::size;
use super::table::{Table, Value};
use crate::analyze::Series;
use crate::model::units::format_size;

/// What is printed, and how.
#[derive(Clone, Debug)]
pub struct SeriesForm {
    /// Percentiles, in the order of lines; those above 100 are left out.
    pub percentiles: Vec<u64>,
    /// Each number with its place in the order, instead of percentiles.
    pub all: bool,
    /// Bytes instead of numbers with units.
    pub raw_number: bool,
    /// Width of the bars; 0 for none.
    pub nr_cols_bar: u16,
}

impl SeriesForm {
    /// What the first column of a table is.
    pub fn column(&self) -> &'static str {
        if self.all { "index" } else { "percentile" }
    }

    /// The numbers that are printed, each with its percentile or its index.
    fn chosen<'a>(&'a self, series: &'a Series) -> Box<dyn Iterator<Item = (u64, u64)> + 'a> {
        if self.all {
            return Box::new((0..).zip(series.iter()));
        }
        let percentiles = self.percentiles.iter();
        Box::new(percentiles.filter_map(|it| Some((*it, series.percentile(*it)?))))
    }
}

/// Prints sizes: their mean, then lines with bars.
///
/// # Errors
/// `out` cannot be written.
pub fn write_sizes(out: &mut dyn Write, sizes: &Series, form: &SeriesForm) -> io::Result<()> {
    let Some(mean) = sizes.mean() else {
        return writeln!(out, "# no snapshot");
    };
    let mean = match form.raw_number {
        true => (mean as u64).to_string(),
        false => format_size(mean),
    };
    writeln!(out, "# avr:\t{mean}")?;
    if form.all {
        for (index, bytes) in form.chosen(sizes) {
            writeln!(out, "{index} {}", size(bytes, form.raw_number))?;
        }
        return Ok(());
    }
    let longest = form.chosen(sizes).map(|(_, bytes)| bytes).max();
    for (percentile, bytes) in form.chosen(sizes) {
        write!(out, "{percentile:3} {:>15}", size(bytes, form.raw_number))?;
        if form.nr_cols_bar > 0 {
            let width = usize::from(form.nr_cols_bar);
            let stars = "*".repeat(stars(bytes, longest.unwrap_or(0), width));
            write!(out, " |{stars:<width$}|")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Adds a distribution to a table: `row` makes a row of a percentile or an index
/// and its number. The mean is a row without a percentile.
///
/// # Errors
/// `out` cannot be written.
pub fn write_rows<const N: usize>(
    table: &mut Table<'_>,
    series: &Series,
    form: &SeriesForm,
    row: impl Fn(Value, u64) -> [Value; N],
) -> io::Result<()> {
    if let Some(mean) = series.mean().filter(|_| !form.all) {
        table.row(&row(Value::None, mean.round() as u64))?;
    }
    for (at, number) in form.chosen(series) {
        table.row(&row(Value::Number(at), number))?;
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
