//! `damo report footprints`: how much memory processes and machine had.

use std::io::Write;
use std::path::Path;

use clap::ValueEnum;

use super::args::Input;
use super::numbers::{Distribution, PlotOption, Shown, draw, tell_exactness};
use super::{for_each, opened};
use crate::analyze::{Footprint, FootprintMetric, Losses, Series, SeriesSpec};
use crate::import::{is_side_file, read_side_file, side_file};
use crate::model::{Item, Note};
use crate::render::picture::Measure;
use crate::render::{write_footprints, write_footprints_table};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// What of memory to show
    #[arg(value_enum, default_value = "all")]
    metric: Metric,
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    distribution: Distribution,
    #[command(flatten)]
    plot: PlotOption,
    #[command(flatten)]
    shown: Shown,
    /// Print each look at memory instead of percentiles
    #[arg(long = "all_footprint", alias = "all_footprints")]
    all_footprint: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Metric {
    /// What the processes have mapped
    Vsz,
    /// What they have in memory
    Rss,
    /// What the machine has in use, by all processes and the kernel
    SysUsed,
    /// Each of these
    All,
}

impl Metric {
    fn all(self) -> Vec<FootprintMetric> {
        use FootprintMetric::{Rss, SysUsed, Vsz};
        match self {
            Metric::Vsz => vec![Vsz],
            Metric::Rss => vec![Rss],
            Metric::SysUsed => vec![SysUsed],
            Metric::All => vec![Vsz, Rss, SysUsed],
        }
    }
}

pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Losses> {
    let form = args
        .shown
        .form(args.distribution.percentiles()?, args.all_footprint);
    let spec = SeriesSpec {
        all: args.all_footprint,
        ..args.distribution.spec()
    };
    let plot = args.plot.file()?;
    let path = args.input.input.as_path();
    let metrics = args.metric.all();
    let mut losses = Losses::default();
    let mut found = Vec::new();
    if !is_side_file(path) {
        let mut record = opened(path)?;
        found = series(&metrics, spec, |take| {
            for_each(&mut record, |item| {
                losses.add(item);
                if let Item::Note(note) = item {
                    take(note);
                }
                Ok(())
            })
        })?;
    }
    if found.iter().all(|(_, bytes)| bytes.is_empty()) {
        let beside = side_file(path);
        let from: &Path = match is_side_file(path) {
            true => path,
            false if beside.is_file() => &beside,
            false => anyhow::bail!(
                "{}: the record does not tell how much memory there was; `damo record --do_record access mem_footprint` makes one that does",
                path.display()
            ),
        };
        found = series(&metrics, spec, |take| Ok(read_side_file(from, take)?))?;
    }
    tell_exactness(found.iter().map(|(_, bytes)| bytes), false);
    if let Some(file) = plot {
        let title = match metrics.as_slice() {
            [one] => format!("Memory ({})", one.name()),
            _ => "Memory".to_owned(),
        };
        let named = found.iter();
        let named = named.map(|(metric, bytes)| (metric.name().to_owned(), bytes));
        draw(&file, &args.distribution, &title, Measure::Bytes, named)?;
        return Ok(losses);
    }
    match args.distribution.form.table() {
        Some(table) => write_footprints_table(out, &found, &form, table)?,
        None => write_footprints(out, &found, &form)?,
    }
    Ok(losses)
}

/// The metrics of all notes that `read` comes upon.
fn series(
    metrics: &[FootprintMetric],
    spec: SeriesSpec,
    read: impl FnOnce(&mut dyn FnMut(&Note)) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<(FootprintMetric, Series)>> {
    let new = |metric: &FootprintMetric| (*metric, Footprint::new(*metric, spec));
    let mut all: Vec<(FootprintMetric, Footprint)> = metrics.iter().map(new).collect();
    read(&mut |note| all.iter_mut().for_each(|(_, it)| it.add(note)))?;
    let finished = all.into_iter().map(|(metric, it)| (metric, it.finish()));
    Ok(finished.collect())
}
