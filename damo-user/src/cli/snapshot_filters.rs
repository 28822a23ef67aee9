//! Options → which snapshots are wanted, and which regions by their temperature.

use std::ops::RangeInclusive;

use super::UsageError;
use crate::analyze::PerTarget;
use crate::control::params::number;
use crate::model::units::parse_size;
use crate::model::{Region, Snapshot};

const HEADING: &str = "Which snapshots";

/// Which snapshots are wanted, as typed.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SnapshotFilterArgs {
    /// Only snapshots of which the regions have MIN to MAX bytes together
    #[arg(long = "sz_snapshot", num_args = 2, value_names = ["MIN", "MAX"], help_heading = HEADING, value_parser = parse_size)]
    sz_snapshot: Option<Vec<u64>>,

    /// Only snapshots within these times (nanoseconds of the record's clock); may be repeated
    #[arg(long = "snapshot_time", num_args = 2, value_names = ["START", "END"], help_heading = HEADING)]
    snapshot_time: Vec<u64>,

    /// Only the START-th to the END-th snapshot of each target, from 0 on; may be repeated
    #[arg(long = "snapshot_idx", num_args = 2, value_names = ["START", "END"], help_heading = HEADING, allow_negative_numbers = true, value_parser = place)]
    snapshot_idx: Vec<i64>,

    /// Only regions of this temperature: 100 for each percent of accesses and each microsecond of
    /// age, below zero for those without accesses
    #[arg(long, num_args = 2, value_names = ["MIN", "MAX"], help_heading = HEADING, allow_negative_numbers = true)]
    temperature: Option<Vec<i64>>,
}

/// Which snapshots are wanted. Counts them on the way.
#[derive(Debug, Default)]
pub struct SnapshotFilter {
    size: Option<RangeInclusive<u64>>,
    times: Vec<RangeInclusive<u64>>,
    places: Vec<RangeInclusive<i64>>,
    temperature: Option<RangeInclusive<i64>>,
    seen: PerTarget<i64>,
}

impl SnapshotFilterArgs {
    /// The filter, checked.
    ///
    /// # Errors
    /// A minimum above its maximum, by its option.
    pub fn filter(&self) -> Result<SnapshotFilter, UsageError> {
        let one = |option, values: &Option<Vec<u64>>| {
            let ranges = ranges(option, values.as_deref().unwrap_or_default())?;
            Ok::<_, UsageError>(ranges.into_iter().next())
        };
        let temperature = self.temperature.as_deref().unwrap_or_default();
        Ok(SnapshotFilter {
            size: one("--sz_snapshot", &self.sz_snapshot)?,
            times: ranges("--snapshot_time", &self.snapshot_time)?,
            places: places(&self.snapshot_idx)?,
            temperature: ranges("--temperature", temperature)?.into_iter().next(),
            seen: PerTarget::default(),
        })
    }
}

/// A snapshot's place among those of its target, from 0 on. The peer takes
/// numbers below zero, too, which no snapshot has.
pub fn place(text: &str) -> Result<i64, String> {
    match text.trim().parse() {
        Ok(place) => Ok(place),
        Err(_) => number(text).map(|place| i64::try_from(place).unwrap_or(i64::MAX)),
    }
}

/// The places of `--snapshot_idx`.
///
/// # Errors
/// A range that ends before it starts, unless it is before all snapshots.
pub fn places(typed: &[i64]) -> Result<Vec<RangeInclusive<i64>>, UsageError> {
    let mut places = Vec::new();
    for pair in typed.chunks_exact(2) {
        match *pair {
            [first, last @ ..=-1] => places.push(first..=last),
            _ => places.extend(ranges("--snapshot_idx", pair)?),
        }
    }
    Ok(places)
}

fn ranges<T: Copy + PartialOrd + std::fmt::Display>(
    option: &str,
    values: &[T],
) -> Result<Vec<RangeInclusive<T>>, UsageError> {
    let mut ranges = Vec::new();
    for pair in values.chunks_exact(2) {
        let &[min, max] = pair else { continue };
        if min > max {
            return Err(UsageError(format!(
                "{option} {min} {max}: the first is above the second"
            )));
        }
        ranges.push(min..=max);
    }
    Ok(ranges)
}

impl SnapshotFilter {
    /// Whether anything is to be left out.
    pub fn any(&self) -> bool {
        self.size.is_some()
            || self.temperature.is_some()
            || !(self.times.is_empty() && self.places.is_empty())
    }

    /// Whether a snapshot is wanted; what is not of its regions is taken out of
    /// it. To be called with each snapshot of a record, in order.
    pub fn keeps(&mut self, snapshot: &mut Snapshot) -> bool {
        let seen = self.seen.entry(snapshot.target, || 0);
        let place = *seen;
        *seen += 1;
        let bytes = || {
            snapshot
                .regions
                .iter()
                .map(Region::len)
                .fold(0, u64::saturating_add)
        };
        let (start_ns, end_ns) = (snapshot.start_ns, snapshot.end_ns);
        let within = |it: &RangeInclusive<u64>| *it.start() <= start_ns && end_ns <= *it.end();
        let kept = (self.places.is_empty() || self.places.iter().any(|it| it.contains(&place)))
            && (self.times.is_empty() || self.times.iter().any(within))
            && self.size.as_ref().is_none_or(|it| it.contains(&bytes()));
        if let (true, Some(wanted)) = (kept, &self.temperature) {
            let intervals = snapshot.intervals;
            let (most, age_us) = (
                intervals.map_or(0, |it| it.max_nr_accesses()),
                snapshot.age_unit_us().unwrap_or(0),
            );
            let wanted = |region: &Region| wanted.contains(&temperature(region, most, age_us));
            snapshot.regions.retain(wanted);
            // It is by place, and these are other places now.
            snapshot.extra = None;
        }
        kept
    }
}

/// As the peer has it, with its default weights.
fn temperature(region: &Region, most: u64, age_us: u64) -> i64 {
    let percent = u64::from(region.nr_accesses) * 100 / most.max(1);
    let age_us = u64::from(region.age.unwrap_or(0)).saturating_mul(age_us);
    let heat = percent.saturating_add(age_us).saturating_mul(100);
    let heat = i64::try_from(heat).unwrap_or(i64::MAX);
    if percent == 0 { -heat } else { heat }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_may_be_below_zero_where_no_snapshot_is() {
        let typed = |words: &[&str]| -> Vec<i64> {
            words.iter().map(|word| place(word).unwrap()).collect()
        };
        assert_eq!(typed(&["-1", "0", "1,000", "max"]), [-1, 0, 1000, i64::MAX]);
        assert!(place("first").is_err());
        let wanted = |words: &[&str]| -> Vec<i64> {
            let places = places(&typed(words)).unwrap();
            let is_in = |place: &i64| places.iter().any(|it| it.contains(place));
            (0..9).filter(is_in).collect()
        };
        assert_eq!(wanted(&["-1", "1", "7", "max"]), [0, 1, 7, 8]);
        assert!(wanted(&["1", "-1"]).is_empty());
        let error = places(&[9, 8]).unwrap_err();
        assert!(error.0.contains("--snapshot_idx 9 8"), "{error}");
    }

    #[test]
    fn temperature_is_the_peers() {
        let region = |nr_accesses, age| Region {
            start: 0,
            end: 4096,
            nr_accesses,
            age,
        };
        assert_eq!(temperature(&region(20, Some(3)), 20, 100_000), 30_010_000);
        assert_eq!(temperature(&region(0, Some(3)), 20, 100_000), -30_000_000);
        assert_eq!(
            temperature(&region(u32::MAX, Some(u32::MAX)), 1, u64::MAX),
            i64::MAX
        );
    }
}
