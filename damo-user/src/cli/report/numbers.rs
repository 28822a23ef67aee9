//! What the reports of distributions share: which numbers are printed, and what
//! is said of those that are not exact.

use std::path::PathBuf;

use clap::value_parser;

use super::args::{CompatOption, Form, SortArg};
use super::plot::PictureFile;
use crate::analyze::{Exactness, Series, SeriesSpec, SortBy, WarmUp};
use crate::cli::UsageError;
use crate::model::units::format_number;
use crate::render::SeriesForm;
use crate::render::picture::{Chart, Measure, Series as Line, draw_chart};
use crate::sys::tell::tell;

/// First snapshots of each target that are left out, unless told otherwise.
const EXCLUDE: u64 = 20;

/// Which percentiles, in which order.
#[derive(Clone, Debug, clap::Args)]
pub struct Distribution {
    /// Percentiles to print: from START, in steps of STEP, to before STOP
    #[arg(short, long, num_args = 3, value_names = ["START", "STOP", "STEP"],
          default_values = ["0", "101", "25"], allow_negative_numbers = true,
          value_parser = value_parser!(i32).range(-1000..=1000))]
    pub range: Vec<i32>,
    /// Order of the numbers that percentiles are taken from
    #[arg(short, long, value_enum, default_value = "size")]
    pub sortby: SortArg,
    #[command(flatten)]
    pub form: Form,
}

impl Distribution {
    /// How numbers are kept.
    pub fn spec(&self) -> SeriesSpec {
        SeriesSpec {
            sort_by: match self.sortby {
                SortArg::Time => SortBy::Time,
                SortArg::Size => SortBy::Size,
            },
            by_time: false,
            all: false,
        }
    }

    /// The percentiles that were asked for.
    pub fn percentiles(&self) -> Result<Vec<u64>, UsageError> {
        percentiles(&self.range)
    }
}

/// The percentiles of `--range START STOP STEP`; only 0 to 100 exist.
pub fn percentiles(range: &[i32]) -> Result<Vec<u64>, UsageError> {
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

/// `--plot`, flattened into the options of a distribution.
#[derive(Clone, Debug, clap::Args)]
pub struct PlotOption {
    /// Draw the distribution into a png, jpeg, svg or pdf file instead
    #[arg(short, long, value_name = "FILE", conflicts_with = "format")]
    plot: Option<PathBuf>,
}

impl PlotOption {
    /// The file to draw into, if one was named.
    pub fn file(&self) -> Result<Option<PictureFile>, UsageError> {
        let file = self.plot.as_deref();
        file.map(|file| PictureFile::of("--plot", file)).transpose()
    }
}

/// Draws numbers over percentiles, or over time if they are in its order: a line
/// for each series. One alone needs no name beside the title.
pub fn draw<'a>(
    file: &PictureFile,
    distribution: &Distribution,
    title: &str,
    y: Measure,
    named: impl IntoIterator<Item = (String, &'a Series)>,
) -> anyhow::Result<()> {
    let percentiles = match *distribution.range {
        // Few say enough as text; a line may have them all.
        [0, 101, 25] => (0..=100).collect(),
        _ => distribution.percentiles()?,
    };
    let lines = named.into_iter().map(|(name, series)| Line {
        name,
        points: percentiles
            .iter()
            .filter_map(|it| Some((*it as f64, series.percentile(*it)? as f64)))
            .collect(),
    });
    let mut lines: Vec<Line> = lines.collect();
    if let [alone] = lines.as_mut_slice() {
        alone.name.clear();
    }
    let x_title = match distribution.sortby {
        SortArg::Size => "percentile",
        SortArg::Time => "time, percent of the record",
    };
    let chart = Chart {
        title: title.to_owned(),
        x_title: x_title.to_owned(),
        x: Measure::Percent,
        y_title: title.to_lowercase(),
        y,
        series: lines,
    };
    file.save(0, &draw_chart(&chart))
}

/// How a distribution of sizes is shown.
#[derive(Clone, Debug, clap::Args)]
pub struct Shown {
    /// Print bytes without units
    #[arg(long = "raw_number")]
    pub raw_number: bool,
    /// Width of the bars; 0 for none
    #[arg(long = "nr_cols_bar", value_name = "N", default_value = "59", value_parser = value_parser!(u16).range(..=10_000))]
    pub nr_cols_bar: u16,
}

impl Shown {
    /// What is printed, and how.
    pub fn form(&self, percentiles: Vec<u64>, all: bool) -> SeriesForm {
        SeriesForm {
            percentiles,
            all,
            raw_number: self.raw_number,
            nr_cols_bar: self.nr_cols_bar,
        }
    }
}

/// What is left out at the beginning.
#[derive(Clone, Debug, clap::Args)]
pub struct Excluded {
    /// How many first snapshots of a target to leave out [default: 20, and the first half of a
    /// target that has no more than that]
    #[arg(long = "exclude_samples", value_name = "N")]
    exclude_samples: Option<u64>,
    #[command(flatten)]
    compat: CompatOption,
}

impl Excluded {
    /// Whether somebody wants some to be left out.
    pub fn is_wanted(&self) -> bool {
        self.exclude_samples.is_some_and(|number| number > 0)
    }

    /// For the first pass.
    pub fn warm_up(&self) -> WarmUp {
        WarmUp::new(self.exclude_samples.unwrap_or(EXCLUDE))
    }

    /// For another pass, if the first one left nothing of a target and nobody
    /// wanted it like that.
    pub fn adapted(&self, after: &WarmUp) -> Option<WarmUp> {
        if self.exclude_samples.is_some() || self.compat.is_damo() {
            return None;
        }
        let adapted = after.adapted()?;
        if let Some((targets, most)) = adapted.shortened() {
            let whose = match targets {
                1 => "a target has".to_owned(),
                targets => format!("{} targets have", format_number(targets as u64)),
            };
            tell(format_args!(
                "damo: {whose} at most {EXCLUDE} snapshots, which would all be left out: only the first half is ({most} at most; --exclude_samples 0 for none)"
            ));
        }
        Some(adapted)
    }
}

/// Says so where there were too many numbers to keep them all.
pub fn tell_exactness<'a>(series: impl IntoIterator<Item = &'a Series>, by_time: bool) {
    let (mut rounded, mut thinned) = (0, 1);
    for series in series {
        match series.exactness() {
            Exactness::Exact => {}
            Exactness::Rounded => rounded += series.count(),
            Exactness::Thinned(stride) => thinned = stride.max(thinned),
        }
    }
    if rounded > 0 && !by_time {
        tell(format_args!(
            "damo: {} numbers are too many to keep: percentiles are exact to a thousandth, the mean fully",
            format_number(rounded)
        ));
    }
    if thinned > 1 {
        tell(format_args!(
            "damo: there are too many numbers to keep: one of {thinned} is looked at, in order of time"
        ));
    }
}
