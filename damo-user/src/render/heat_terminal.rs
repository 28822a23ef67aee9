//! A heat map on the terminal: a picture of digits.

use std::io::{self, Write};

use super::Paint;
use super::color::RESET;
use crate::analyze::HeatMap;
use crate::model::units::{format_size, format_size_accurate, format_time};

/// Whose form the text has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminalForm {
    /// `report heats --heatmap stdout` of v1.7.3.
    Heats,
    /// `report heatmap` of 3.x; the line with the ten levels can be left out.
    Heatmap {
        /// Whether it is there.
        levels: bool,
    },
}

/// Prints a picture, one digit per pixel: time goes down, addresses go right.
/// Without a paint there are no escapes.
///
/// # Errors
/// `out` cannot be written.
pub fn write_picture(
    out: &mut dyn Write,
    map: &HeatMap,
    paint: Option<Paint>,
    form: TerminalForm,
) -> io::Result<()> {
    let extremes = map.extremes();
    let (low, high) = extremes.unwrap_or((0.0, 0.0));
    let per_level = (high + 1.0 - low) / 9.0;
    let reset = if paint.is_some() { RESET } else { "" };
    let mut escape = String::new();
    for row in map.rows() {
        for heat in row {
            let known = !heat.is_nan();
            let place = if known { (heat - low) / per_level } else { 4.0 };
            let level = (place as usize).min(9) as u8;
            if let Some(paint) = paint {
                escape.clear();
                let share = if known {
                    (heat - low) / (high - low)
                } else {
                    0.0
                };
                paint.escape(&mut escape, level, share);
            }
            match known {
                true => write!(out, "{escape}{level}")?,
                false => write!(out, "{escape} ")?,
            }
        }
        writeln!(out, "{reset}")?;
    }
    let sample = |level: u8| {
        let mut escape = String::new();
        if let Some(paint) = paint {
            paint.escape(&mut escape, level, f64::from(level) / 9.0);
        }
        escape
    };
    match form {
        TerminalForm::Heats => {
            write!(out, "# access_frequency: ")?;
            for level in 0..10 {
                write!(out, "{} {level} ", sample(level))?;
            }
            writeln!(out, "{reset}")?;
        }
        TerminalForm::Heatmap { levels: true } => {
            write!(out, "# access_frequency: ")?;
            for level in 0..10 {
                write!(out, "{}{level}", sample(level))?;
            }
            let unit = map.heat_unit.name();
            match extremes {
                Some((low, high)) => writeln!(out, "{reset} ({low:.3}-{high:.3} {unit})")?,
                None => writeln!(out, "{reset} (nothing was watched here)")?,
            }
        }
        TerminalForm::Heatmap { levels: false } => {}
    }
    let (end_ns, end) = map.end();
    let (space, time) = (end - map.origin.1, end_ns - map.origin.0);
    let (space, time) = (format_size(space as f64), format_time(time));
    match form {
        TerminalForm::Heats => {
            writeln!(out, "# x-axis: space ({}-{end}: {space})", map.origin.1)?;
            writeln!(out, "# y-axis: time ({}-{end_ns}: {time})", map.origin.0)?;
        }
        TerminalForm::Heatmap { .. } => {
            let address = |address: u64| format_size_accurate(address as f64);
            let (first, last) = (address(map.origin.1), address(end));
            writeln!(out, "# x-axis: space [{first}, {last}) ({space})")?;
            let (first, last) = (format_time(map.origin.0), format_time(end_ns));
            writeln!(out, "# y-axis: time [{first}, {last}) ({time})")?;
        }
    }
    let (rows, columns) = map.resolution;
    let (time, space) = (format_time(map.unit.0), format_size(map.unit.1 as f64));
    writeln!(
        out,
        "# resolution: {columns}x{rows} ({space} and {time} for each character)"
    )
}
