//! Regions in the order of their temperatures: 3.x's `--sort_temperature`.

use std::ops::Range;

use crate::model::{Extra, Region, Snapshot};

/// Moves regions within ranges so that the coldest come first.
#[derive(Debug)]
pub struct TemperatureSort {
    ranges: Vec<Range<u64>>,
    /// Of the access rate in percent, and of the age in microseconds.
    weights: (f64, f64),
    parts: Vec<(f64, Region, Option<u64>)>,
}

impl TemperatureSort {
    /// `weights`: of the access rate and of the age.
    pub fn new(ranges: Vec<Range<u64>>, weights: (f64, f64)) -> Self {
        Self {
            ranges,
            weights,
            parts: Vec::new(),
        }
    }

    /// Puts a snapshot's regions into this order: those of each range stand side by
    /// side from the range's start on, and what is outside of them is gone.
    pub fn sort(&mut self, snapshot: &mut Snapshot) {
        let mut regions = Vec::with_capacity(snapshot.regions.len());
        let mut passed = Vec::new();
        for range in &self.ranges {
            self.parts.clear();
            for (index, region) in snapshot.regions.iter().enumerate() {
                let (start, end) = (region.start.max(range.start), region.end.min(range.end));
                if start < end {
                    let part = Region {
                        start,
                        end,
                        ..*region
                    };
                    let passed = passed_of(snapshot, index, region.len(), part.len());
                    let temperature = temperature(snapshot, &part, self.weights);
                    self.parts.push((temperature, part, passed));
                }
            }
            self.parts.sort_by(|(a, ..), (b, ..)| a.total_cmp(b));
            let mut start = range.start;
            for (_, part, part_passed) in &self.parts {
                // No overflow: the parts do not overlap, and are in the range.
                let end = start + part.len();
                regions.push(Region {
                    start,
                    end,
                    ..*part
                });
                passed.push(*part_passed);
                start = end;
            }
        }
        snapshot.regions = regions;
        if let Some(extra) = &mut snapshot.extra {
            extra.filter_passed = passed;
            extra.probe_hits.clear();
        }
    }
}

/// Bytes of a part that passed a filter, if they are spread evenly.
fn passed_of(snapshot: &Snapshot, index: usize, len: u64, part_len: u64) -> Option<u64> {
    let passed = |extra: &Extra| extra.filter_passed.get(index).copied().flatten();
    let passed = snapshot.extra.as_deref().and_then(passed)?;
    let part = u128::from(passed) * u128::from(part_len);
    part.checked_div(len.into())
        .and_then(|part| u64::try_from(part).ok())
}

/// Above zero for what is accessed, below for what is not; the longer, the further.
fn temperature(snapshot: &Snapshot, region: &Region, weights: (f64, f64)) -> f64 {
    let most = snapshot
        .intervals
        .map_or(0.0, |it| it.aggr_us as f64 / it.sample_us.max(1) as f64);
    let percent = match most {
        0.0 => 0.0,
        most => f64::from(region.nr_accesses) * 100.0 / most,
    };
    let age_us = f64::from(region.age.unwrap_or(0)) * snapshot.age_unit_us().unwrap_or(0) as f64;
    let score = percent * weights.0 + age_us * weights.1;
    if region.nr_accesses > 0 {
        score
    } else {
        -score
    }
}
