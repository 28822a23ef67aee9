//! `damo adjust`: a record as if its aggregation interval had been longer.

use std::path::PathBuf;

use clap::ValueEnum;

use super::Outcome;
use super::convert::{self, Format};
use super::filters::FilterArgs;
use super::snapshot_filters::{SnapshotFilter, SnapshotFilterArgs};
use super::watch::{Watch, open};
use crate::analyze::{Grouping, PerTarget, WarmUp};
use crate::export::{Filter, JsonForm};
use crate::model::{About, Extra, Intervals, Item, Items, Meta, ReadError, Record, Snapshot};
use crate::sys::output::{OutputError, parse_mode};

/// Write a record as if its aggregation interval had been longer, or a part of it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// New aggregation interval (microseconds): snapshots are joined until they are as long
    #[arg(long = "aggregate_interval", value_name = "MICROSECONDS")]
    aggregate_interval: Option<u64>,
    /// Record to read, of any format
    #[arg(short, long, value_name = "FILE", default_value = "damon.data")]
    input: PathBuf,
    /// File to write; an older one is kept as FILE.old
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "damon.adjusted.data"
    )]
    output: PathBuf,
    /// Format to write
    #[arg(
        long = "output_type",
        value_enum,
        default_value = "json_compressed",
        value_name = "FORMAT"
    )]
    output_type: Type,
    /// Permissions of the file, octal
    #[arg(long = "output_permission", value_name = "MODE", default_value = "600", value_parser = mode)]
    output_permission: u32,
    /// With --aggregate_interval: how many first snapshots of each target to leave out
    #[arg(long, value_name = "N", default_value = "20")]
    skip: u64,
    #[command(flatten)]
    regions: FilterArgs,
    #[command(flatten)]
    snapshots: SnapshotFilterArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Type {
    /// The json of damo 3, compressed
    JsonCompressed,
    /// The same, not compressed
    Json,
    /// Lines as of `perf script`
    PerfScript,
    /// damo's own record file
    Damo,
}

/// Runs `damo adjust`.
///
/// # Errors
/// What was typed cannot be used, the record not be read or the file not be
/// written; no file is left behind then.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let regions = args.regions.filters()?;
    args.snapshots.filter()?;
    let format = match args.output_type {
        Type::JsonCompressed => Format::JsonCompressed,
        Type::Json => Format::Json,
        Type::PerfScript => Format::PerfScript,
        Type::Damo => Format::Damo,
    };
    convert::into_file(
        &args.input,
        &args.output,
        args.output_permission,
        format,
        // The peer's own file says rates and times, too.
        JsonForm::FilledFile,
        || {
            let record = open(&args.input)?;
            let end_ns = record.about().end_ns;
            let filter = Filter {
                addresses: regions.addresses,
                pattern: regions.pattern,
                ..Filter::default()
            };
            let watch = Watch::new(record, filter, end_ns, "adjusted");
            Ok(Adjusted {
                meta: adjusted(watch.meta(), args.aggregate_interval),
                watch,
                aggr_us: args.aggregate_interval,
                skip: args.skip,
                snapshots: args.snapshots.clone(),
            })
        },
    )
}

fn mode(text: &str) -> Result<u32, OutputError> {
    parse_mode(text)
}

/// What the record says of its intervals, as it would be.
fn adjusted(meta: &Meta, aggr_us: Option<u64>) -> Meta {
    let mut meta = meta.clone();
    let Some(aggr_us) = aggr_us else {
        return meta;
    };
    let change = |intervals: &mut Intervals| intervals.aggr_us = aggr_us;
    meta.intervals.as_mut().map(change);
    for kdamond in &mut meta.kdamonds {
        kdamond.intervals.as_mut().map(change);
    }
    for target in &mut meta.targets {
        let origin = target.origin.as_mut();
        origin.and_then(|it| it.intervals.as_mut()).map(change);
    }
    meta
}

/// A record whose snapshots are joined.
struct Adjusted {
    watch: Watch,
    meta: Meta,
    aggr_us: Option<u64>,
    skip: u64,
    snapshots: SnapshotFilterArgs,
}

impl Record for Adjusted {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn about(&self) -> About {
        self.watch.about()
    }

    fn damage(&self) -> Option<&ReadError> {
        self.watch.damage()
    }

    fn items(&mut self) -> Result<Items<'_>, ReadError> {
        let mut joining = Joining {
            // It was right when the command began.
            wanted: self.snapshots.filter().unwrap_or_default(),
            aggr_us: self.aggr_us,
            skip: WarmUp::new(self.skip),
            targets: PerTarget::default(),
        };
        let items = self.watch.items()?;
        Ok(Box::new(items.filter_map(move |item| match item {
            Ok(Item::Snapshot(snapshot)) => joining.add(snapshot).map(Item::Snapshot).map(Ok),
            other => Some(other),
        })))
    }
}

/// One pass of it.
struct Joining {
    wanted: SnapshotFilter,
    aggr_us: Option<u64>,
    skip: WarmUp,
    targets: PerTarget<Grouping>,
}

impl Joining {
    fn add(&mut self, mut snapshot: Snapshot) -> Option<Snapshot> {
        if self.wanted.any() && !self.wanted.keeps(&mut snapshot) {
            return None;
        }
        let Some(aggr_us) = self.aggr_us else {
            return Some(snapshot);
        };
        if self.skip.leaves_out(snapshot.target) {
            return None;
        }
        let new = || Grouping::new(aggr_us.saturating_mul(1000));
        let grouping = self.targets.entry(snapshot.target, new);
        // Ages stay what they are, in the aggregations that were.
        let age_unit_us = snapshot.age_unit_us().filter(|unit| *unit != aggr_us);
        let mut joined = None;
        grouping.add(&snapshot, |group| {
            let mut regions = group.regions.to_vec();
            regions.sort_unstable_by_key(|region| region.start);
            joined = Some(Snapshot {
                target: snapshot.target,
                start_ns: group.start_ns,
                end_ns: group.end_ns,
                intervals: group.intervals.map(|it| Intervals { aggr_us, ..it }),
                missing: snapshot.missing,
                regions,
                extra: age_unit_us.map(|age_unit_us| {
                    Box::new(Extra {
                        age_unit_us: Some(age_unit_us),
                        ..Extra::default()
                    })
                }),
            });
        });
        joined
    }
}
