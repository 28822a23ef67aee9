//! Access frequency over time and address: v1.7.3's `heats`.

use std::ops::Range;

use crate::model::{Snapshot, TargetKey};

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

/// One axis, divided into pixels of a whole number of units: the rest of the
/// division is cut off at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Axis {
    start: u64,
    unit: u64,
    pixels: usize,
}

impl Axis {
    fn new(
        what: &'static str,
        of: &'static str,
        range: &Range<u64>,
        pixels: usize,
    ) -> Result<Self, HeatError> {
        let unit = range.end.saturating_sub(range.start) / pixels as u64;
        if unit == 0 {
            return Err(HeatError::Range {
                what,
                start: range.start,
                end: range.end,
                unit: of,
                pixels,
            });
        }
        Ok(Self {
            start: range.start,
            unit,
            pixels,
        })
    }

    fn end(&self) -> u64 {
        // At most the range's own end.
        self.start + self.unit * self.pixels as u64
    }

    /// The part of a range that is on the axis, relative to the axis.
    fn clip(&self, start: u64, end: u64) -> Option<Range<u64>> {
        let (start, end) = (start.max(self.start), end.min(self.end()));
        (start < end).then(|| start - self.start..end - self.start)
    }

    /// The pixels that a clipped range touches.
    fn touched(&self, part: &Range<u64>) -> Range<usize> {
        (part.start / self.unit) as usize..((part.end - 1) / self.unit) as usize + 1
    }

    /// How much of a pixel a clipped range covers.
    fn overlap(&self, part: &Range<u64>, pixel: usize) -> u64 {
        let start = pixel as u64 * self.unit;
        part.end
            .min(start + self.unit)
            .saturating_sub(part.start.max(start))
    }
}

/// Folds snapshots into a picture.
#[derive(Debug)]
pub struct Heat {
    target: TargetKey,
    time: Axis,
    space: Axis,
    heats: Vec<f64>,
    area: f64,
    first_skipped: bool,
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
    /// Mean number of accesses per pixel, by rows of equal time.
    pub heats: Vec<f64>,
}

impl HeatMap {
    /// The rows, each of equal time.
    pub fn rows(&self) -> std::slice::Chunks<'_, f64> {
        self.heats.chunks(self.resolution.1.max(1))
    }
}

impl Heat {
    /// Starts an empty picture.
    ///
    /// # Errors
    /// A resolution that is nothing or too much, or finer than the ranges.
    pub fn new(spec: &HeatSpec) -> Result<Self, HeatError> {
        let (rows, columns) = spec.resolution;
        let pixels = rows
            .checked_mul(columns)
            .filter(|n| (1..=MAX_PIXELS).contains(n));
        let pixels = pixels.ok_or(HeatError::Resolution(rows, columns))?;
        let time = Axis::new("time", "nanosecond", &spec.time, rows)?;
        let space = Axis::new("address", "byte", &spec.space, columns)?;
        Ok(Self {
            target: spec.target,
            time,
            space,
            heats: vec![0.0; pixels],
            area: (u128::from(time.unit) * u128::from(space.unit)) as f64,
            first_skipped: false,
        })
    }

    /// Takes a snapshot in. The target's first is left out, as v1.7.3 does.
    pub fn add(&mut self, snapshot: &Snapshot) {
        if snapshot.target != self.target {
            return;
        }
        if !std::mem::replace(&mut self.first_skipped, true) {
            return;
        }
        let Some(time) = self.time.clip(snapshot.start_ns, snapshot.end_ns) else {
            return;
        };
        let rows = self.time.touched(&time);
        for region in &snapshot.regions {
            let Some(space) = self.space.clip(region.start, region.end) else {
                continue;
            };
            let columns = self.space.touched(&space);
            for row in rows.clone() {
                let heat = Product::new(region.nr_accesses, self.time.overlap(&time, row));
                let start = row * self.space.pixels;
                let pixels = self
                    .heats
                    .get_mut(start + columns.start..start + columns.end);
                if let Some(pixels) = pixels {
                    heat_row(pixels, &self.space, &space, heat, self.area, columns.start);
                }
            }
        }
    }

    /// The picture.
    pub fn finish(self) -> HeatMap {
        HeatMap {
            origin: (self.time.start, self.space.start),
            unit: (self.time.unit, self.space.unit),
            resolution: (self.time.pixels, self.space.pixels),
            heats: self.heats,
        }
    }
}

/// Accesses times nanoseconds, to be multiplied with bytes without rounding.
#[derive(Clone, Copy)]
struct Product(u128);

impl Product {
    fn new(nr_accesses: u32, ns: u64) -> Self {
        Self(u128::from(nr_accesses) * u128::from(ns))
    }

    /// Rounded once, at the end. 2^32 x 2^64 x 2^64 would not fit, but a
    /// pixel's time times a pixel's space of a real record is far below.
    fn times(self, bytes: u64) -> f64 {
        match self.0.checked_mul(u128::from(bytes)) {
            Some(product) => match u64::try_from(product) {
                Ok(small) => small as f64,
                Err(_) => product as f64,
            },
            None => self.0 as f64 * bytes as f64,
        }
    }
}

/// Adds one region's heat to the pixels of a row that it touches. Only the
/// first and the last of them can be covered in part.
fn heat_row(
    pixels: &mut [f64],
    axis: &Axis,
    space: &Range<u64>,
    heat: Product,
    area: f64,
    first: usize,
) {
    let last = first + pixels.len() - 1;
    let Some((head, rest)) = pixels.split_first_mut() else {
        return;
    };
    mix(
        std::slice::from_mut(head),
        area,
        heat.times(axis.overlap(space, first)),
    );
    if let Some((tail, middle)) = rest.split_last_mut() {
        mix(middle, area, heat.times(axis.unit));
        mix(
            std::slice::from_mut(tail),
            area,
            heat.times(axis.overlap(space, last)),
        );
    }
}

/// v1.7.3 keeps the mean and goes through the sum for each region: the order
/// of these roundings shows in the text, down to the last digit.
fn mix(pixels: &mut [f64], area: f64, heat: f64) {
    for pixel in pixels {
        *pixel = (*pixel * area + heat) / area;
    }
}
