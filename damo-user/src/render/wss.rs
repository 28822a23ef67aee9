//! `report wss`.

use std::io::{self, Write};

use super::series::{SeriesForm, write_rows, write_sizes};
use super::table::{Table, TableForm, Value};
use crate::analyze::{MappingKind, Place, Whose, WssOf};
use crate::model::printable;

const HEAD: &str = "# <percentile> <wss>";

/// Prints the distribution of every target's working set sizes, or of every
/// mapping's.
///
/// # Errors
/// `out` cannot be written.
pub fn write_wss(out: &mut dyn Write, all: &[WssOf], form: &SeriesForm) -> io::Result<()> {
    writeln!(out, "{HEAD}")?;
    for it in all {
        match &it.whose {
            Whose::Target(target) => writeln!(out, "# target_id\t{}", target.target_id)?,
            Whose::All => writeln!(out, "# all targets at the same moments")?,
            Whose::Mapping(place) => writeln!(out, "# {}", place_line(place))?,
        }
        write_sizes(out, &it.sizes, form)?;
    }
    if all.is_empty() {
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
    collapsed: &WssOf,
    form: &SeriesForm,
) -> io::Result<()> {
    writeln!(out, "# target_id\t0\n{HEAD}")?;
    write_sizes(out, &collapsed.sizes, form)
}

/// Prints the percentiles as rows, and the mean as one without a percentile;
/// columns are others for mappings.
///
/// # Errors
/// `out` cannot be written.
pub fn write_wss_table(
    out: &mut dyn Write,
    all: &[WssOf],
    form: &SeriesForm,
    by_mapping: bool,
    table: TableForm,
) -> io::Result<()> {
    if by_mapping {
        let columns = ["pid", "kind", "mapping", form.column(), "wss_bytes"];
        let mut table = Table::begin(out, table, &columns)?;
        for it in all {
            let Whose::Mapping(place) = &it.whose else {
                continue;
            };
            write_rows(&mut table, &it.sizes, form, |at, bytes| {
                let [pid, kind, name] = place_values(place);
                [pid, kind, name, at, Value::Number(bytes)]
            })?;
        }
        return table.finish();
    }
    let columns = ["kdamond", "target_id", form.column(), "wss_bytes"];
    let mut table = Table::begin(out, table, &columns)?;
    for it in all {
        write_rows(&mut table, &it.sizes, form, |at, bytes| {
            let [kdamond, target_id] = match &it.whose {
                Whose::Target(target) => [
                    Value::Number(target.kdamond.into()),
                    Value::Exact(target.target_id),
                ],
                _ => [Value::None, Value::None],
            };
            [kdamond, target_id, at, Value::Number(bytes)]
        })?;
    }
    table.finish()
}

/// Whose sizes they are, in a line.
pub fn whose_line(whose: &Whose) -> String {
    match whose {
        Whose::Target(target) => format!("target {}", target.target_id),
        Whose::All => "all targets".to_owned(),
        Whose::Mapping(place) => place_line(place),
    }
}

/// A mapping in a line.
fn place_line(place: &Place) -> String {
    let mut line = match place.pid {
        0 => "pid unknown".to_owned(),
        pid => format!("pid {pid}"),
    };
    if let Some(kind) = place.kind {
        line = format!("{line} {}", kind.name());
    }
    match place.name.is_empty() {
        true => line,
        false => format!("{line} {}", printable(&place.name)),
    }
}

/// A mapping as process id, kind and name.
pub fn place_values(place: &Place) -> [Value; 3] {
    let text = |text: &str| match text.is_empty() {
        true => Value::None,
        false => Value::Text(text.to_owned()),
    };
    [
        match place.pid {
            0 => Value::None,
            pid => Value::Exact(pid.into()),
        },
        text(place.kind.map_or("", MappingKind::name)),
        text(&place.name),
    ]
}
