//! Parquet, as docs/PARQUET.md has it: a row for each region sample, and one for
//! each gap and each snapshot without regions, in sorted row groups.

use std::io::{self, Write};
use std::sync::Arc;

use ::parquet::basic::{Compression, ConvertedType, Encoding, LogicalType, Repetition, TimeUnit};
use ::parquet::basic::{Type as Physical, ZstdLevel};
use ::parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{KeyValue, SortingColumn};
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use ::parquet::schema::types::{ColumnPath, Type};

use super::columns::{COLUMNS, Cell, Column, Kind, Value};
use super::rows::{self, About, Common, Row, Table};
use super::{ExportError, Exported, Filter};
use crate::model::{Meta, Record};

/// Rows of a row group: this many are held in memory, no more.
const GROUP_ROWS: usize = 128 << 10;
/// What rows of a row group are sorted by.
const SORTED_BY: [&str; 4] = ["end_ns", "kdamond", "target_id", "start_address"];

/// Columns that change from row to row.
const PLAIN: [&str; 8] = [
    "start_address",
    "end_address",
    "size_bytes",
    "nr_accesses",
    "access_hz",
    "age_aggrs",
    "age_us",
    "filter_passed_bytes",
];

/// Writes the wanted part of a record as one Parquet file.
///
/// # Errors
/// The record cannot be read any more, or `out` not be written.
pub fn write_parquet(
    record: &mut dyn Record,
    filter: &Filter,
    out: &mut (dyn Write + Send),
) -> Result<Exported, ExportError> {
    let common = Common::of(record, filter)?;
    let about = about(record.meta(), &common);
    let schema = Arc::new(schema().map_err(failed)?);
    let properties = Arc::new(properties().map_err(failed)?);
    let writer = SerializedFileWriter::new(out, schema, properties).map_err(failed)?;
    let mut table = Groups {
        writer,
        common,
        abouts: Vec::new(),
        rows: Vec::new(),
    };
    let exported = rows::fill(record, filter, &mut table)?;
    table.write_group()?;
    let mut writer = table.writer;
    for (key, value) in about.into_iter().chain(counts(&exported)) {
        writer.append_key_value_metadata(KeyValue::new(format!("damo.{key}"), value));
    }
    writer.finish().map_err(failed)?;
    // The rest of its buffer, whose failure a drop would not tell.
    writer.flush()?;
    Ok(exported)
}

/// Collects rows until there are enough of them for a row group.
struct Groups<'a> {
    writer: SerializedFileWriter<&'a mut (dyn Write + Send)>,
    common: Common,
    abouts: Vec<About>,
    /// Each with the index of what it is about.
    rows: Vec<(usize, Row)>,
}

impl Table for Groups<'_> {
    fn about(&mut self, about: About) {
        self.abouts.push(about);
    }

    fn row(&mut self, row: Row) -> Result<(), ExportError> {
        self.rows.push((self.abouts.len().saturating_sub(1), row));
        if self.rows.len() < GROUP_ROWS {
            return Ok(());
        }
        self.write_group()
    }
}

impl Groups<'_> {
    fn write_group(&mut self) -> Result<(), ExportError> {
        let cells = self.rows.iter().filter_map(|(about, row)| {
            let about = self.abouts.get(*about)?;
            let common = &self.common;
            Some(Cell { common, about, row })
        });
        let mut cells: Vec<Cell<'_>> = cells.collect();
        if cells.is_empty() {
            return Ok(());
        }
        cells.sort_by_key(|cell| {
            let start = cell.row.region.map(|region| region.start);
            // TargetKey has the kdamond first; nulls come first, as declared.
            (cell.about.end_ns, cell.about.target, start)
        });
        let mut group = self.writer.next_row_group().map_err(failed)?;
        for column in COLUMNS {
            let Some(mut writer) = group.next_column().map_err(failed)? else {
                break;
            };
            write_column(&mut writer, column, &cells).map_err(failed)?;
            writer.close().map_err(failed)?;
        }
        group.close().map_err(failed)?;
        // Of a snapshot that goes on in the next row group.
        let last = self.abouts.pop();
        self.abouts.clear();
        self.abouts.extend(last);
        self.rows.clear();
        Ok(())
    }
}

/// Signed types stand for unsigned ones, with the same bits.
fn write_column(
    writer: &mut SerializedColumnWriter<'_>,
    column: &Column,
    cells: &[Cell<'_>],
) -> Result<(), ParquetError> {
    let values = cells.iter().map(|cell| (column.get)(*cell));
    match column.kind {
        Kind::U32 => write_values::<Int32Type>(writer, column, values, |value| match value {
            Value::U32(number) => Some(number as i32),
            _ => None,
        }),
        Kind::U64 | Kind::Wall => {
            write_values::<Int64Type>(writer, column, values, |value| match value {
                Value::U64(number) => Some(number as i64),
                Value::Wall(ns) => Some(ns),
                _ => None,
            })
        }
        Kind::F64 => write_values::<DoubleType>(writer, column, values, |value| match value {
            Value::F64(number) => Some(number),
            _ => None,
        }),
        Kind::Text => {
            // Texts come in runs, and a copy of the last one costs no memory.
            let mut last: Option<(&str, ByteArray)> = None;
            write_values::<ByteArrayType>(writer, column, values, |value| match value {
                Value::Text(text) => match &last {
                    Some((known, bytes)) if *known == text => Some(bytes.clone()),
                    _ => {
                        let bytes = ByteArray::from(text);
                        last = Some((text, bytes.clone()));
                        Some(bytes)
                    }
                },
                _ => None,
            })
        }
    }
}

fn write_values<'a, T: DataType>(
    writer: &mut SerializedColumnWriter<'_>,
    column: &Column,
    cells: impl Iterator<Item = Value<'a>>,
    mut pick: impl FnMut(Value<'a>) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let mut levels = Vec::with_capacity(cells.size_hint().0);
    let mut values = Vec::with_capacity(cells.size_hint().0);
    for cell in cells {
        let value = pick(cell);
        levels.push(i16::from(value.is_some()));
        values.extend(value);
    }
    let levels = (!column.always).then_some(levels.as_slice());
    writer.typed::<T>().write_batch(&values, levels, None)?;
    Ok(())
}

fn schema() -> Result<Type, ParquetError> {
    let mut fields = Vec::with_capacity(COLUMNS.len());
    for column in COLUMNS {
        let (physical, logical) = match column.kind {
            Kind::U32 => (Physical::INT32, Some(LogicalType::integer(32, false))),
            Kind::U64 => (Physical::INT64, Some(LogicalType::integer(64, false))),
            Kind::F64 => (Physical::DOUBLE, None),
            Kind::Wall => {
                let nanos = LogicalType::timestamp(true, TimeUnit::NANOS);
                (Physical::INT64, Some(nanos))
            }
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let repetition = match column.always {
            true => Repetition::REQUIRED,
            false => Repetition::OPTIONAL,
        };
        let field = Type::primitive_type_builder(column.name, physical)
            .with_converted_type(ConvertedType::from(logical.clone()))
            .with_logical_type(logical)
            .with_repetition(repetition)
            .build()?;
        fields.push(Arc::new(field));
    }
    Type::group_type_builder("damo").with_fields(fields).build()
}

fn properties() -> Result<WriterProperties, ParquetError> {
    let place = |name: &&str| COLUMNS.iter().position(|column| column.name == *name);
    let sorting = SORTED_BY
        .iter()
        .filter_map(place)
        .map(|index| SortingColumn {
            column_idx: index as i32,
            descending: false,
            nulls_first: true,
        });
    let mut properties = WriterProperties::builder()
        .set_created_by(format!("damo {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_sorting_columns(Some(sorting.collect()))
        // One page has all of a row group's column, so its statistics are enough.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true);
    for column in COLUMNS {
        let path = ColumnPath::from(column.name);
        properties = match column.kind {
            Kind::Text => properties,
            // Regions come back from snapshot to snapshot: what zstd finds by itself, unless an
            // encoding hides it. Half the size of dictionaries, a quarter of deltas.
            _ if PLAIN.contains(&column.name) => properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::PLAIN),
            // The same for all rows of a snapshot, and often ascending.
            Kind::U64 | Kind::Wall => properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
            Kind::U32 | Kind::F64 => properties,
        };
    }
    Ok(properties.build())
}

/// What the record says about itself, as keys and values.
fn about(meta: &Meta, common: &Common) -> Vec<(&'static str, String)> {
    let mut about = vec![
        ("schema_version", "1".to_owned()),
        ("record", common.record.clone()),
        ("recorded_by", meta.tool.clone()),
        ("command", meta.command.join(" ")),
        ("hostname", meta.hostname.clone()),
        ("kernel", meta.kernel.clone()),
        ("machine", meta.machine.clone()),
        ("boot_id", meta.boot_id.clone()),
    ];
    if let Some(ops) = meta.ops {
        about.push(("ops", ops.keyword().to_owned()));
    }
    if let Some(intervals) = meta.intervals {
        about.push(("sample_us", intervals.sample_us.to_string()));
        about.push(("aggr_us", intervals.aggr_us.to_string()));
        about.push(("update_us", intervals.update_us.to_string()));
    }
    if let Some((min, max)) = meta.nr_regions {
        about.push(("min_nr_regions", min.to_string()));
        about.push(("max_nr_regions", max.to_string()));
    }
    if meta.wall_ns > 0 {
        // What both clocks showed at one moment.
        about.push(("wall_ns", meta.wall_ns.to_string()));
        about.push(("record_ns", meta.mono_ns.to_string()));
    }
    about.retain(|(_, value)| !value.is_empty());
    about
}

/// What is in the file and what is not.
fn counts(exported: &Exported) -> Vec<(&'static str, String)> {
    let losses = &exported.losses;
    [
        ("snapshots", exported.snapshots),
        ("samples", exported.samples),
        ("lost_samples", losses.samples()),
        ("lost_incomplete", losses.incomplete),
        ("lost_ring_full", losses.ring_full),
        ("lost_unseen", losses.unseen),
        ("lost_damaged", losses.damaged),
        ("lost_unwritten", losses.unwritten),
        ("gaps_of_unknown_size", losses.uncounted_gaps),
    ]
    .into_iter()
    .map(|(key, count)| (key, count.to_string()))
    .collect()
}

/// What the system said, where it was asked.
fn failed(error: ParquetError) -> ExportError {
    ExportError::Write(match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(source) => *source,
            Err(source) => io::Error::other(source),
        },
        other => io::Error::other(other),
    })
}
