//! `damo report nr_regions`: how many regions DAMON had.

use std::io::Write;

use super::args::Input;
use super::numbers::{Distribution, Excluded, PlotOption, draw, tell_exactness};
use super::{fold, opened_with_regions};
use crate::analyze::{Losses, NrRegions, TargetNrRegions};
use crate::render::picture::Measure;
use crate::render::{SeriesForm, write_nr_regions, write_nr_regions_table};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    distribution: Distribution,
    #[command(flatten)]
    plot: PlotOption,
    #[command(flatten)]
    excluded: Excluded,
}

pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Losses> {
    let form = SeriesForm {
        percentiles: args.distribution.percentiles()?,
        all: false,
        raw_number: true,
        nr_cols_bar: 0,
    };
    let plot = args.plot.file()?;
    let spec = args.distribution.spec();
    let mut record = opened_with_regions(&args.input.input)?;
    let mut numbers = NrRegions::new(spec, args.excluded.warm_up());
    let mut losses = fold(&mut record, |snapshot| numbers.add(snapshot))?;
    if let Some(warm_up) = args.excluded.adapted(numbers.warm_up()) {
        numbers = NrRegions::new(spec, warm_up);
        losses = fold(&mut record, |snapshot| numbers.add(snapshot))?;
    }
    let targets = numbers.finish();
    tell_exactness(targets.iter().map(|it| &it.numbers), false);
    if let Some(file) = plot {
        let name = |it: &TargetNrRegions| format!("target {}", it.target.target_id);
        let named = targets.iter().map(|it| (name(it), &it.numbers));
        draw(&file, &args.distribution, "Regions", Measure::Number, named)?;
        return Ok(losses);
    }
    match args.distribution.form.table() {
        Some(table) => write_nr_regions_table(out, &targets, &form, table)?,
        None => write_nr_regions(out, &targets, &form)?,
    }
    Ok(losses)
}
