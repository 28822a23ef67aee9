//! `damo report mappings`: how hot and how large each mapping is.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::io::Write;

use clap::ValueEnum;

use super::args::{Form, Input};
use super::numbers::Excluded;
use super::wss::InUseArgs;
use super::{for_each, opened_with_regions};
use crate::analyze::{By, Losses, MappingUse, Mappings, Usage, WarmUp};
use crate::cli::watch::Watch;
use crate::model::{Meta, Ops, Record};
use crate::render::{NamedUse, write_mappings, write_mappings_table};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: Input,
    /// What to add up
    #[arg(long, value_enum, default_value = "mapping", value_name = "WHAT")]
    by: ByArg,
    /// Which come first
    #[arg(long, value_enum, default_value = "hottest", value_name = "ORDER")]
    sort: SortArg,
    #[command(flatten)]
    in_use: InUseArgs,
    #[command(flatten)]
    excluded: Excluded,
    /// Print bytes and nanoseconds without units
    #[arg(long = "raw_number")]
    raw_number: bool,
    #[command(flatten)]
    form: Form,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ByArg {
    /// Each file, heap, stack and other memory of a process
    Mapping,
    /// All of a process
    Process,
    /// All files, heaps, stacks and other memory of a process
    Kind,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SortArg {
    /// What is accessed most often
    Hottest,
    /// What is idle for the longest
    Coldest,
}

pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Losses> {
    let path = args.input.input.display();
    let mut record = opened_with_regions(&args.input.input)?;
    let meta = record.meta().clone();
    if meta.ops == Some(Ops::Paddr) {
        anyhow::bail!("{path}: physical addresses are in no mapping; record a process");
    }
    let (mut usage, mut losses) = pass(args, &mut record, &meta, args.excluded.warm_up())?;
    if !usage.any_mapping() {
        anyhow::bail!(
            "{path}: the record does not tell the processes' mappings; `damo record --do_record access vmas` makes one that does"
        );
    }
    if let Some(warm_up) = args.excluded.adapted(usage.warm_up()) {
        (usage, losses) = pass(args, &mut record, &meta, warm_up)?;
    }
    let comms = meta.targets.iter();
    let comms: HashMap<u32, &String> = comms
        .filter_map(|it| Some((it.pid?, it.comm.as_ref()?)))
        .collect();
    let mut uses = usage.finish();
    uses.sort_by(|one, other| match args.sort {
        SortArg::Hottest => hotter(one, other),
        SortArg::Coldest => colder(one, other),
    });
    let named = |it: MappingUse| {
        let comm = comms.get(&it.place.pid).map(|comm| (*comm).clone());
        (it, comm)
    };
    let uses: Vec<NamedUse> = uses.into_iter().map(named).collect();
    match args.form.table() {
        Some(table) => write_mappings_table(out, &uses, table)?,
        None => write_mappings(out, &uses, args.raw_number)?,
    }
    Ok(losses)
}

fn pass(
    args: &Args,
    record: &mut Watch,
    meta: &Meta,
    warm_up: WarmUp,
) -> anyhow::Result<(Usage, Losses)> {
    let by = match args.by {
        ByArg::Mapping => By::Mapping,
        ByArg::Process => By::Process,
        ByArg::Kind => By::Kind,
    };
    let mut usage = Usage::new(Mappings::new(meta, by), args.in_use.in_use(), warm_up);
    let mut losses = Losses::default();
    for_each(record, |item| {
        losses.add(item);
        usage.add(item);
        Ok(())
    })?;
    Ok((usage, losses))
}

fn hotter(one: &MappingUse, other: &MappingUse) -> Ordering {
    let by = |one: f64, other: f64| other.total_cmp(&one);
    by(one.hz.unwrap_or(0.0), other.hz.unwrap_or(0.0))
        .then(by(one.wss, other.wss))
        .then(one.idle_ns.cmp(&other.idle_ns))
        .then(by(one.bytes, other.bytes))
}

/// What was never accessed comes first, the largest before others.
fn colder(one: &MappingUse, other: &MappingUse) -> Ordering {
    (one.accessed.cmp(&other.accessed))
        .then(other.idle_ns.cmp(&one.idle_ns))
        .then(one.hz.unwrap_or(0.0).total_cmp(&other.hz.unwrap_or(0.0)))
        .then(other.bytes.total_cmp(&one.bytes))
}
