//! Heat maps of several address ranges: folded, and written in any form.

use std::io::{IsTerminal, Write, stdout};
use std::ops::Range;

use super::plot::PictureFile;
use super::sources::{Seen, Sources};
use crate::analyze::{
    Heat, HeatMap, HeatRule, HeatSpec, Losses, NamedRange, NamedRanges, TemperatureSort,
};
use crate::cli::UsageError;
use crate::model::{Detail, TargetKey};
use crate::render::picture::{HeatPicture, draw_heat};
use crate::render::{
    HEAT_COLUMNS, HeatsForm, Paint, Table, TableForm, TerminalForm, write_heats, write_heats_rows,
    write_picture,
};

/// Pixels that are folded in one pass over the records; a larger picture has one
/// for itself.
const PIXELS_AT_ONCE: usize = 4 << 20;

/// What maps to make.
pub struct Maps<'a> {
    /// Of which target, by its place among the sources.
    pub target: usize,
    pub time: Range<u64>,
    pub ranges: &'a [Range<u64>],
    pub resolution: (usize, usize),
    pub rule: HeatRule,
    /// Weights of `--sort_temperature`.
    pub sort: Option<(f64, f64)>,
}

/// Maps, each with the names of what lies in it.
type Folded = Vec<(HeatMap, Vec<NamedRange>)>;

/// How maps are shown.
pub enum Shown {
    /// As digits.
    Terminal(TerminalForm, Option<Paint>),
    /// As lines of numbers.
    Numbers(HeatsForm),
    /// As a table for programs.
    Table(TableForm),
    /// As pictures in files.
    Files(PictureFile, HeatsForm),
}

impl Shown {
    /// What was asked for, or 500 x 500; on a terminal 40 x 80, or what fits.
    pub fn resolution(&self, typed: &Option<Vec<u32>>) -> (usize, usize) {
        if let Some([time, space]) = typed.as_deref() {
            return (*time as usize, *space as usize);
        }
        let Shown::Terminal(..) = self else {
            return (500, 500);
        };
        let size = rustix::termios::tcgetwinsize(stdout())
            .ok()
            .filter(|size| stdout().is_terminal() && size.ws_col > 0 && size.ws_row > 0);
        size.map_or((40, 80), |size| {
            // Five lines say what it is, and one is the prompt's.
            let rows = usize::from(size.ws_row).saturating_sub(6).clamp(4, 40);
            (rows, usize::from(size.ws_col))
        })
    }
}

impl Maps<'_> {
    /// Makes the maps and writes them, one after the other. Says what is missing
    /// in the records.
    pub fn write(
        &self,
        sources: &mut Sources,
        shown: &Shown,
        title: &str,
        out: &mut dyn Write,
    ) -> anyhow::Result<Losses> {
        let key = sources.targets.get(self.target).map(|target| target.key);
        let key = key.unwrap_or(TargetKey {
            kdamond: 0,
            target_id: 0,
        });
        let mut writer = match shown {
            Shown::Table(form) => Writer::Table(Table::begin(out, *form, &HEAT_COLUMNS)?, key),
            shown => Writer::Plain(out, shown),
        };
        let pixels = self.resolution.0.saturating_mul(self.resolution.1);
        let at_once = (PIXELS_AT_ONCE / pixels.max(1)).max(1);
        let (mut number, mut losses) = (0, Losses::default());
        for ranges in self.ranges.chunks(at_once) {
            let (maps, missing) = self.folded(sources, ranges)?;
            losses = missing;
            for (map, places) in maps {
                let picture = HeatPicture {
                    map: &map,
                    title,
                    absolute_time: false,
                    absolute_address: false,
                    sorted: self.sort.is_some(),
                    places: &places,
                };
                writer.write(number, picture)?;
                number += 1;
            }
        }
        if let Writer::Table(table, _) = writer {
            table.finish()?;
        }
        Ok(losses)
    }

    /// One pass for several maps.
    fn folded(
        &self,
        sources: &mut Sources,
        ranges: &[Range<u64>],
    ) -> anyhow::Result<(Folded, Losses)> {
        let source = sources.targets.get(self.target);
        let pid = source.and_then(|target| target.process.0);
        let new = |range: &Range<u64>| {
            let spec = HeatSpec {
                target: TargetKey {
                    kdamond: 0,
                    target_id: 0,
                },
                time: self.time.clone(),
                space: range.clone(),
                resolution: self.resolution,
            };
            let heat = Heat::with_rule(&spec, self.rule).map_err(|error| {
                UsageError(format!(
                    "{error}; see --resol, --time_range and --address_range"
                ))
            })?;
            Ok((heat, NamedRanges::new(range.clone())))
        };
        let mut maps = ranges
            .iter()
            .map(new)
            .collect::<Result<Vec<_>, UsageError>>()?;
        let mut sort = self
            .sort
            .map(|weights| TemperatureSort::new(self.ranges.to_vec(), weights));
        let detail = match (self.rule, &sort) {
            (HeatRule::Counts, None) => Detail::Counts,
            _ => Detail::All,
        };
        let losses = sources.pass(detail, |seen| match seen {
            Seen::Snapshot(place, snapshot) if place == self.target => {
                if let Some(sort) = &mut sort {
                    sort.sort(snapshot);
                }
                for (heat, _) in &mut maps {
                    heat.add_wanted(snapshot);
                }
            }
            Seen::Mapping(mapping) if Some(mapping.pid) == pid => {
                for (_, places) in &mut maps {
                    places.add(mapping);
                }
            }
            Seen::Snapshot(..) | Seen::Mapping(_) => {}
        })?;
        let finished = maps.into_iter();
        let finished = finished.map(|(heat, places)| (heat.finish(), places.finish()));
        Ok((finished.collect(), losses))
    }
}

enum Writer<'a> {
    Table(Table<'a>, TargetKey),
    Plain(&'a mut dyn Write, &'a Shown),
}

impl Writer<'_> {
    fn write(&mut self, number: usize, picture: HeatPicture<'_>) -> anyhow::Result<()> {
        let map = picture.map;
        match self {
            Writer::Table(table, key) => write_heats_rows(table, map, *key)?,
            Writer::Plain(out, Shown::Terminal(form, paint)) => {
                write_picture(out, map, *paint, *form)?;
            }
            Writer::Plain(out, Shown::Numbers(form)) => write_heats(out, map, *form)?,
            Writer::Plain(_, Shown::Files(file, form)) => {
                let scene = draw_heat(&HeatPicture {
                    absolute_time: form.absolute_time,
                    absolute_address: form.absolute_address,
                    ..picture
                });
                file.save(number, &scene)?;
            }
            Writer::Plain(_, Shown::Table(_)) => {}
        }
        Ok(())
    }
}
