//! `damo report`: one file for each report; what they share is here.

mod access;
mod args;
mod footprints;
mod heatmap;
mod heats;
mod holistic;
mod mappings;
mod maps;
mod nr_regions;
mod numbers;
mod pa_layout;
mod plot;
mod profile;
mod raw;
mod sources;
mod summary;
mod times;
mod trace;
mod wss;

use std::io::Write;
use std::path::Path;

pub use args::Args;
use args::Kind;
pub use holistic::Page;
use profile::hot_functions;

use super::watch::Watch;
use super::{Outcome, UsageError};
use crate::analyze::Losses;
use crate::model::{Item, Meta, Record, Snapshot};
use crate::render::loss_line;
use crate::sys::tell::tell;

/// The two values of an option that takes two.
fn pair<T: Copy>(values: &Option<Vec<T>>) -> Option<(T, T)> {
    match values.as_deref() {
        Some([first, second]) => Some((*first, *second)),
        _ => None,
    }
}

/// Runs `damo report`.
///
/// # Errors
/// The record cannot be read, or nothing of it fits the arguments.
pub fn run(args: Args, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let losses = match args.kind {
        Kind::Access(args) => access::run(&args, out)?,
        Kind::Raw(args) => raw::run(&args, out)?,
        Kind::Heats(args) => heats::run(&args, out)?,
        Kind::Heatmap(args) => heatmap::run(&args, out)?,
        Kind::Wss(args) => wss::run(&args, out)?,
        Kind::Summary(args) => summary::run(&args, out)?,
        Kind::NrRegions(args) => nr_regions::run(&args, out)?,
        Kind::Mappings(args) => mappings::run(&args, out)?,
        Kind::Footprints(args) => footprints::run(&args, out)?,
        Kind::Times(args) => times::run(&args, out)?,
        Kind::Profile(args) => profile::run(&args, out)?,
        Kind::Holistic(args) => return holistic::run(&args, out),
        Kind::Trace(args) => return trace::run(&args, out),
        Kind::PaLayout(args) => return pa_layout::run(&args, out),
        Kind::Damon(args) => return super::status::run(&args, out),
        Kind::RecordInfo(args) => return super::record_info::run(&args, out),
        Kind::Sysinfo(args) => return super::sysinfo::run(&args, out),
    };
    out.flush()?;
    Ok(match loss_line(&losses) {
        Some(line) => {
            tell(format_args!("damo: {line}"));
            Outcome::Lost
        }
        None => Outcome::Done,
    })
}

/// Opens a record to be reported of, and tells what was left out of it on purpose.
fn opened(path: &Path) -> anyhow::Result<Watch> {
    let record = Watch::open(path)?;
    tell_filters(record.meta());
    Ok(record)
}

/// Tells what was left out of a record on purpose.
fn tell_filters(meta: &Meta) {
    if !meta.filters.is_empty() {
        let filters = meta.filters.join(" ");
        tell(format_args!(
            "damo: recorded with {filters}: other regions are not in the record"
        ));
    }
}

/// As [`opened`], for what takes regions.
fn opened_with_regions(path: &Path) -> anyhow::Result<Watch> {
    let record = opened(path)?;
    if record.meta().summary_ns.is_some() {
        return Err(UsageError(format!(
            "{}: a summary, which has no regions: see damo report summary and damo report wss, or record without --summary",
            path.display()
        ))
        .into());
    }
    Ok(record)
}

/// Gives every item of a record to `take`.
fn for_each(
    record: &mut Watch,
    mut take: impl FnMut(&Item) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for item in record.items()? {
        take(&item?)?;
    }
    record.finish();
    Ok(())
}

/// Gives every snapshot of a record to `take`, and counts what is missing.
fn fold(record: &mut Watch, mut take: impl FnMut(&Snapshot)) -> anyhow::Result<Losses> {
    let mut losses = Losses::default();
    for_each(record, |item| {
        losses.add(item);
        if let Item::Snapshot(snapshot) = item {
            take(snapshot);
        }
        Ok(())
    })?;
    Ok(losses)
}
