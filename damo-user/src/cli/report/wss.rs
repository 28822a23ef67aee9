//! `damo report wss`: the distribution of working set sizes.

use std::io::Write;

use super::args::{SortArg, WssArgs, percentiles};
use super::{for_each, opened};
use crate::analyze::{Losses, SortBy, Wss, WssSpec, collapse};
use crate::cli::UsageError;
use crate::model::{Item, Known, Record};
use crate::render::{WssForm, write_collapsed_wss, write_wss, write_wss_table};
use crate::sys::tell::tell;

pub fn run(args: &WssArgs, out: &mut dyn Write) -> anyhow::Result<Losses> {
    let percentiles = percentiles(&args.range)?;
    let mut record = opened(&args.input.input)?;
    let mut wss = Wss::new(WssSpec {
        exclude_samples: args.exclude_samples,
        work_time_ns: args.work_time_ns,
        acc_thres: args.acc_thres,
        sz_thres: args.sz_thres,
    });
    let is_summary = record.meta().summary_ns.is_some();
    if is_summary {
        args.check_for_summary()?;
        tell(format_args!(
            "damo: {}: a summary: working sets of all its snapshots, to within a 16th",
            args.input.input.display()
        ));
    }
    let mut losses = Losses::default();
    for_each(&mut record, |item| {
        losses.add(item);
        match item {
            Item::Snapshot(snapshot) => wss.add(snapshot),
            Item::Note(note) => {
                if let Known::Summed(summed) = &note.what {
                    wss.add_summed(summed);
                }
            }
            Item::Gap(_) => {}
        }
        Ok(())
    })?;
    let sort_by = match args.sortby {
        SortArg::Time => SortBy::Time,
        SortArg::Size => SortBy::Size,
    };
    let form = WssForm {
        percentiles,
        raw_number: args.raw_number,
        nr_cols_bar: args.nr_cols_bar,
    };
    let targets = wss.finish(sort_by);
    match (args.form.table(), args.collapse_targets) {
        (Some(table), true) => {
            write_wss_table(out, &[collapse(&targets)], &form.percentiles, table)?;
        }
        (Some(table), false) => write_wss_table(out, &targets, &form.percentiles, table)?,
        (None, true) => write_collapsed_wss(out, &collapse(&targets), &form)?,
        (None, false) => write_wss(out, &targets, &form)?,
    }
    Ok(losses)
}

impl WssArgs {
    /// What takes regions, or their order in time, is not to be had of a summary.
    fn check_for_summary(&self) -> Result<(), UsageError> {
        let asked = [
            ("--acc_thres", self.acc_thres != 1),
            ("--sz_thres", self.sz_thres > 1),
            ("--work_time", self.work_time_ns > 1000),
            ("--sortby time", matches!(self.sortby, SortArg::Time)),
            ("--collapse_targets", self.collapse_targets),
        ];
        match asked.iter().find(|(_, asked)| *asked) {
            Some((option, _)) => Err(UsageError(format!(
                "{option}: {} is a summary, which counts the working sets of snapshots, without their regions and times: leave it out, or record without --summary",
                self.input.input.display()
            ))),
            None => Ok(()),
        }
    }
}
