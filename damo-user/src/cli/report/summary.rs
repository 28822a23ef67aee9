//! `damo report summary`: working sets, idle times and access rates as
//! distributions, of records and of summaries.

use std::io::Write;
use std::path::PathBuf;

use clap::value_parser;

use super::args::Form;
use super::numbers::percentiles;
use super::{for_each, opened};
use crate::analyze::{Digest, Losses, Summaries};
use crate::model::{Item, Known, Record};
use crate::render::{Summarized, SummaryForm, write_summary, write_summary_table};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Records to read
    #[arg(short, long, num_args = 1.., value_name = "FILE", default_value = "damon.data")]
    input: Vec<PathBuf>,
    /// Percentiles to print: from START, in steps of STEP, to before STOP
    #[arg(short, long, num_args = 3, value_names = ["START", "STOP", "STEP"],
          default_values = ["0", "101", "10"], allow_negative_numbers = true,
          value_parser = value_parser!(i32).range(-1000..=1000))]
    range: Vec<i32>,
    /// Print all targets, of all records, as one
    #[arg(long = "collapse_targets")]
    collapse_targets: bool,
    /// Print bytes and nanoseconds without units
    #[arg(long = "raw_number")]
    raw_number: bool,
    #[command(flatten)]
    form: Form,
}

pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Losses> {
    let percentiles = percentiles(&args.range)?;
    let mut losses = Losses::default();
    let mut all = Vec::new();
    let mut together = Digest::default();
    for path in &args.input {
        let mut record = opened(path)?;
        let mut summaries = Summaries::default();
        for_each(&mut record, |item| {
            losses.add(item);
            match item {
                Item::Snapshot(snapshot) => summaries.add_snapshot(snapshot),
                Item::Note(note) => {
                    if let Known::Summed(summed) = &note.what {
                        summaries.add_summed(summed);
                    }
                }
                Item::Gap(_) => {}
            }
            Ok(())
        })?;
        if args.collapse_targets {
            let targets = summaries.finish();
            targets.iter().for_each(|(_, it)| together.merge(it));
            continue;
        }
        let known = record.meta().known_targets();
        let process = |target| {
            let info = known.get(target)?;
            Some((info.pid?, info.comm.clone().unwrap_or_default()))
        };
        let several = args.input.len() > 1;
        all.extend(
            summaries
                .finish()
                .into_iter()
                .map(|(target, digest)| Summarized {
                    file: several.then(|| path.display().to_string()),
                    target: Some(target),
                    process: process(target),
                    digest,
                }),
        );
    }
    if args.collapse_targets && together.snapshots > 0 {
        all.push(Summarized {
            file: None,
            target: None,
            process: None,
            digest: together,
        });
    }
    let form = SummaryForm {
        percentiles,
        raw_number: args.raw_number,
    };
    match args.form.table() {
        Some(table) => write_summary_table(out, &all, &form.percentiles, table)?,
        None => write_summary(out, &all, &form)?,
    }
    Ok(losses)
}
