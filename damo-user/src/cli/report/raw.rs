//! `damo report raw`: every snapshot, region by region.

use std::io::{IsTerminal, Write};

use super::args::RawArgs;
use super::{opened_with_regions, pair};
use crate::analyze::{Losses, PerTarget};
use crate::cli::UsageError;
use crate::export::{ByTarget, Filter, Whose, weight};
use crate::model::{Item, ReadError, Record, TargetKey};
use crate::render::{RawForm, RawSource, RawWriter, write_gap};

pub fn run(args: &RawArgs, out: &mut dyn Write) -> anyhow::Result<Losses> {
    let duration_ns = pair(&args.duration);
    if let Some((start, end)) = duration_ns.filter(|(start, end)| start > end) {
        return Err(UsageError(format!(
            "--duration {start} ns to {end} ns ends before it starts"
        ))
        .into());
    }
    let form = RawForm {
        raw_number: args.raw_number,
        duration_ns,
    };
    let mut record = opened_with_regions(&args.input.input)?;
    if std::io::stdout().is_terminal() {
        record.hide();
    }
    let losses = print(&mut record, form, false, out)?;
    record.finish();
    Ok(losses)
}

/// Prints a record, one target after the other; `sources`: with where the
/// snapshots come from, as 3.x does.
pub fn print(
    record: &mut dyn Record,
    form: RawForm,
    sources: bool,
    out: &mut dyn Write,
) -> anyhow::Result<Losses> {
    let mut losses = Losses::default();
    let meta = record.meta().clone();
    let known = meta.known_targets();
    let source = |target| {
        let origin = known.get(target).and_then(|it| it.origin.as_ref());
        let told = origin.and_then(|origin| origin.data_source.clone());
        sources.then(|| RawSource {
            name: told.unwrap_or_else(|| "unknown".to_owned()),
            all_targets: origin.is_some_and(|origin| origin.all_targets),
        })
    };
    let Some((first, base_ns)) = first_snapshot(record)? else {
        // Nothing to be relative to, and no target to tell apart.
        for item in record.items()? {
            let item = item?;
            losses.add(&item);
            if let Item::Gap(gap) = &item {
                write_gap(out, gap, 0, form.raw_number)?;
            }
        }
        return Ok(losses);
    };
    // One target after the other, as v1.7.3 does. The first is printed while
    // the others are being found.
    let mut others = PerTarget::<(u64, u64)>::default();
    let mut of_all = 0;
    let mut writer = RawWriter::new(&mut *out, first, base_ns, form, source(first).as_ref())?;
    for item in record.items()? {
        let item = item?;
        losses.add(&item);
        match (whose(&item), &item) {
            (Whose::Of(target), Item::Snapshot(snapshot)) if target != first => {
                let (_, bytes) = others.entry(target, || (snapshot.start_ns, 0));
                *bytes += weight(&item);
            }
            (Whose::Of(_) | Whose::All, Item::Gap(_)) => of_all += weight(&item),
            _ => {}
        }
        writer.write(&item)?;
    }
    let others = others.into_vec();
    let weights = others
        .iter()
        .map(|(target, (_, bytes))| (*target, bytes.saturating_add(of_all)));
    let all = Filter::default();
    let mut parts = ByTarget::new(record, &all, weights, whose);
    for (target, (base_ns, _)) in &others {
        let source = source(*target);
        let mut writer = RawWriter::new(&mut *out, *target, *base_ns, form, source.as_ref())?;
        for item in parts.next_target()?.into_iter().flatten() {
            writer.write(&item?)?;
        }
    }
    Ok(losses)
}

/// Gaps of unknown target are every target's.
fn whose(item: &Item) -> Whose {
    match item {
        Item::Snapshot(snapshot) => Whose::Of(snapshot.target),
        Item::Gap(gap) => gap.target.map_or(Whose::All, Whose::Of),
        Item::Note(_) => Whose::Nobody,
    }
}

/// Whose the first snapshot is, and when it starts: gaps may lie before it.
fn first_snapshot(record: &mut dyn Record) -> Result<Option<(TargetKey, u64)>, ReadError> {
    for item in record.items()? {
        if let Item::Snapshot(snapshot) = item? {
            return Ok(Some((snapshot.target, snapshot.start_ns)));
        }
    }
    Ok(None)
}
