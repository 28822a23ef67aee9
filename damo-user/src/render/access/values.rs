//! What stands in a format for each keyword.

use std::fmt::Write as _;

use super::keys::{RecordKey, RegionKey, SnapshotKey};
use super::tables::{push_bins, push_percentiles};
use super::{AccessRecord, Formats, Look, boxes, colored, numbers, samples};
use crate::analyze::access::{Access, Bin, Cell, Scale, Survey, Weights, percentiles, strip};
use crate::model::Snapshot;

/// What a snapshot without regions has instead of a table.
const NO_REGION: &str = "no region in snapshot";

/// As the peer prints what it does not know.
fn or_none<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "None".to_owned(), |value| value.to_string())
}

/// Appends a value of a record.
pub fn push_record(
    into: &mut String,
    key: RecordKey,
    record: &AccessRecord,
    look: &Look,
    formats: &Formats,
) {
    let raw = look.raw;
    let (start_ns, end_ns) = (i128::from(record.start_ns), i128::from(record.end_ns));
    let us = |us: u64| numbers::us(us as f64, raw);
    into.push_str(&match key {
        RecordKey::KdamondIndex => record.kdamond_idx.to_string(),
        RecordKey::ContextIndex => record.context_idx.to_string(),
        RecordKey::SchemeIndex => or_none(record.scheme_idx),
        RecordKey::TargetId => or_none(record.target_id),
        RecordKey::AbsStartTime => numbers::ns(start_ns, raw),
        RecordKey::Duration => numbers::ns(end_ns - start_ns, raw),
        RecordKey::Intervals => format!(
            "sample {}, aggr {}",
            us(record.intervals.sample_us),
            us(record.intervals.aggr_us)
        ),
        RecordKey::IntervalsGoal => {
            let goal = record.goal.unwrap_or_default();
            format!(
                "target {} accesses per {} aggrs, [{}, {}] sampling interval",
                match raw {
                    // In its own unit, of a hundredth of a percent.
                    true => format!("{:.6}", goal.access_percent * 100.0),
                    false => numbers::percent(goal.access_percent, false),
                },
                numbers::number(goal.aggrs as f64, raw),
                us(goal.min_sample_us),
                us(goal.max_sample_us)
            )
        }
        RecordKey::DataSource => record.source.clone(),
        RecordKey::FormatStrings => format_strings(formats),
    });
}

fn format_strings(formats: &Formats) -> String {
    let lines = [
        ("record head", &formats.record_head),
        ("snapshot head", &formats.snapshot_head),
        ("region", &formats.region),
        ("snapshot tail", &formats.snapshot_tail),
        ("record tail", &formats.record_tail),
    ];
    let line = |(name, format): (&str, &Option<String>)| {
        let format = format.as_deref().unwrap_or("").replace("\\n", "\n");
        format!("{name}: \"{format}\"")
    };
    lines.map(line).join("\n")
}

/// A snapshot and what is needed to print it.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    pub snapshot: &'a Snapshot,
    /// Ascending in address.
    pub regions: &'a [Access],
    pub scale: &'a Scale,
    pub record: &'a AccessRecord,
    pub look: &'a Look,
    pub survey: &'a Survey,
}

/// What a distribution is of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    Recency,
    Temperature,
}

impl Shown<'_> {
    /// Appends a value of the snapshot; `values` is room to work in.
    pub fn push(&self, into: &mut String, key: SnapshotKey, values: &mut Vec<(i64, u64)>) {
        let Shown {
            snapshot,
            look,
            record,
            ..
        } = *self;
        let raw = look.raw;
        let (start_ns, end_ns) = (i128::from(snapshot.start_ns), i128::from(snapshot.end_ns));
        let base_ns = i128::from(record.start_ns);
        let text = match key {
            SnapshotKey::TotalBytes => numbers::bytes(total_bytes(snapshot) as f64, raw),
            SnapshotKey::Duration => numbers::ns(end_ns - start_ns, raw),
            SnapshotKey::StartTime => numbers::ns(start_ns - base_ns, raw),
            SnapshotKey::EndTime => numbers::ns(end_ns - base_ns, raw),
            SnapshotKey::AbsStartTime => numbers::ns(start_ns, raw),
            SnapshotKey::AbsEndTime => numbers::ns(end_ns, raw),
            SnapshotKey::NumberOfRegions => numbers::number(self.regions.len() as f64, raw),
            SnapshotKey::RegionBoxColors => samples(look.boxes.palette),
            SnapshotKey::RegionBoxDescription => {
                return boxes::push_description(into, look, self.survey);
            }
            SnapshotKey::TemperatureHistogram => {
                return self.push_histogram(into, Metric::Temperature, false, values);
            }
            SnapshotKey::TemperaturePassedHistogram => {
                return self.push_histogram(into, Metric::Temperature, true, values);
            }
            SnapshotKey::RecencyHistogram => {
                return self.push_histogram(into, Metric::Recency, false, values);
            }
            SnapshotKey::RecencyPassedHistogram => {
                return self.push_histogram(into, Metric::Recency, true, values);
            }
            SnapshotKey::RecencyPercentiles => {
                return self.push_percentiles(into, Metric::Recency, false, values);
            }
            SnapshotKey::RecencyPassedPercentiles => {
                return self.push_percentiles(into, Metric::Recency, true, values);
            }
            SnapshotKey::TemperaturePercentiles => {
                return self.push_percentiles(into, Metric::Temperature, false, values);
            }
            SnapshotKey::TemperaturePassedPercentiles => {
                return self.push_percentiles(into, Metric::Temperature, true, values);
            }
            SnapshotKey::Heatmap => return self.push_strip(into, self.regions),
            SnapshotKey::PassedHeatmap => {
                let passed = self.regions.iter().filter(|region| region.passed > 0);
                let passed: Vec<Access> = passed.copied().collect();
                return self.push_strip(into, &passed);
            }
            SnapshotKey::PassedType => match record.page_filters.as_slice() {
                [] => "n/a".to_owned(),
                filters => filters.join(", "),
            },
            SnapshotKey::PassedBytes => numbers::bytes(self.passed_bytes() as f64, raw),
            SnapshotKey::PositiveRatio => {
                let most = self.scale.max_accesses * self.regions.len() as f64;
                let found = self.regions.iter().map(|r| u64::from(r.nr_accesses));
                let found = found.sum::<u64>() as f64;
                numbers::percent(found * 100.0 / most.max(1.0), raw)
            }
            SnapshotKey::Bandwidth => self.bandwidth(Access::len),
            SnapshotKey::PassedBandwidth => self.bandwidth(|region| region.passed),
            SnapshotKey::TuningStatus => self.tuning_status(),
            SnapshotKey::DamosStats => self.stats(),
            SnapshotKey::SnapshotIntervals => format!(
                "sample {} aggr {} (max access hz {})",
                numbers::us(self.scale.sample_us(), raw),
                numbers::us(self.scale.aggr_us, raw),
                numbers::bare_hz(self.scale.max_hz(), raw)
            ),
        };
        into.push_str(&text);
    }

    fn passed_bytes(&self) -> u64 {
        let passed = self.regions.iter().map(|region| region.passed);
        passed.fold(0, u64::saturating_add)
    }

    /// Bytes that the checks which found an access stand for.
    fn observed(&self, bytes: impl Fn(&Access) -> u64) -> f64 {
        let each = |r: &Access| u128::from(bytes(r)) * u128::from(r.nr_accesses);
        let sum = self.regions.iter().map(each).fold(0, u128::saturating_add);
        sum as f64
    }

    fn bandwidth(&self, bytes: impl Fn(&Access) -> u64) -> String {
        let bytes = self.observed(bytes) / self.scale.aggr_seconds();
        format!("{} per second", numbers::bytes(bytes, self.look.raw))
    }

    fn tuning_status(&self) -> String {
        let raw = self.look.raw;
        let seen = self.observed(Access::len);
        let bytes = self.regions.iter().map(|r| u128::from(r.len()));
        let most = bytes.sum::<u128>() as f64 * self.scale.max_accesses;
        let intervals = &self.record.intervals;
        format!(
            "{} ({} / {}) {} {}",
            numbers::percent(seen * 100.0 / most.max(1.0), raw),
            numbers::bytes(seen, raw),
            numbers::bytes(most, raw),
            numbers::us(intervals.sample_us as f64, raw),
            numbers::us(intervals.aggr_us as f64, raw)
        )
    }

    fn stats(&self) -> String {
        let extra = self.snapshot.extra.as_ref();
        let Some(stats) = extra.and_then(|extra| extra.scheme_stats.as_ref()) else {
            return "none".to_owned();
        };
        let raw = self.look.raw;
        let of = |name: &str| stats.get(name).copied().unwrap_or(0) as f64;
        let (number, bytes) = (
            |name| numbers::number(of(name), raw),
            |name| numbers::bytes(of(name), raw),
        );
        let passed = bytes("sz_ops_filter_passed");
        // The peer has one number twice.
        let again = match self.look.compat {
            true => format!("{passed}\n"),
            false => String::new(),
        };
        format!(
            "tried {} times ({})\napplied {} times ({})\n{passed} passed filters\nquota exceeded {} times\n{again}tried {} snapshots (max {})",
            number("nr_tried"),
            bytes("sz_tried"),
            number("nr_applied"),
            bytes("sz_applied"),
            number("qt_exceeds"),
            number("nr_snapshots"),
            number("max_nr_snapshots"),
        )
    }

    /// The values of all regions, each with its bytes.
    pub fn values(&self, metric: Metric, passed: bool, into: &mut Vec<(i64, u64)>) {
        let weights = self.look.weights.without_size();
        into.clear();
        let regions = self.regions.iter();
        into.extend(regions.map(|region| {
            let value = match metric {
                Metric::Recency => region.idle_us(self.scale),
                Metric::Temperature => weights.temperature(region),
            };
            (value, if passed { region.passed } else { region.len() })
        }));
    }

    fn text_of(&self, metric: Metric, value: i64) -> String {
        match metric {
            Metric::Recency => numbers::us(value as f64, self.look.raw),
            Metric::Temperature => numbers::integer(value, self.look.raw),
        }
    }

    fn push_percentiles(
        &self,
        into: &mut String,
        metric: Metric,
        passed: bool,
        values: &mut Vec<(i64, u64)>,
    ) {
        if self.regions.is_empty() {
            return into.push_str(NO_REGION);
        }
        self.values(metric, passed, values);
        let found = percentiles(values, &self.look.percentiles);
        let Weights { size, rate, age } = self.look.weights;
        into.push_str(if passed {
            "<df-passed percentile> "
        } else {
            "<percentile> "
        });
        let _ = match metric {
            Metric::Recency if self.look.raw => write!(into, "<idle time (us)>"),
            Metric::Recency => write!(into, "<idle time>"),
            Metric::Temperature => {
                write!(into, "<temperature (weights: [{size}, {rate}, {age}])>")
            }
        };
        push_percentiles(into, &found, |value| self.text_of(metric, value));
    }

    fn push_histogram(
        &self,
        into: &mut String,
        metric: Metric,
        passed: bool,
        values: &mut Vec<(i64, u64)>,
    ) {
        if self.regions.is_empty() {
            return into.push_str(NO_REGION);
        }
        self.values(metric, passed, values);
        let bins = self.look.bins.of(values, self.look.cumulate);
        let range = |bin: &Bin| {
            let (from, to) = (self.text_of(metric, bin.from), self.text_of(metric, bin.to));
            format!("[{from}, {to})")
        };
        push_bins(into, &bins, range, |bytes| {
            numbers::bytes(bytes as f64, self.look.raw)
        });
    }

    fn push_strip(&self, into: &mut String, regions: &[Access]) {
        let look = self.look;
        let heat = &look.strip;
        let drawn = strip(regions, heat.width, heat.in_place, &look.weights);
        let Some(drawn) = drawn else {
            return into.push_str("n/a (no region)");
        };
        let span = drawn.hottest - drawn.coldest;
        let unit = [span / 9.0, drawn.hottest / 9.0];
        let unit = unit.into_iter().find(|unit| *unit != 0.0).unwrap_or(1.0);
        for cell in &drawn.cells {
            match *cell {
                Cell::Void(columns) if columns > 4.0 && !heat.in_place => into.push_str("[...]"),
                Cell::Void(columns) => {
                    let dots = (columns as usize).min(heat.width as usize);
                    into.extend(std::iter::repeat_n('.', dots));
                }
                Cell::Heat(warmth) => {
                    let level = (((warmth - drawn.coldest) / unit) as u8).min(9);
                    into.push_str(&colored(&level.to_string(), heat.palette, level));
                }
            }
        }
        let _ = write!(
            into,
            "\n# min/max temperatures: {}, {}, column size: {}",
            numbers::number(drawn.coldest, look.raw),
            numbers::number(drawn.hottest, look.raw),
            numbers::bytes(drawn.column, look.raw)
        );
    }

    /// Appends a value of one of the regions, the `index`th that is shown.
    pub fn push_region(&self, into: &mut String, key: RegionKey, index: usize, region: &Access) {
        let (look, raw) = (self.look, self.look.raw);
        into.push_str(&match key {
            RegionKey::Index => numbers::number(index as f64, raw),
            RegionKey::StartAddress => address(region.start, raw),
            RegionKey::EndAddress => address(region.end, raw),
            RegionKey::Size => numbers::bytes(region.len() as f64, raw),
            RegionKey::AccessRate => numbers::percent(region.percent, raw),
            RegionKey::AccessHz => {
                let hz = f64::from(region.nr_accesses) / self.scale.aggr_seconds();
                numbers::hz(hz, raw)
            }
            RegionKey::Age => numbers::us(region.age_us as f64, raw),
            RegionKey::Temperature => numbers::integer(look.weights.temperature(region), raw),
            RegionKey::ProbeHits => {
                let hits = self.snapshot.extra.as_ref().map(|extra| &extra.probe_hits);
                let hits = hits.and_then(|hits| hits.get(region.place));
                let hits = hits.into_iter().flatten().map(u32::to_string);
                hits.collect::<Vec<_>>().join(" ")
            }
            RegionKey::PassedBytes => numbers::bytes(region.passed as f64, raw),
            RegionKey::Box => return boxes::push_box(into, region, look, self.survey),
        });
    }
}

/// Exact, where a float would round it.
fn address(address: u64, raw: bool) -> String {
    match raw {
        true => address.to_string(),
        false => numbers::bytes(address as f64, false),
    }
}

/// What a snapshot says of its size, or the sum of its regions.
pub fn total_bytes(snapshot: &Snapshot) -> u64 {
    let told = snapshot.extra.as_ref().and_then(|extra| extra.total_bytes);
    told.unwrap_or_else(|| {
        let bytes = snapshot.regions.iter().map(|region| region.len());
        bytes.fold(0, u64::saturating_add)
    })
}
