//! A picture with the peer's own mistakes, for `--compat damo`.
//!
//! 3.4.3 also visits the pixel behind a range's end: it is 0 instead of unknown
//! then. Before the picture's first pixel it rounds towards that pixel, so that
//! what ended just before the picture counts there, as less than nothing. And
//! ages are held against the last snapshot that was read, whosever it is.

use super::{Axis, Heat};
use crate::model::Snapshot;

impl Heat {
    pub(super) fn add_as_the_peer(&mut self, snapshot: &Snapshot) {
        let last_end_ns = self.last_end_ns.replace(snapshot.end_ns).map(i128::from);
        let Some(rate) = self.rate(snapshot) else {
            return;
        };
        let (start_ns, end_ns) = (i128::from(snapshot.start_ns), i128::from(snapshot.end_ns));
        let area = self.area;
        for (index, region) in snapshot.regions.iter().enumerate() {
            if region.end < self.space.start || self.space.end() < region.start {
                continue;
            }
            let age_ns = rate.age_unit_ns.map_or(0, |unit| {
                i128::from(region.age.unwrap_or(0)) * i128::from(unit)
            });
            let since_ns = (start_ns - age_ns).max(last_end_ns.unwrap_or(i128::MIN));
            let since_ns = if rate.age_unit_ns.is_some() {
                since_ns
            } else {
                start_ns
            };
            let space = (i128::from(region.start), i128::from(region.end));
            let value = rate.value(snapshot, index, region);
            for row in visited(&self.time, (since_ns, end_ns)) {
                let time = overlap(&self.time, (since_ns, end_ns), row);
                for column in visited(&self.space, space) {
                    let bytes = overlap(&self.space, space, column);
                    let place = row * self.space.pixels + column;
                    let heat = match rate.is_exact() {
                        true => (i128::from(region.nr_accesses) * time * bytes) as f64,
                        false => value * time as f64 * bytes as f64,
                    };
                    if let Some(pixel) = self.heats.get_mut(place) {
                        let before = if pixel.is_nan() { 0.0 } else { *pixel };
                        *pixel = (heat + before * area) / area;
                    }
                }
            }
        }
    }
}

/// The pixels from that of `start` to that of `end`, both rounded towards the first.
fn visited(axis: &Axis, (start, end): (i128, i128)) -> std::ops::Range<usize> {
    let pixel = |at: i128| (at - i128::from(axis.start)) / i128::from(axis.unit);
    let limit = |at: i128| at.clamp(0, axis.pixels as i128) as usize;
    limit(pixel(start))..limit(pixel(end) + 1)
}

fn overlap(axis: &Axis, (start, end): (i128, i128), pixel: usize) -> i128 {
    let first = i128::from(axis.start) + pixel as i128 * i128::from(axis.unit);
    end.min(first + i128::from(axis.unit)) - start.max(first)
}
