//! Access frequency over time and address: v1.7.3's `heats` and 3.x's `heatmap`.

mod axis;
mod heated;
mod peer;

use std::ops::Range;

use axis::Axis;
use heated::{Heated, heat_row};

use crate::model::{Region, Snapshot, TargetKey};

/// The largest picture, in pixels: 512 MiB of heats.
pub const MAX_PIXELS: usize = 64 << 20;

/// What picture to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeatSpec {
    /// Of which target.
    pub target: TargetKey,
    /// Nanoseconds of the record's clock.
    pub time: Range<u64>,
    /// Addresses, in bytes.
    pub space: Range<u64>,
    /// Number of pixels in time and in space.
    pub resolution: (usize, usize),
}

/// Whose rules a picture follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeatRule {
    /// v1.7.3's: counts of samples; the first snapshot is left out, ages are not
    /// looked at, and what nothing covers is 0.
    #[default]
    Counts,
    /// 3.4.3's: with [`HeatUnit::Hz`], a region counts for as long as it has been
    /// what it is, back to the snapshot before; what nothing covers is unknown.
    Rates {
        /// What heats are counted in.
        unit: HeatUnit,
        /// Only the bytes of a region that passed a scheme's filters count.
        filter_passed: bool,
        /// 3.4.3's mistakes, too.
        as_the_peer: bool,
    },
}

/// What heats are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeatUnit {
    /// `nr_accesses` of an aggregation.
    Samples,
    /// `nr_accesses` per second.
    Hz,
}

impl HeatUnit {
    /// As the peer names it.
    pub fn name(self) -> &'static str {
        match self {
            HeatUnit::Samples => "samples",
            HeatUnit::Hz => "hz",
        }
    }
}

/// Why there can be no such picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeatError {
    /// A resolution of nothing or too much.
    #[error(
        "a picture of {0} x {1} pixels: at least 1 x 1 and at most {MAX_PIXELS} pixels are possible"
    )]
    Resolution(usize, usize),
    /// Less than a nanosecond or a byte per pixel, or an end before its start.
    #[error("the {what} range {start}-{end} has no {unit} for each of {pixels} pixels")]
    Range {
        /// Time or address.
        what: &'static str,
        /// As given.
        start: u64,
        /// As given.
        end: u64,
        /// What a pixel needs at least one of.
        unit: &'static str,
        /// How many pixels.
        pixels: usize,
    },
}

/// Folds snapshots into a picture.
#[derive(Debug)]
pub struct Heat {
    target: TargetKey,
    rule: HeatRule,
    time: Axis,
    space: Axis,
    heats: Vec<f64>,
    area: f64,
    first_skipped: bool,
    last_end_ns: Option<u64>,
}

/// A finished picture.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    /// First nanosecond and first byte of the picture.
    pub origin: (u64, u64),
    /// Nanoseconds and bytes per pixel.
    pub unit: (u64, u64),
    /// Number of pixels in time and in space.
    pub resolution: (usize, usize),
    /// What the heats are counted in.
    pub heat_unit: HeatUnit,
    /// Mean heat per pixel, by rows of equal time; NaN where it is not known.
    pub heats: Vec<f64>,
}

impl HeatMap {
    /// The rows, each of equal time.
    pub fn rows(&self) -> std::slice::Chunks<'_, f64> {
        self.heats.chunks(self.resolution.1.max(1))
    }

    /// One past the last nanosecond and the last byte.
    pub fn end(&self) -> (u64, u64) {
        (
            self.origin.0 + self.resolution.0 as u64 * self.unit.0,
            self.origin.1 + self.resolution.1 as u64 * self.unit.1,
        )
    }

    /// The lowest and the highest heat that is known.
    pub fn extremes(&self) -> Option<(f64, f64)> {
        let known = || self.heats.iter().copied().filter(|heat| !heat.is_nan());
        let (low, high) = (known().reduce(f64::min)?, known().reduce(f64::max)?);
        Some((low, high))
    }
}

impl Heat {
    /// Starts an empty picture by v1.7.3's rules.
    ///
    /// # Errors
    /// A resolution that is nothing or too much, or finer than the ranges.
    pub fn new(spec: &HeatSpec) -> Result<Self, HeatError> {
        Self::with_rule(spec, HeatRule::Counts)
    }

    /// Starts an empty picture.
    ///
    /// # Errors
    /// As for [`Heat::new`].
    pub fn with_rule(spec: &HeatSpec, rule: HeatRule) -> Result<Self, HeatError> {
        let (rows, columns) = spec.resolution;
        let pixels = rows
            .checked_mul(columns)
            .filter(|n| (1..=MAX_PIXELS).contains(n));
        let pixels = pixels.ok_or(HeatError::Resolution(rows, columns))?;
        let time = Axis::new("time", "nanosecond", &spec.time, rows)?;
        let space = Axis::new("address", "byte", &spec.space, columns)?;
        let unknown = match rule {
            HeatRule::Counts => 0.0,
            HeatRule::Rates { .. } => f64::NAN,
        };
        Ok(Self {
            target: spec.target,
            rule,
            time,
            space,
            heats: vec![unknown; pixels],
            area: (u128::from(time.unit) * u128::from(space.unit)) as f64,
            first_skipped: false,
            last_end_ns: None,
        })
    }

    /// Takes a snapshot in, unless it is another target's.
    pub fn add(&mut self, snapshot: &Snapshot) {
        if snapshot.target == self.target {
            self.add_wanted(snapshot);
        }
    }

    /// Takes a snapshot in, whatever target it names.
    pub fn add_wanted(&mut self, snapshot: &Snapshot) {
        let floor_ns = match self.rule {
            HeatRule::Counts => {
                if !std::mem::replace(&mut self.first_skipped, true) {
                    return;
                }
                snapshot.start_ns
            }
            HeatRule::Rates { as_the_peer, .. } => {
                if as_the_peer {
                    return self.add_as_the_peer(snapshot);
                }
                let last_end_ns = self.last_end_ns.replace(snapshot.end_ns);
                // Another record that begins anew says nothing of this one's ages.
                last_end_ns
                    .filter(|end| *end <= snapshot.end_ns)
                    .unwrap_or(0)
            }
        };
        let Some(rate) = self.rate(snapshot) else {
            return;
        };
        match rate.age_unit_ns {
            // All regions count from the same moment on.
            None => self.add_all(snapshot, &rate, snapshot.start_ns),
            Some(_) if floor_ns >= snapshot.start_ns => self.add_all(snapshot, &rate, floor_ns),
            Some(age_unit_ns) => self.add_each(snapshot, &rate, |region| {
                let age_ns = u64::from(region.age.unwrap_or(0)).saturating_mul(age_unit_ns);
                snapshot.start_ns.saturating_sub(age_ns).max(floor_ns)
            }),
        }
    }

    /// What the regions of a snapshot count; `None` if that is not known.
    fn rate(&self, snapshot: &Snapshot) -> Option<Rate> {
        let HeatRule::Rates {
            unit,
            filter_passed,
            ..
        } = self.rule
        else {
            return Some(Rate::default());
        };
        let intervals = snapshot.intervals.filter(|it| it.aggr_us > 0);
        let (aggr_s, age_unit_ns) = match unit {
            HeatUnit::Samples => (None, None),
            HeatUnit::Hz => {
                let aggr_us = intervals?.aggr_us;
                let age_unit_us = snapshot.age_unit_us().unwrap_or(aggr_us);
                (
                    Some(aggr_us as f64 / 1e6),
                    Some(age_unit_us.saturating_mul(1000)),
                )
            }
        };
        Some(Rate {
            aggr_s,
            age_unit_ns,
            filter_passed,
        })
    }

    /// Regions that count since the same time. Each pixel takes them in their order,
    /// as in [`Heat::add_each`].
    fn add_all(&mut self, snapshot: &Snapshot, rate: &Rate, since_ns: u64) {
        let Some(time) = self.time.clip(since_ns, snapshot.end_ns) else {
            return;
        };
        for row in self.time.touched(&time, &mut 0) {
            let ns = self.time.overlap(&time, row);
            let mut near_column = 0;
            for (index, region) in snapshot.regions.iter().enumerate() {
                if let Some(space) = self.space.clip(region.start, region.end) {
                    let columns = self.space.touched(&space, &mut near_column);
                    self.heat(row, &space, columns, rate.heat(snapshot, index, region, ns));
                }
            }
        }
    }

    fn add_each(&mut self, snapshot: &Snapshot, rate: &Rate, since: impl Fn(&Region) -> u64) {
        let (mut near_row, mut near_column) = (0, 0);
        for (index, region) in snapshot.regions.iter().enumerate() {
            let Some(space) = self.space.clip(region.start, region.end) else {
                continue;
            };
            let Some(time) = self.time.clip(since(region), snapshot.end_ns) else {
                continue;
            };
            let columns = self.space.touched(&space, &mut near_column);
            for row in self.time.touched(&time, &mut near_row) {
                let ns = self.time.overlap(&time, row);
                let heat = rate.heat(snapshot, index, region, ns);
                self.heat(row, &space, columns.clone(), heat);
            }
        }
    }

    /// Adds a region's heat to the pixels of a row that it touches.
    fn heat(&mut self, row: usize, space: &Range<u64>, columns: Range<usize>, heat: Heated) {
        let start = row * self.space.pixels;
        let pixels = start + columns.start..start + columns.end;
        if let Some(pixels) = self.heats.get_mut(pixels) {
            heat_row(pixels, &self.space, space, heat, self.area, columns.start);
        }
    }

    /// The picture.
    pub fn finish(self) -> HeatMap {
        HeatMap {
            origin: (self.time.start, self.space.start),
            unit: (self.time.unit, self.space.unit),
            resolution: (self.time.pixels, self.space.pixels),
            heat_unit: match self.rule {
                HeatRule::Counts => HeatUnit::Samples,
                HeatRule::Rates { unit, .. } => unit,
            },
            heats: self.heats,
        }
    }
}

/// What the regions of one snapshot count.
#[derive(Default)]
struct Rate {
    /// Seconds that `nr_accesses` is divided by.
    aggr_s: Option<f64>,
    /// What an age of 1 is, where ages count.
    age_unit_ns: Option<u64>,
    filter_passed: bool,
}

impl Rate {
    /// Whether values are whole numbers.
    fn is_exact(&self) -> bool {
        self.aggr_s.is_none() && !self.filter_passed
    }

    /// Of a region, for so long.
    fn heat(&self, snapshot: &Snapshot, index: usize, region: &Region, ns: u64) -> Heated {
        match self.is_exact() {
            true => Heated::new(region.nr_accesses, ns),
            false => Heated::Float(self.value(snapshot, index, region) * ns as f64),
        }
    }

    fn value(&self, snapshot: &Snapshot, index: usize, region: &Region) -> f64 {
        let samples = f64::from(region.nr_accesses);
        let value = self.aggr_s.map_or(samples, |aggr_s| samples / aggr_s);
        if !self.filter_passed {
            return value;
        }
        let extra = snapshot.extra.as_ref();
        let passed = extra.and_then(|extra| extra.filter_passed.get(index).copied().flatten());
        match region.len() {
            0 => 0.0,
            len => value * passed.unwrap_or(0) as f64 / len as f64,
        }
    }
}
