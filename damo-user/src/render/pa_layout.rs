//! `report pa_layout`.

use std::io::{self, Write};

use super::size;
use super::table::{Table, TableForm, Value};
use crate::model::printable;
use crate::sys::pa_layout::Piece;

/// Prints a line for each resource, or for its part on each node.
///
/// # Errors
/// `out` cannot be written.
pub fn write_layout(out: &mut dyn Write, pieces: &[Piece], raw: bool) -> io::Result<()> {
    writeln!(
        out,
        "#{:>14} {:>14}\tnode\tstate\tresource\tsize",
        "start", "end"
    )?;
    for piece in pieces {
        writeln!(
            out,
            "{:>15} {:>15}\t{}\t{}\t{}\t{}",
            size(piece.start, raw),
            size(piece.end, raw),
            piece.node,
            printable(&piece.state),
            printable(&piece.resource),
            size(piece.end - piece.start, raw),
        )?;
    }
    Ok(())
}

/// Prints what is monitored by default.
///
/// # Errors
/// `out` cannot be written.
pub fn write_default_range(out: &mut dyn Write, range: (u64, u64), raw: bool) -> io::Result<()> {
    writeln!(out, "Default paddr monitoring range: {}", of(range, raw))
}

/// As [`write_layout`], for programs.
///
/// # Errors
/// `out` cannot be written.
pub fn write_layout_table(
    out: &mut dyn Write,
    pieces: &[Piece],
    form: TableForm,
) -> io::Result<()> {
    let columns = [
        "start_address",
        "end_address",
        "node",
        "state",
        "resource",
        "bytes",
    ];
    let mut table = Table::begin(out, form, &columns)?;
    for piece in pieces {
        table.row(&[
            Value::Exact(piece.start),
            Value::Exact(piece.end),
            Value::Number(piece.node.into()),
            Value::Text(piece.state.clone()),
            Value::Text(piece.resource.clone()),
            Value::Number(piece.end - piece.start),
        ])?;
    }
    table.finish()
}

/// Prints a line for each range of addresses.
///
/// # Errors
/// `out` cannot be written.
pub fn write_ranges(out: &mut dyn Write, ranges: &[(u64, u64)], raw: bool) -> io::Result<()> {
    ranges
        .iter()
        .try_for_each(|it| writeln!(out, "{}", of(*it, raw)))
}

/// As [`write_ranges`], for programs.
///
/// # Errors
/// `out` cannot be written.
pub fn write_ranges_table(
    out: &mut dyn Write,
    ranges: &[(u64, u64)],
    form: TableForm,
) -> io::Result<()> {
    let mut table = Table::begin(out, form, &["start_address", "end_address", "bytes"])?;
    for (start, end) in ranges {
        table.row(&[
            Value::Exact(*start),
            Value::Exact(*end),
            Value::Number(end - start),
        ])?;
    }
    table.finish()
}

fn of((start, end): (u64, u64), raw: bool) -> String {
    let [from, to, bytes] = [start, end, end - start].map(|it| size(it, raw));
    format!("[{from}, {to}) (size {bytes})")
}
