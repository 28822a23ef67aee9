//! `report heats --heatmap stdout`: a picture of digits.

use std::io::{self, Write};

use super::Palette;
use super::color::RESET;
use crate::analyze::HeatMap;
use crate::model::units::{format_size, format_time};

/// Prints a picture, one digit per pixel: time goes down, addresses go right.
/// Without a palette there are no escapes.
///
/// # Errors
/// `out` cannot be written.
pub fn write_picture(
    out: &mut dyn Write,
    map: &HeatMap,
    palette: Option<Palette>,
) -> io::Result<()> {
    let low = map.heats.iter().copied().fold(f64::INFINITY, f64::min);
    let high = map.heats.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let per_level = (high + 1.0 - low) / 9.0;
    let cells: Vec<String> = (0..10u8)
        .map(|level| palette.map_or(String::new(), |p| p.escape(level)))
        .collect();
    let reset = if palette.is_some() { RESET } else { "" };
    for row in map.rows() {
        for heat in row {
            let level = (((heat - low) / per_level) as usize).min(9);
            let cell = cells.get(level).map_or("", String::as_str);
            write!(out, "{cell}{level}")?;
        }
        writeln!(out, "{reset}")?;
    }
    write!(out, "# access_frequency: ")?;
    for (level, cell) in cells.iter().enumerate() {
        write!(out, "{cell} {level} ")?;
    }
    writeln!(out, "{reset}")?;
    let (rows, columns) = map.resolution;
    let end = (
        map.origin.0 + rows as u64 * map.unit.0,
        map.origin.1 + columns as u64 * map.unit.1,
    );
    let space = format_size((end.1 - map.origin.1) as f64);
    writeln!(out, "# x-axis: space ({}-{}: {space})", map.origin.1, end.1)?;
    let time = format_time(end.0 - map.origin.0);
    writeln!(out, "# y-axis: time ({}-{}: {time})", map.origin.0, end.0)?;
    let (time, space) = (format_time(map.unit.0), format_size(map.unit.1 as f64));
    writeln!(
        out,
        "# resolution: {columns}x{rows} ({space} and {time} for each character)"
    )
}
