//! `damo report heatmap`: access rates over time and address, as 3.x has it.

mod args;
mod edit;
mod ranges;

use std::io::{IsTerminal, Write, stdin};
use std::path::Path;

use anyhow::Context;

pub use args::Args;
use edit::View;

use super::maps::{Maps, Shown};
use super::pair;
use super::plot::PictureFile;
use super::sources::Sources;
use crate::analyze::{HeatRule, HeatUnit, Losses, TargetGuide};
use crate::cli::UsageError;
use crate::model::Origin;
use crate::render::{HeatsForm, TerminalForm, write_guide_3, write_guide_table};
use crate::sys::tell::tell;

pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Losses> {
    let shown = args.shown()?;
    if args.interactive_edit && !stdin().is_terminal() {
        let message = "--interactive_edit: asks on a terminal, which standard input is not; use --time_range and --address_range";
        return Err(UsageError(message.to_owned()).into());
    }
    let mut sources = Sources::open(&args.input)?;
    let (guides, losses) = sources.guides()?;
    if args.guide || args.guide_human {
        args.write_guides(&sources, &guides, out)?;
        return Ok(losses);
    }
    let guide = args.choose(&sources, &guides)?;
    if args.sort_temperature && !guide.rated {
        return Err(UsageError(
            "--sort_temperature: the record does not tell its intervals, without which there are no temperatures"
                .to_owned(),
        )
        .into());
    }
    let mut view = View {
        time: args.time(guide)?,
        ranges: args.addresses(&mut sources, guide)?,
        in_terminal: matches!(shown, Shown::Terminal(..)),
    };
    let of = sources.target_of(guide).map(|target| target.title());
    let of = of.unwrap_or_default();
    let title = format!("Accesses of {of}, {}", Sources::names(&args.input));
    let mut last: Option<View> = None;
    loop {
        let maps = Maps {
            target: guide.target.kdamond as usize,
            time: view.time.clone(),
            ranges: &view.ranges,
            resolution: shown.resolution(&args.resol),
            rule: args.rule(guide),
            sort: args
                .sort_temperature
                .then(|| pair(&args.temperature_weights).unwrap_or((1.0, 1.0))),
        };
        let written = maps.write(&mut sources, &shown, &title, out);
        match (written, last.take()) {
            (Ok(_), _) => last = Some(view.clone()),
            // What was asked for cannot be shown: back to what could.
            (Err(error), Some(before)) if error.is::<UsageError>() => {
                tell(format_args!("damo: {error}"));
                view = before.clone();
                last = Some(before);
            }
            (Err(error), _) => return Err(error),
        }
        if !args.interactive_edit {
            return Ok(losses);
        }
        match view.next(&mut stdin().lock(), out)? {
            Some(next) => view = next,
            None => return Ok(losses),
        }
    }
}

impl Args {
    fn shown(&self) -> Result<Shown, UsageError> {
        let form = HeatsForm {
            absolute_time: self.abs_time,
            absolute_address: self.abs_addr,
        };
        let output = self.output.as_path();
        let in_terminal = output == Path::new("stdout");
        if let Some(table) = self.form.table() {
            return match in_terminal {
                true => Ok(Shown::Table(table)),
                false => Err(UsageError(format!(
                    "--output {}: is a form of its own, beside --format; leave one out",
                    output.display()
                ))),
            };
        }
        if in_terminal {
            let palette = self.stdout_colorset;
            let paint = match self.compat.is_damo() {
                true => self.color.paint_as_the_peer(palette),
                false => self.color.paint(palette),
            };
            let levels = !self.stdout_skip_colorset_example;
            return Ok(Shown::Terminal(TerminalForm::Heatmap { levels }, paint));
        }
        if output == Path::new("raw") {
            return Ok(Shown::Numbers(form));
        }
        PictureFile::of("--output", output).map_or_else(
            |error| Err(UsageError(format!("{error}, or give stdout or raw"))),
            |file| Ok(Shown::Files(file, form)),
        )
    }

    fn rule(&self, guide: &TargetGuide) -> HeatRule {
        HeatRule::Rates {
            unit: match guide.rated {
                true => HeatUnit::Hz,
                false => HeatUnit::Samples,
            },
            filter_passed: self.df_passed,
            as_the_peer: self.compat.is_damo(),
        }
    }

    fn write_guides(
        &self,
        sources: &Sources,
        guides: &[TargetGuide],
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        if let Some(form) = self.form.table() {
            let guides = guides.iter().map(|guide| {
                let key = sources.target_of(guide).map(|target| target.key);
                (key.unwrap_or(guide.target), guide.since_ns, guide)
            });
            return Ok(write_guide_table(out, guides, form)?);
        }
        for guide in guides {
            let target = sources.target_of(guide);
            let mut origin = target.map_or_else(Origin::default, |it| it.origin.clone());
            if self.compat.is_damo() {
                // What it does not know is 0 to the peer.
                origin.kdamond_idx.get_or_insert(0);
                origin.context_idx.get_or_insert(0);
            }
            write_guide_3(out, guide, &origin, self.guide)?;
        }
        Ok(())
    }

    /// The target that was asked for: of those that fit, the one that is the most
    /// like the one with the most memory, as 3.x has it, or else the largest.
    fn choose<'a>(
        &self,
        sources: &Sources,
        guides: &'a [TargetGuide],
    ) -> anyhow::Result<&'a TargetGuide> {
        let first = guides.first().context("the record has no regions")?;
        let ids = |guide: &TargetGuide| {
            let target = sources.target_of(guide);
            let origin = target.map_or_else(Origin::default, |it| it.origin.clone());
            (
                origin.kdamond_idx.unwrap_or(0),
                origin.context_idx.unwrap_or(0),
                origin.scheme_idx,
                guide.target.target_id,
            )
        };
        let of_first = ids(first);
        let wanted = (
            self.kdamond_idx.unwrap_or(of_first.0),
            self.context_idx.unwrap_or(of_first.1),
            self.scheme_idx.or(of_first.2),
            self.tid.unwrap_or(of_first.3),
        );
        let fits = |guide: &&TargetGuide| {
            let (kdamond, context, scheme, tid) = ids(guide);
            self.kdamond_idx.is_none_or(|it| it == kdamond)
                && self.context_idx.is_none_or(|it| it == context)
                && self.scheme_idx.is_none_or(|it| Some(it) == scheme)
                && self.tid.is_none_or(|it| it == tid)
        };
        let like_the_first = guides.iter().find(|guide| ids(guide) == wanted);
        let chosen = like_the_first.or_else(|| guides.iter().find(fits));
        Ok(chosen.ok_or_else(|| {
            let known: Vec<String> = guides
                .iter()
                .map(|guide| {
                    let (kdamond, context, scheme, tid) = ids(guide);
                    let scheme = scheme.map_or(String::new(), |it| format!(" --scheme_idx {it}"));
                    format!("--kdamond_idx {kdamond} --context_idx {context}{scheme} --tid {tid}")
                })
                .collect();
            UsageError(format!(
                "--tid, --kdamond_idx, --context_idx, --scheme_idx: the records have no such target, but {}",
                known.join("; ")
            ))
        })?)
    }
}
