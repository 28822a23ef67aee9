//! `damo validate`: whether a record is what DAMON should have given.

use std::io::Write;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::watch::Watch;
use super::{Outcome, UsageError};
use crate::analyze::{Losses, PerTarget};
use crate::model::{Item, Record, Region, Snapshot};
use crate::render::loss_line;
use crate::sys::tell::tell;

/// Check whether a record is what DAMON should have given
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Record to read, of any format
    #[arg(short, long, value_name = "FILE", default_value = "damon.data")]
    input: PathBuf,
    /// Shortest and longest aggregation (microseconds)
    #[arg(long, num_args = 2, value_names = ["MIN", "MAX"], default_values = ["75000", "125000"])]
    aggr: Vec<u64>,
    /// Fewest and most regions of a snapshot
    #[arg(long = "nr_regions", num_args = 2, value_names = ["MIN", "MAX"], default_values = ["3", "1200"])]
    nr_regions: Vec<u64>,
    /// Fewest and most accesses of a region
    #[arg(long = "nr_accesses", num_args = 2, value_names = ["MIN", "MAX"], default_values = ["0", "24"])]
    nr_accesses: Vec<u64>,
    /// Percentage of snapshots that may be too short or too long, and of those that may have too
    /// few or too many regions
    #[arg(long = "allow_error", value_name = "PERCENT", default_value = "2")]
    allow_error: f64,
    /// Regions are all within one of these
    #[arg(long = "regions_boundary", num_args = 1.., value_names = ["START-END"], value_parser = boundary)]
    regions_boundary: Vec<(u64, u64)>,
}

/// What is checked.
struct Rules<'a> {
    aggr_us: RangeInclusive<u64>,
    nr_regions: RangeInclusive<u64>,
    nr_accesses: RangeInclusive<u64>,
    /// In percent.
    allow_error: f64,
    boundaries: &'a [(u64, u64)],
}

/// Of a target: how many snapshots there are, how many are wrong, and what was
/// too much.
#[derive(Default)]
struct State {
    snapshots: u64,
    aggr_errors: u64,
    regions_errors: u64,
    invalid: Option<String>,
}

/// Runs `damo validate`.
///
/// # Errors
/// The record cannot be read.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let rules = Rules {
        aggr_us: range("--aggr", &args.aggr)?,
        nr_regions: range("--nr_regions", &args.nr_regions)?,
        nr_accesses: range("--nr_accesses", &args.nr_accesses)?,
        allow_error: args.allow_error,
        boundaries: &args.regions_boundary,
    };
    let mut record = Watch::open(&args.input)?;
    let mut targets: PerTarget<State> = PerTarget::default();
    for item in record.items()? {
        if let Item::Snapshot(snapshot) = item? {
            targets.entry(snapshot.target, State::default).snapshots += 1;
        }
    }
    let mut losses = Losses::default();
    for item in record.items()? {
        let item = item?;
        losses.add(&item);
        if let Item::Snapshot(snapshot) = &item {
            targets
                .entry(snapshot.target, State::default)
                .check(snapshot, &rules);
        }
    }
    record.finish();
    if let Some(line) = loss_line(&losses) {
        tell(format_args!("damo: {line}"));
    }
    if targets.iter().next().is_none() {
        writeln!(out, "target snapshots is zero")?;
        return Ok(Outcome::Invalid);
    }
    if let Some(invalid) = targets.iter().find_map(|(_, it)| it.invalid.as_ref()) {
        writeln!(out, "{invalid}")?;
        return Ok(Outcome::Invalid);
    }
    Ok(match losses.any() {
        true => Outcome::Lost,
        false => Outcome::Done,
    })
}

fn range(option: &str, values: &[u64]) -> Result<RangeInclusive<u64>, UsageError> {
    match values {
        [min, max] if min <= max => Ok(*min..=*max),
        [min, max] => Err(UsageError(format!(
            "{option} {min} {max}: the minimum is above the maximum"
        ))),
        _ => Err(UsageError(format!(
            "{option}: give a minimum and a maximum"
        ))),
    }
}

fn boundary(text: &str) -> Result<(u64, u64), String> {
    let ends = text.split_once('-');
    let ends = ends.and_then(|(start, end)| Some((start.parse().ok()?, end.parse().ok()?)));
    ends.ok_or_else(|| format!("'{text}' is no range of addresses: give START-END, decimal"))
}

impl State {
    fn check(&mut self, snapshot: &Snapshot, rules: &Rules<'_>) {
        if self.invalid.is_some() {
            return;
        }
        let found = self.of_snapshot(snapshot, rules);
        self.invalid = found.or_else(|| {
            let mut regions = snapshot.regions.iter();
            regions.find_map(|region| of_region(region, rules))
        });
    }

    fn of_snapshot(&mut self, snapshot: &Snapshot, rules: &Rules<'_>) -> Option<String> {
        let allowed = self.snapshots as f64 * rules.allow_error / 100.0;
        let ns = snapshot.duration_ns();
        let in_ns = |us: &u64| us.saturating_mul(1000);
        if !(in_ns(rules.aggr_us.start())..=in_ns(rules.aggr_us.end())).contains(&ns) {
            if self.aggr_errors as f64 >= allowed {
                return Some(invalid("aggregate interval", &rules.aggr_us, ns / 1000));
            }
            self.aggr_errors += 1;
        }
        let count = snapshot.regions.len() as u64;
        if !rules.nr_regions.contains(&count) {
            if self.regions_errors as f64 >= allowed {
                return Some(invalid("nr_regions", &rules.nr_regions, count));
            }
            self.regions_errors += 1;
        }
        None
    }
}

fn of_region(region: &Region, rules: &Rules<'_>) -> Option<String> {
    let Region { start, end, .. } = *region;
    if region.is_empty() {
        return Some(format!("wrong region [{start}, {end})"));
    }
    let within = |&(from, to): &(u64, u64)| from <= start && end <= to;
    if !rules.boundaries.is_empty() && !rules.boundaries.iter().any(within) {
        return Some(format!("region {start}-{end} out of the boundary"));
    }
    let accesses = u64::from(region.nr_accesses);
    (!rules.nr_accesses.contains(&accesses))
        .then(|| invalid("nr_accesses", &rules.nr_accesses, accesses))
}

fn invalid(what: &str, range: &RangeInclusive<u64>, value: u64) -> String {
    let (min, max) = (range.start(), range.end());
    format!("invalid: expect {min}<={what}<={max} but {value}")
}
