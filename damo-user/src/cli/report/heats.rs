//! `damo report heats`: access frequency over time and address, as v1.7.3 has it.

use std::io::Write;
use std::ops::Range;
use std::path::Path;

use anyhow::Context;

use super::args::HeatsArgs;
use super::maps::{Maps, Shown};
use super::pair;
use super::plot::PictureFile;
use super::sources::Sources;
use crate::analyze::{HeatRule, Losses, TargetGuide};
use crate::cli::UsageError;
use crate::render::{HeatsForm, TerminalForm, write_guide, write_guide_table};

pub fn run(args: &HeatsArgs, out: &mut dyn Write) -> anyhow::Result<Losses> {
    let shown = args.shown()?;
    let inputs = [args.input.input.clone()];
    let mut sources = Sources::open(&inputs)?;
    if args.guide {
        let (guides, losses) = sources.guides()?;
        match args.form.table() {
            None => write_guide(out, &guides)?,
            Some(form) => {
                let guides = guides.iter().map(|guide| {
                    let key = sources.target_of(guide).map(|target| target.key);
                    (key.unwrap_or(guide.target), guide.time.start, guide)
                });
                write_guide_table(out, guides, form)?;
            }
        }
        return Ok(losses);
    }
    let guides = sources.guides_without_ages()?;
    // The peer cannot tell an explicit 0 from nothing.
    let given = |start: &u64| !args.compat.is_damo() || *start != 0;
    let guide = choose(&guides, args.tid.filter(given))?;
    let range = |(start, end): (u64, u64)| given(&start).then_some(start..end);
    let time = pair(&args.time_range).and_then(range);
    let typed = args.address_range.as_deref().unwrap_or_default();
    let mut ranges: Vec<Range<u64>> = typed
        .chunks_exact(2)
        .filter_map(|pair| match pair {
            [start, end] => range((*start, *end)),
            _ => None,
        })
        .collect();
    if ranges.is_empty() {
        let largest = guide.largest().context("the record has no regions")?;
        ranges.push(largest.clone());
    }
    let maps = Maps {
        target: guide.target.kdamond as usize,
        time: time.unwrap_or(guide.time.clone()),
        ranges: &ranges,
        resolution: shown.resolution(&args.resol),
        rule: HeatRule::Counts,
        sort: None,
    };
    let of = sources.target_of(guide).map(|target| target.title());
    let title = format!(
        "Accesses of {}, {}",
        of.unwrap_or_default(),
        Sources::names(&inputs)
    );
    maps.write(&mut sources, &shown, &title, out)
}

impl HeatsArgs {
    fn shown(&self) -> Result<Shown, UsageError> {
        let form = HeatsForm {
            absolute_time: self.abs_time,
            absolute_address: self.abs_addr,
        };
        Ok(match (self.heatmap.as_deref(), self.form.table()) {
            (Some(_), Some(_)) => {
                let message =
                    "--heatmap: draws a picture, while --format prints numbers; leave one out";
                return Err(UsageError(message.to_owned()));
            }
            (None, Some(form)) => Shown::Table(form),
            (None, None) => Shown::Numbers(form),
            (Some(file), None) if file == Path::new("stdout") => {
                let palette = self.stdout_heatmap_color;
                let paint = match self.compat.is_damo() {
                    true => self.color.paint_as_the_peer(palette),
                    false => self.color.paint(palette),
                };
                Shown::Terminal(TerminalForm::Heats, paint)
            }
            (Some(file), None) => Shown::Files(PictureFile::of("--heatmap", file)?, form),
        })
    }
}

/// The guide of the target that was asked for, or the one with the most memory.
fn choose(guides: &[TargetGuide], tid: Option<u64>) -> anyhow::Result<&TargetGuide> {
    let Some(tid) = tid else {
        return guides.first().context("the record has no regions");
    };
    let chosen = guides.iter().find(|guide| guide.target.target_id == tid);
    chosen.ok_or_else(|| {
        let ids: Vec<String> = guides
            .iter()
            .map(|g| g.target.target_id.to_string())
            .collect();
        UsageError(format!(
            "--tid {tid}: the record has no such target, but {}",
            ids.join(", ")
        ))
        .into()
    })
}
