//! `damo report wss`: the distribution of working set sizes.

use std::io::Write;

use clap::ValueEnum;

use super::args::{Input, SortArg};
use super::numbers::{Distribution, Excluded, PlotOption, Shown, draw, tell_exactness};
use super::opened;
use crate::analyze::{
    AccessThreshold, By, InUse, Losses, Mappings, SeriesSpec, WarmUp, Wss, WssSpec, collapse,
};
use crate::cli::UsageError;
use crate::cli::watch::Watch;
use crate::model::units::{TimeUnit, UnitError, parse_size, parse_time_ns};
use crate::model::{Detail, Meta, Record};
use crate::render::picture::Measure;
use crate::render::{whose_line, write_collapsed_wss, write_wss, write_wss_table};
use crate::sys::tell::tell;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    distribution: Distribution,
    #[command(flatten)]
    plot: PlotOption,
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    excluded: Excluded,
    #[command(flatten)]
    in_use: InUseArgs,
    /// Time over which accesses are taken together (microseconds, or with a unit)
    #[arg(long = "work_time", value_name = "TIME", default_value = "1", value_parser = microseconds)]
    work_time_ns: u64,
    /// Let each size count for as long as it lasted, and not once
    #[arg(
        long = "time-weighted",
        alias = "time_weighted",
        conflicts_with = "all_wss"
    )]
    time_weighted: bool,
    /// Print each size instead of percentiles
    #[arg(long = "all_wss")]
    all_wss: bool,
    /// Print each target for itself, as is done without this option
    #[arg(long = "per_target", conflicts_with_all = ["collapse_targets", "simultaneous", "by"])]
    per_target: bool,
    /// Print all targets as one, the sum of their sizes in order of size, in damo 3's form
    #[arg(long = "collapse_targets", conflicts_with_all = ["simultaneous", "by", "time_weighted"])]
    collapse_targets: bool,
    /// Print what all targets have at the same moments: the sum of the newest size of each
    #[arg(long, conflicts_with = "by")]
    simultaneous: bool,
    /// Print each of these for itself
    #[arg(long, value_enum, value_name = "WHAT")]
    by: Option<ByArg>,
}

/// What counts as working set.
#[derive(Debug, clap::Args)]
pub struct InUseArgs {
    /// Fewest accesses of a region that is in the working set ('10 hz': per second)
    #[arg(short = 't', long = "acc_thres", value_name = "N", default_value = "1", value_parser = threshold)]
    acc_thres: AccessThreshold,
    /// The same as --acc_thres 'N hz'
    #[arg(long = "acc_thres_hz", value_name = "N", conflicts_with = "acc_thres", value_parser = hz)]
    acc_thres_hz: Option<AccessThreshold>,
    /// Smallest size of a region that is in the working set
    #[arg(long = "sz_thres", value_name = "SIZE", default_value = "1", value_parser = parse_size)]
    sz_thres: u64,
}

impl InUseArgs {
    /// Which regions are in use.
    pub fn in_use(&self) -> InUse {
        InUse {
            accesses: self.acc_thres_hz.unwrap_or(self.acc_thres),
            size: self.sz_thres,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ByArg {
    /// The targets
    Target,
    /// Mappings of processes: their files, heaps, stacks and other memory
    Mapping,
    /// Processes
    Process,
    /// Kinds of mappings: file, heap, stack, anonymous
    Kind,
}

impl Args {
    fn what(&self) -> Option<By> {
        match self.by? {
            ByArg::Target => None,
            ByArg::Mapping => Some(By::Mapping),
            ByArg::Process => Some(By::Process),
            ByArg::Kind => Some(By::Kind),
        }
    }

    /// What takes regions, or their order in time, is not to be had of a summary.
    fn check_for_summary(&self) -> Result<(), UsageError> {
        let InUse { accesses, size } = self.in_use.in_use();
        let asked = [
            ("--acc_thres", accesses != AccessThreshold::Samples(1)),
            ("--sz_thres", size > 1),
            ("--work_time", self.work_time_ns > 1000),
            (
                "--sortby time",
                matches!(self.distribution.sortby, SortArg::Time),
            ),
            ("--time-weighted", self.time_weighted),
            ("--exclude_samples", self.excluded.is_wanted()),
            ("--all_wss", self.all_wss),
            ("--collapse_targets", self.collapse_targets),
            ("--simultaneous", self.simultaneous),
            ("--by", self.what().is_some()),
        ];
        match asked.iter().find(|(_, asked)| *asked) {
            Some((option, _)) => Err(UsageError(format!(
                "{option}: {} is a summary, which counts the working sets of snapshots, without their regions and times: leave it out, or record without --summary",
                self.input.input.display()
            ))),
            None => Ok(()),
        }
    }

    fn start(&self, spec: WssSpec, warm_up: WarmUp, meta: &Meta) -> Wss {
        match self.what() {
            Some(by) => Wss::by_mapping(spec, warm_up, Mappings::new(meta, by)),
            None if self.simultaneous => Wss::simultaneous(spec, warm_up),
            None => Wss::new(spec, warm_up),
        }
    }
}

pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Losses> {
    let form = args
        .shown
        .form(args.distribution.percentiles()?, args.all_wss);
    if args.time_weighted && matches!(args.distribution.sortby, SortArg::Time) {
        return Err(UsageError(
            "--time-weighted: in order of time each size has its time already; leave one of --time-weighted and --sortby time out".to_owned(),
        )
        .into());
    }
    let spec = WssSpec {
        work_time_ns: args.work_time_ns,
        in_use: args.in_use.in_use(),
        series: SeriesSpec {
            by_time: args.time_weighted,
            all: args.all_wss || args.collapse_targets,
            ..args.distribution.spec()
        },
    };
    let plot = args.plot.file()?;
    let mut record = opened(&args.input.input)?;
    let meta = record.meta().clone();
    let is_summary = meta.summary_ns.is_some();
    if is_summary {
        args.check_for_summary()?;
        tell(format_args!(
            "damo: {}: a summary: working sets of all its snapshots, to within a 16th",
            args.input.input.display()
        ));
    }
    let mut wss = args.start(spec, args.excluded.warm_up(), &meta);
    let detail = match args.what() {
        // Counts are all that sizes depend on.
        None => Detail::Counts,
        Some(_) => Detail::All,
    };
    let mut losses = pass(&mut record, detail, &mut wss)?;
    if let Some(warm_up) = args.excluded.adapted(wss.warm_up()) {
        wss = args.start(spec, warm_up, &meta);
        losses = pass(&mut record, detail, &mut wss)?;
    }
    if wss.unknown() > 0 {
        anyhow::bail!(
            "{}: {} snapshots do not tell their intervals, by which accesses per second are counted; give --acc_thres as a number of accesses",
            args.input.input.display(),
            wss.unknown()
        );
    }
    let mut all = wss.finish();
    if args.collapse_targets {
        all = vec![collapse(&all)];
    } else if args.what().is_some() {
        // The largest first; those that were never in use are nothing to see.
        all.retain(|it| it.sizes.mean().is_some_and(|mean| mean > 0.0));
        all.sort_by(|one, other| {
            other
                .sizes
                .mean()
                .partial_cmp(&one.sizes.mean())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
    }
    if !is_summary {
        tell_exactness(all.iter().map(|it| &it.sizes), args.time_weighted);
    }
    if let Some(file) = plot {
        let named = all.iter().map(|it| (whose_line(&it.whose), &it.sizes));
        let title = "Working set size";
        draw(&file, &args.distribution, title, Measure::Bytes, named)?;
        return Ok(losses);
    }
    match (args.distribution.form.table(), all.as_slice()) {
        (Some(table), all) => write_wss_table(out, all, &form, args.what().is_some(), table)?,
        (None, [collapsed]) if args.collapse_targets => write_collapsed_wss(out, collapsed, &form)?,
        (None, all) => write_wss(out, all, &form)?,
    }
    Ok(losses)
}

fn pass(record: &mut Watch, detail: Detail, wss: &mut Wss) -> anyhow::Result<Losses> {
    let mut losses = Losses::default();
    for item in record.items_with(detail)? {
        let item = item?;
        losses.add(&item);
        wss.add(&item);
    }
    record.finish();
    Ok(losses)
}

fn threshold(text: &str) -> Result<AccessThreshold, String> {
    let text = text.trim();
    if let Some(number) = text.strip_suffix("hz") {
        return hz(number);
    }
    let number = text.strip_suffix("samples").unwrap_or(text).trim();
    let samples = number.parse().map(AccessThreshold::Samples);
    samples.map_err(|_| {
        format!("'{text}' is no threshold: give a number of accesses, or '10 hz' for accesses per second")
    })
}

fn hz(text: &str) -> Result<AccessThreshold, String> {
    let number: Option<f64> = text.trim().parse().ok();
    let good = number.filter(|hz| hz.is_finite() && *hz >= 0.0);
    let hz = good.ok_or_else(|| format!("'{text}' is no number of accesses per second"))?;
    Ok(AccessThreshold::Hz(hz))
}

fn microseconds(text: &str) -> Result<u64, UnitError> {
    parse_time_ns(text, TimeUnit::Us)
}
