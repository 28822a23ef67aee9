//! CSV: a row for each region sample, with the columns of docs/PARQUET.md.

use std::io::{self, Write};

use super::columns::{COLUMNS, Cell, Value};
use super::rows::{self, About, Common, Row, Table};
use super::wall::rfc3339;
use super::{ExportError, Exported, Filter};
use crate::model::Record;

/// Writes the wanted part of a record as CSV: a line of names, then one for each
/// region sample. Numbers are decimal, unknown values empty. Gaps and snapshots
/// without regions have no row: the former are in what is returned, the latter
/// leave a hole in their target's snapshot numbers.
///
/// # Errors
/// The record cannot be read any more, or `out` not be written.
pub fn write_csv(
    record: &mut dyn Record,
    filter: &Filter,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let common = Common::of(record, filter)?;
    let mut writer = ::csv::Writer::from_writer(out);
    let names = COLUMNS.iter().map(|column| column.name);
    writer.write_record(names).map_err(failed)?;
    let mut table = Lines {
        writer,
        common,
        about: None,
        cell: Vec::new(),
    };
    let exported = rows::fill(record, filter, &mut table)?;
    table.writer.flush()?;
    Ok(exported)
}

struct Lines<W: Write> {
    writer: ::csv::Writer<W>,
    common: Common,
    about: Option<About>,
    /// A cell's text, kept to be used again.
    cell: Vec<u8>,
}

impl<W: Write> Table for Lines<W> {
    fn about(&mut self, about: About) {
        self.about = Some(about);
    }

    fn row(&mut self, row: Row) -> Result<(), ExportError> {
        let (Some(about), Some(_)) = (&self.about, row.region) else {
            return Ok(());
        };
        let cell = Cell {
            common: &self.common,
            about,
            row: &row,
        };
        for column in COLUMNS {
            self.cell.clear();
            match (column.get)(cell) {
                Value::Null => Ok(()),
                Value::U32(number) => write!(self.cell, "{number}"),
                Value::U64(number) => write!(self.cell, "{number}"),
                Value::F64(number) => write!(self.cell, "{number}"),
                Value::Wall(ns) => write!(self.cell, "{}", rfc3339(ns)),
                Value::Text(text) => self.cell.write_all(text.as_bytes()),
            }?;
            self.writer.write_field(&self.cell).map_err(failed)?;
        }
        let end: [&[u8]; 0] = [];
        self.writer.write_record(end).map_err(failed)
    }
}

/// What the system said: a conversion by `From` would hide its kind.
fn failed(error: ::csv::Error) -> ExportError {
    let text = error.to_string();
    ExportError::Write(match error.into_kind() {
        ::csv::ErrorKind::Io(source) => source,
        _ => io::Error::other(text),
    })
}
