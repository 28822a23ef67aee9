//! `damo report wss`: the distribution of working set sizes.

use std::io::Write;

use super::args::{SortArg, WssArgs};
use super::plot::PictureFile;
use super::{fold, opened};
use crate::analyze::{Losses, SortBy, TargetWss, Wss, WssSpec, collapse};
use crate::cli::UsageError;
use crate::render::picture::{Chart, Measure, Series, draw_chart};
use crate::render::{WssForm, write_collapsed_wss, write_wss, write_wss_table};

pub fn run(args: &WssArgs, out: &mut dyn Write) -> anyhow::Result<Losses> {
    let percentiles = percentiles(&args.range)?;
    let plot = args.plot.as_deref();
    let plot = plot
        .map(|file| PictureFile::of("--plot", file))
        .transpose()?;
    let mut record = opened(&args.input.input)?;
    let mut wss = Wss::new(WssSpec {
        exclude_samples: args.exclude_samples,
        work_time_ns: args.work_time_ns,
        acc_thres: args.acc_thres,
        sz_thres: args.sz_thres,
    });
    let losses = fold(&mut record, |snapshot| wss.add(snapshot))?;
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
    if let Some(file) = plot {
        let targets = match args.collapse_targets {
            true => vec![collapse(&targets)],
            false => targets,
        };
        // Four percentiles say enough as text; a line may have them all.
        let percentiles = match *args.range {
            [0, 101, 25] => (0..=100).collect(),
            _ => form.percentiles,
        };
        file.save(0, &draw_chart(&chart(&targets, &percentiles, sort_by)))?;
        return Ok(losses);
    }
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

/// Sizes over percentiles, or over time if they are in its order.
fn chart(targets: &[TargetWss], percentiles: &[u64], sort_by: SortBy) -> Chart {
    let x_title = match sort_by {
        SortBy::Size => "percentile of snapshots",
        SortBy::Time => "time, percent of the record",
    };
    let series = targets.iter().map(|target| Series {
        name: match targets.len() {
            1 => String::new(),
            _ => format!("target {}", target.target.target_id),
        },
        points: percentiles
            .iter()
            .filter_map(|it| Some((*it as f64, target.percentile(*it)? as f64)))
            .collect(),
    });
    Chart {
        title: "Working set size".to_owned(),
        x_title: x_title.to_owned(),
        x: Measure::Percent,
        y_title: "working set size".to_owned(),
        y: Measure::Bytes,
        series: series.collect(),
    }
}

/// The percentiles of `--range START STOP STEP`; only 0 to 100 exist.
fn percentiles(range: &[i32]) -> Result<Vec<u64>, UsageError> {
    let usage = |what| UsageError(format!("--range: {what}, as in --range 0 101 25"));
    let [start, stop, step] = *range else {
        return Err(usage("give START, STOP and STEP"));
    };
    if step == 0 {
        return Err(usage("STEP must not be 0"));
    }
    let in_range = |at: &i32| if step > 0 { *at < stop } else { *at > stop };
    let values = std::iter::successors(Some(start), |at| Some(at + step)).take_while(in_range);
    Ok(values
        .filter_map(|at| u64::try_from(at).ok().filter(|at| *at <= 100))
        .collect())
}
