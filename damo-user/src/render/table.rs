//! Reports as tables for programs: json, ndjson and csv from one definition.

use std::io::{self, Write};

use serde::Serializer as _;
use serde::ser::SerializeMap;
use serde_json::ser::{PrettyFormatter, Serializer};

/// What a table is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableForm {
    /// A list of objects.
    Json,
    /// An object per line.
    Ndjson,
    /// A line of names, then a line per row.
    Csv,
}

/// What one field says. Names of columns tell the unit (`wss_bytes`).
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Not known: `null`, or nothing between two commas.
    None,
    /// A count or an amount.
    Number(u64),
    /// What may be below zero.
    Signed(i64),
    /// A measured or computed quantity; what is no number is `null`.
    Float(f64),
    /// An address, an id or a time of a clock: decimal text, since many readers
    /// of json know only floats, which round it.
    Exact(u64),
    /// Text.
    Text(String),
    /// Yes or no.
    Bool(bool),
}

/// A table that is being written, row by row.
pub struct Table<'a> {
    out: &'a mut dyn Write,
    form: TableForm,
    columns: &'a [&'a str],
    rows: u64,
}

impl<'a> Table<'a> {
    /// Begins a table with these columns.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn begin(
        out: &'a mut dyn Write,
        form: TableForm,
        columns: &'a [&'a str],
    ) -> io::Result<Table<'a>> {
        match form {
            TableForm::Json => out.write_all(b"[")?,
            TableForm::Ndjson => {}
            TableForm::Csv => line(out, columns)?,
        }
        Ok(Table {
            out,
            form,
            columns,
            rows: 0,
        })
    }

    /// Writes a row: a value for each column, in their order.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn row(&mut self, values: &[Value]) -> io::Result<()> {
        debug_assert_eq!(values.len(), self.columns.len());
        match self.form {
            TableForm::Json => {
                self.out
                    .write_all(if self.rows == 0 { b"\n" } else { b",\n" })?;
                object(&mut *self.out, self.columns, values)?;
            }
            TableForm::Ndjson => {
                object(&mut *self.out, self.columns, values)?;
                self.out.write_all(b"\n")?;
            }
            TableForm::Csv => line(
                self.out,
                &values.iter().map(Value::text).collect::<Vec<_>>(),
            )?,
        }
        self.rows += 1;
        Ok(())
    }

    /// Ends the table.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn finish(self) -> io::Result<()> {
        match (self.form, self.rows) {
            (TableForm::Json, 0) => self.out.write_all(b"]\n"),
            (TableForm::Json, _) => self.out.write_all(b"\n]\n"),
            (TableForm::Ndjson | TableForm::Csv, _) => Ok(()),
        }
    }
}

fn object(out: &mut dyn Write, columns: &[&str], values: &[Value]) -> io::Result<()> {
    let mut serializer = Serializer::new(out);
    let mut map = serializer.serialize_map(Some(columns.len()))?;
    for (column, value) in columns.iter().zip(values) {
        match value {
            Value::None => map.serialize_entry(column, &())?,
            Value::Number(number) => map.serialize_entry(column, number)?,
            Value::Signed(number) => map.serialize_entry(column, number)?,
            Value::Float(number) => map.serialize_entry(column, number)?,
            Value::Exact(number) => map.serialize_entry(column, &number.to_string())?,
            Value::Text(text) => map.serialize_entry(column, text)?,
            Value::Bool(yes) => map.serialize_entry(column, yes)?,
        }
    }
    Ok(SerializeMap::end(map)?)
}

/// A line of csv.
fn line<T: AsRef<[u8]>>(out: &mut dyn Write, fields: &[T]) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().from_writer(out);
    writer.write_record(fields)?;
    writer.flush()
}

impl Value {
    fn text(&self) -> String {
        match self {
            Value::None => String::new(),
            Value::Number(number) | Value::Exact(number) => number.to_string(),
            Value::Signed(number) => number.to_string(),
            Value::Float(number) if number.is_finite() => number.to_string(),
            Value::Float(_) => String::new(),
            Value::Text(text) => text.clone(),
            Value::Bool(yes) => yes.to_string(),
        }
    }
}

/// One json document, indented, for what is no table.
///
/// # Errors
/// `out` cannot be written.
pub fn write_json(out: &mut dyn Write, value: &impl serde::Serialize) -> io::Result<()> {
    let mut serializer =
        Serializer::with_formatter(&mut *out, PrettyFormatter::with_indent(b"    "));
    value.serialize(&mut serializer)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: TableForm, rows: usize) -> String {
        let mut out = Vec::new();
        let mut table = Table::begin(&mut out, form, &["id", "name", "share"]).unwrap();
        for row in 0..rows {
            let id = Value::Exact(u64::MAX - row as u64);
            let name = Value::Text("a,\"b\"\n".to_owned());
            let share = [Value::Float(0.5), Value::None][row % 2].clone();
            table.row(&[id, name, share]).unwrap();
        }
        table.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_form_says_the_same() {
        let json: serde_json::Value = serde_json::from_str(&written(TableForm::Json, 2)).unwrap();
        let lines = written(TableForm::Ndjson, 2);
        let lines: Vec<serde_json::Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(json, serde_json::Value::from(lines));
        assert_eq!(json[0]["id"], "18446744073709551615");
        assert_eq!(json[0]["share"], 0.5);
        assert_eq!(json[1]["share"], serde_json::Value::Null);
        assert_eq!(
            written(TableForm::Csv, 2),
            "id,name,share\n\
             18446744073709551615,\"a,\"\"b\"\"\n\",0.5\n\
             18446744073709551614,\"a,\"\"b\"\"\n\",\n"
        );
    }

    #[test]
    fn a_table_without_rows_is_one() {
        assert_eq!(written(TableForm::Json, 0), "[]\n");
        assert_eq!(written(TableForm::Ndjson, 0), "");
        assert_eq!(written(TableForm::Csv, 0), "id,name,share\n");
    }
}
