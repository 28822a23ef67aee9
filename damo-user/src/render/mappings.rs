//! `report mappings`.

use std::io::{self, Write};

use super::table::{Table, TableForm, Value};
use super::wss::place_values;
use super::{size, time};
use crate::analyze::{MappingKind, MappingUse};
use crate::model::printable;

/// A mapping's use, and what its process is called, where that is known.
pub type NamedUse = (MappingUse, Option<String>);

/// Prints a line for each.
///
/// # Errors
/// `out` cannot be written.
pub fn write_mappings(out: &mut dyn Write, uses: &[NamedUse], raw: bool) -> io::Result<()> {
    writeln!(
        out,
        "#{:>11} {:>12} {:>12} {:>16} {:>8} {:<9} mapping",
        "access_hz", "wss", "bytes", "idle", "pid", "kind"
    )?;
    for (it, comm) in uses {
        let hz = it.hz.map_or("?".to_owned(), |hz| format!("{hz:.3}"));
        let pid = match it.place.pid {
            0 => "?".to_owned(),
            pid => pid.to_string(),
        };
        let idle = match it.accessed {
            // It may have been idle for longer.
            false => format!(">={}", time(it.idle_ns, raw)),
            true => time(it.idle_ns, raw),
        };
        let name = match (it.place.name.is_empty(), comm) {
            (false, _) => printable(&it.place.name),
            (true, Some(comm)) if it.place.kind.is_none() => printable(comm),
            (true, _) => "-".into(),
        };
        writeln!(
            out,
            "{hz:>12} {:>12} {:>12} {idle:>16} {pid:>8} {:<9} {name}",
            size(it.wss.round() as u64, raw),
            size(it.bytes.round() as u64, raw),
            it.place.kind.map_or("process", MappingKind::name),
        )?;
    }
    if uses.is_empty() {
        writeln!(out, "# no snapshot")?;
    }
    Ok(())
}

/// As [`write_mappings`], for programs.
///
/// # Errors
/// `out` cannot be written.
pub fn write_mappings_table(
    out: &mut dyn Write,
    uses: &[NamedUse],
    table: TableForm,
) -> io::Result<()> {
    let columns = [
        "pid",
        "comm",
        "kind",
        "mapping",
        "access_hz",
        "wss_bytes",
        "max_wss_bytes",
        "bytes",
        "idle_ns",
        "accessed",
        "watched_ns",
    ];
    let mut table = Table::begin(out, table, &columns)?;
    for (it, comm) in uses {
        let [pid, kind, name] = place_values(&it.place);
        table.row(&[
            pid,
            comm.clone().map_or(Value::None, Value::Text),
            kind,
            name,
            it.hz.map_or(Value::None, Value::Float),
            Value::Number(it.wss.round() as u64),
            Value::Number(it.most_wss),
            Value::Number(it.bytes.round() as u64),
            Value::Number(it.idle_ns),
            Value::Bool(it.accessed),
            Value::Number(it.watched_ns),
        ])?;
    }
    table.finish()
}
