//! `damo report times`: when something fits.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::args::Form;
use super::{for_each, tell_filters};
use crate::analyze::{Losses, TargetTimes, Times};
use crate::cli::filters::FilterArgs;
use crate::cli::snapshot_filters::SnapshotFilterArgs;
use crate::cli::watch::{Watch, open};
use crate::export::Filter;
use crate::model::Item;
use crate::render::{write_times, write_times_table};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Record to read
    #[arg(short, long, value_name = "FILE", conflicts_with = "inputs")]
    input: Option<PathBuf>,
    /// The same as --input; a profile after it, which damo 3 wants, is not looked at
    #[arg(long, num_args = 1..=2, value_names = ["FILE", "PROFILE"])]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    regions: FilterArgs,
    #[command(flatten)]
    snapshots: SnapshotFilterArgs,
}

pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Losses> {
    let path = args
        .input
        .as_deref()
        .or(args.inputs.first().map(PathBuf::as_path))
        .unwrap_or(Path::new("damon.data"));
    let (times, losses) = found(path, &args.regions, &args.snapshots)?;
    match args.form.table() {
        Some(table) => write_times_table(out, &times, table)?,
        None => write_times(out, &times)?,
    }
    Ok(losses)
}

/// The times of each target at which something in a record fits.
///
/// # Errors
/// The filters cannot be right, or the record cannot be read.
pub fn found(
    path: &Path,
    regions: &FilterArgs,
    snapshots: &SnapshotFilterArgs,
) -> anyhow::Result<(Vec<TargetTimes>, Losses)> {
    let regions = regions.filters()?;
    let mut wanted = snapshots.filter()?;
    let record = open(path)?;
    tell_filters(record.meta());
    let end_ns = record.about().end_ns;
    let filter = Filter {
        addresses: regions.addresses,
        pattern: regions.pattern,
        ..Filter::default()
    };
    let mut record = Watch::new(record, filter, end_ns, "read");
    let (mut losses, mut times) = (Losses::default(), Times::default());
    for_each(&mut record, |item| {
        losses.add(item);
        let Item::Snapshot(snapshot) = item else {
            return Ok(());
        };
        match wanted.any() {
            false => times.add(snapshot),
            true => {
                let mut snapshot = snapshot.clone();
                if wanted.keeps(&mut snapshot) {
                    times.add(&snapshot);
                }
            }
        }
        Ok(())
    })?;
    Ok((times.finish(), losses))
}
