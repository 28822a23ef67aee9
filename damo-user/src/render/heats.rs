//! Heat maps as numbers: `time<TAB>address<TAB>heat`, or rows of a table.

use std::io::{self, Write};

use super::repr;
use super::table::{Table, Value};
use crate::analyze::{HeatMap, HeatUnit};
use crate::model::TargetKey;

/// How times and addresses are printed.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeatsForm {
    /// Times of the record's clock instead of from the picture's start.
    pub absolute_time: bool,
    /// Addresses instead of distances from the picture's first.
    pub absolute_address: bool,
}

/// Prints every pixel, row by row.
///
/// # Errors
/// `out` cannot be written.
pub fn write_heats(out: &mut dyn Write, map: &HeatMap, form: HeatsForm) -> io::Result<()> {
    let first_time = if form.absolute_time { map.origin.0 } else { 0 };
    let first_address = if form.absolute_address {
        map.origin.1
    } else {
        0
    };
    for (time, row) in (0..).map(|i| first_time + i * map.unit.0).zip(map.rows()) {
        for (address, heat) in (0..).map(|i| first_address + i * map.unit.1).zip(row) {
            match heat.is_nan() {
                true => writeln!(out, "{time}\t{address}\tNaN")?,
                false => writeln!(out, "{time}\t{address}\t{}", repr(*heat))?,
            }
        }
    }
    Ok(())
}

/// What [`write_heats_rows`] writes: of each pixel the first nanosecond and address,
/// how much of both it spans, and its heat in the unit that is known.
pub const HEAT_COLUMNS: [&str; 8] = [
    "kdamond",
    "target_id",
    "time_ns",
    "duration_ns",
    "address",
    "bytes",
    "nr_accesses",
    "accesses_per_second",
];

/// Adds every pixel to a table, row by row; what is not known has no heat.
///
/// # Errors
/// The table cannot be written.
pub fn write_heats_rows(table: &mut Table<'_>, map: &HeatMap, target: TargetKey) -> io::Result<()> {
    for (time, row) in (0..).map(|i| map.origin.0 + i * map.unit.0).zip(map.rows()) {
        for (address, heat) in (0..).map(|i| map.origin.1 + i * map.unit.1).zip(row) {
            let heat = match heat.is_nan() {
                true => Value::None,
                false => Value::Float(*heat),
            };
            let (samples, rate) = match map.heat_unit {
                HeatUnit::Samples => (heat, Value::None),
                HeatUnit::Hz => (Value::None, heat),
            };
            table.row(&[
                Value::Number(target.kdamond.into()),
                Value::Exact(target.target_id),
                Value::Exact(time),
                Value::Number(map.unit.0),
                Value::Exact(address),
                Value::Number(map.unit.1),
                samples,
                rate,
            ])?;
        }
    }
    Ok(())
}
