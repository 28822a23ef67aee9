//! The columns of CSV and Parquet. docs/PARQUET.md says what they mean.

use super::rows::{About, Common, Row};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Unsigned, 32 bits.
    U32,
    /// Unsigned, 64 bits.
    U64,
    /// Floating point, 64 bits.
    F64,
    /// Nanoseconds since 1970 in UTC.
    Wall,
    /// UTF-8.
    Text,
}

/// A column.
pub struct Column {
    /// Its name, with the unit.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether every row of every record has a value.
    pub always: bool,
    pub(super) get: for<'a> fn(Cell<'a>) -> Value<'a>,
}

/// A row with all that belongs to it.
#[derive(Clone, Copy)]
pub(super) struct Cell<'a> {
    pub common: &'a Common,
    pub about: &'a About,
    pub row: &'a Row,
}

/// What a cell holds, in its column's kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    U32(u32),
    U64(u64),
    F64(f64),
    Wall(i64),
    Text(&'a str),
}

impl From<Option<u32>> for Value<'_> {
    fn from(value: Option<u32>) -> Self {
        value.map_or(Value::Null, Value::U32)
    }
}

impl From<Option<u64>> for Value<'_> {
    fn from(value: Option<u64>) -> Self {
        value.map_or(Value::Null, Value::U64)
    }
}

impl From<Option<f64>> for Value<'_> {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Value::Null, Value::F64)
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(value: Option<&'a str>) -> Self {
        value.map_or(Value::Null, Value::Text)
    }
}

fn wall(cell: Cell<'_>, ns: u64) -> Value<'_> {
    cell.common.wall.at(ns).map_or(Value::Null, Value::Wall)
}

/// Accesses per second, as the peer reckons them: `nr_accesses` counts what was
/// seen in one aggregation interval.
fn access_hz(cell: Cell<'_>) -> Option<f64> {
    let aggr_us = cell.about.intervals?.aggr_us;
    let nr_accesses = f64::from(cell.row.region?.nr_accesses);
    (aggr_us > 0).then(|| nr_accesses * 1_000_000.0 / aggr_us as f64)
}

fn age_us(cell: Cell<'_>) -> Option<u64> {
    let age = u64::from(cell.row.region?.age?);
    age.checked_mul(cell.about.age_unit_us?)
}

const fn column(name: &'static str, kind: Kind, get: for<'a> fn(Cell<'a>) -> Value<'a>) -> Column {
    Column {
        name,
        kind,
        always: false,
        get,
    }
}

const fn always(column: Column) -> Column {
    Column {
        always: true,
        ..column
    }
}

/// All columns, in their order. Names and meaning stay; new ones come at the end.
pub const COLUMNS: &[Column] = &[
    always(column("record", Kind::Text, |c| {
        Value::Text(&c.common.record)
    })),
    column("hostname", Kind::Text, |c| {
        c.common.hostname.as_deref().into()
    }),
    column("boot_id", Kind::Text, |c| {
        c.common.boot_id.as_deref().into()
    }),
    column("kdamond", Kind::U32, |c| {
        c.about.target.map(|target| target.kdamond).into()
    }),
    column("target_id", Kind::U64, |c| {
        c.about.target.map(|target| target.target_id).into()
    }),
    column("pid", Kind::U32, |c| c.about.pid.into()),
    column("comm", Kind::Text, |c| c.about.comm.as_deref().into()),
    always(column("kind", Kind::Text, |c| Value::Text(c.row.kind))),
    column("snapshot", Kind::U64, |c| c.about.snapshot.into()),
    always(column("start_ns", Kind::U64, |c| {
        Value::U64(c.about.start_ns)
    })),
    always(column("end_ns", Kind::U64, |c| Value::U64(c.about.end_ns))),
    column("start_time", Kind::Wall, |c| wall(c, c.about.start_ns)),
    column("end_time", Kind::Wall, |c| wall(c, c.about.end_ns)),
    column("sample_us", Kind::U64, |c| {
        c.about
            .intervals
            .map(|intervals| intervals.sample_us)
            .into()
    }),
    column("aggr_us", Kind::U64, |c| {
        c.about.intervals.map(|intervals| intervals.aggr_us).into()
    }),
    column("update_us", Kind::U64, |c| {
        c.about
            .intervals
            .map(|intervals| intervals.update_us)
            .into()
    }),
    column("start_address", Kind::U64, |c| {
        c.row.region.map(|region| region.start).into()
    }),
    column("end_address", Kind::U64, |c| {
        c.row.region.map(|region| region.end).into()
    }),
    column("size_bytes", Kind::U64, |c| {
        c.row.region.map(|region| region.len()).into()
    }),
    column("nr_accesses", Kind::U32, |c| {
        c.row.region.map(|region| region.nr_accesses).into()
    }),
    column("access_hz", Kind::F64, |c| access_hz(c).into()),
    column("age_aggrs", Kind::U32, |c| {
        c.row.region.and_then(|region| region.age).into()
    }),
    column("age_us", Kind::U64, |c| age_us(c).into()),
    column("filter_passed_bytes", Kind::U64, |c| {
        c.row.filter_passed.into()
    }),
    column("probe_hits", Kind::Text, |c| {
        c.row.probe_hits.as_deref().into()
    }),
    column("lost_samples", Kind::U64, |c| c.row.lost.into()),
    column("lost_cause", Kind::Text, |c| c.row.lost_cause.into()),
];
