//! `report access` as tables for programs.

use std::io::{self, Write};

use super::values::{Metric, Shown};
use super::{AccessRecord, Look, Style, total_bytes};
use crate::analyze::access::{Access, Scale, Survey, measure, percentiles, sort_regions};
use crate::model::Snapshot;
use crate::render::{Table, TableForm, Value};

/// What each row begins with.
macro_rules! columns {
    ($($name:literal),*) => {
        &["kdamond", "context", "scheme", "target_id", "snapshot", "start_ns", "end_ns", $($name),*]
    };
}

const REGIONS: &[&str] = columns!(
    "index",
    "start_address",
    "end_address",
    "size_bytes",
    "nr_accesses",
    "access_rate_percent",
    "access_hz",
    "age_us",
    "temperature",
    "filters_passed_bytes"
);
const TOTALS: &[&str] = columns!("total_bytes", "regions");
const IDLE_PERCENTILES: &[&str] = columns!("filters_passed", "percentile", "idle_time_us");
const TEMPERATURE_PERCENTILES: &[&str] = columns!("filters_passed", "percentile", "temperature");
const IDLE_HISTOGRAM: &[&str] = columns!("filters_passed", "from_us", "to_us", "size_bytes");
const TEMPERATURE_HISTOGRAM: &[&str] = columns!(
    "filters_passed",
    "from_temperature",
    "to_temperature",
    "size_bytes"
);

/// What the rows are of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    Regions,
    Totals,
    Percentiles(Metric),
    Histogram(Metric),
}

/// Writes records as a table, snapshot by snapshot.
pub struct AccessTable<'a> {
    table: Table<'a>,
    rows: Rows,
    look: Look,
    regions: Vec<Access>,
    values: Vec<(i64, u64)>,
    /// How many snapshots of the record were written.
    index: u64,
}

impl<'a> AccessTable<'a> {
    /// Begins the table of a style; `totals`: nothing but the size of each snapshot.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn new(
        out: &'a mut dyn Write,
        form: TableForm,
        style: Style,
        totals: bool,
        look: Look,
    ) -> io::Result<AccessTable<'a>> {
        let (rows, columns) = match style {
            _ if totals => (Rows::Totals, TOTALS),
            Style::RecencyPercentiles => (Rows::Percentiles(Metric::Recency), IDLE_PERCENTILES),
            Style::TemperaturePercentiles => (
                Rows::Percentiles(Metric::Temperature),
                TEMPERATURE_PERCENTILES,
            ),
            Style::RecencyHistogram => (Rows::Histogram(Metric::Recency), IDLE_HISTOGRAM),
            Style::TemperatureHistogram => {
                (Rows::Histogram(Metric::Temperature), TEMPERATURE_HISTOGRAM)
            }
            Style::Detailed | Style::SimpleBoxes | Style::Hot | Style::Cold => {
                (Rows::Regions, REGIONS)
            }
        };
        Ok(AccessTable {
            table: Table::begin(out, form, columns)?,
            rows,
            look,
            regions: Vec::new(),
            values: Vec::new(),
            index: 0,
        })
    }

    /// Begins a record.
    pub fn begin(&mut self) {
        self.index = 0;
    }

    /// Writes the rows of a snapshot.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn snapshot(
        &mut self,
        record: &AccessRecord,
        snapshot: &Snapshot,
        scale: &Scale,
        survey: &Survey,
    ) -> io::Result<()> {
        let first = [
            Value::Signed(record.kdamond_idx.into()),
            Value::Number(record.context_idx.into()),
            or_none(record.scheme_idx.map(|index| Value::Number(index.into()))),
            or_none(record.target_id.map(Value::Exact)),
            Value::Number(self.index),
            Value::Exact(snapshot.start_ns),
            Value::Exact(snapshot.end_ns),
        ];
        self.index += 1;
        let mut regions = std::mem::take(&mut self.regions);
        measure(snapshot, scale, &mut regions);
        let shown = Shown {
            snapshot,
            regions: &regions,
            scale,
            record,
            look: &self.look,
            survey,
        };
        let table = &mut self.table;
        let mut row = |values: &[Value]| table.row(&[&first, values].concat());
        match self.rows {
            Rows::Totals => row(&[
                Value::Number(total_bytes(snapshot)),
                Value::Number(regions.len() as u64),
            ])?,
            Rows::Percentiles(metric) => {
                for passed in [false, true]
                    .into_iter()
                    .take(1 + usize::from(record.filters))
                {
                    shown.values(metric, passed, &mut self.values);
                    for found in percentiles(&mut self.values, &self.look.percentiles) {
                        row(&[
                            Value::Bool(passed),
                            Value::Signed(found.percent),
                            Value::Signed(found.value),
                        ])?;
                    }
                }
            }
            Rows::Histogram(metric) => {
                for passed in [false, true]
                    .into_iter()
                    .take(1 + usize::from(record.filters))
                {
                    shown.values(metric, passed, &mut self.values);
                    for bin in self.look.bins.of(&self.values, self.look.cumulate) {
                        row(&[
                            Value::Bool(passed),
                            Value::Signed(bin.from),
                            Value::Signed(bin.to),
                            Value::Number(bin.bytes),
                        ])?;
                    }
                }
            }
            Rows::Regions => {
                sort_regions(&mut regions, &self.look.sort, &self.look.weights);
                for (index, region) in regions.iter().enumerate() {
                    let passed = record.filters.then_some(Value::Number(region.passed));
                    row(&[
                        Value::Number(index as u64),
                        Value::Exact(region.start),
                        Value::Exact(region.end),
                        Value::Number(region.len()),
                        Value::Number(region.nr_accesses.into()),
                        Value::Float(region.percent),
                        Value::Float(f64::from(region.nr_accesses) / scale.aggr_seconds()),
                        Value::Number(region.age_us),
                        Value::Signed(self.look.weights.temperature(region)),
                        or_none(passed),
                    ])?;
                }
            }
        }
        self.regions = regions;
        Ok(())
    }

    /// Ends the table.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn finish(self) -> io::Result<()> {
        self.table.finish()
    }
}

fn or_none(value: Option<Value>) -> Value {
    value.unwrap_or(Value::None)
}
