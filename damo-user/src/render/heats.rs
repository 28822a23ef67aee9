//! `report heats` as text: `time<TAB>address<TAB>heat`.

use std::io::{self, Write};

use super::repr;
use crate::analyze::HeatMap;

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
            writeln!(out, "{time}\t{address}\t{}", repr(*heat))?;
        }
    }
    Ok(())
}
