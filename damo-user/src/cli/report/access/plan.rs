//! Options → what is shown, and how.

use std::path::PathBuf;
use std::time::Duration;

use super::args::{AccessArgs, ScaleArg, StyleArg};
use super::sieve::{Sieve, pairs};
use crate::analyze::access::{Bins, Weights};
use crate::cli::UsageError;
use crate::cli::params::filters_of;
use crate::cli::snapshot_filters::places;
use crate::control::params::Filter;
use crate::model::units::{TimeUnit, parse_time_ns, parse_time_us};
use crate::render::access::{BoxLook, Formats, Known, Look, StripLook, Style};
use crate::render::{Palette, TableForm};

/// How many bins may be asked for.
const MOST_BINS: usize = crate::analyze::access::MAX_BINS;

/// Where snapshots come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A record.
    File(PathBuf),
    /// What a scheme of a running kdamond tries.
    TriedRegions { kdamond: usize, scheme: usize },
}

/// How often it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    pub delay: Duration,
    /// `None` for ever.
    pub count: Option<u64>,
}

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Text,
    Table(TableForm),
    Json,
    Raw,
}

/// What was asked for, checked.
#[derive(Debug)]
pub struct Plan {
    pub inputs: Vec<Input>,
    /// Of what runs now, how much passes these is asked for.
    pub filters: Vec<Filter>,
    /// Regions of what runs now that are alike are put together.
    pub merge_alike: bool,
    pub repeat: Repeat,
    pub form: Form,
    pub style: Style,
    pub total_only: bool,
    pub boxes: bool,
    look: Look,
    formats: Formats,
    /// Appended to what the formats are in the end.
    appended: Formats,
    pub sieve: Sieve,
}

impl AccessArgs {
    /// What was asked for.
    ///
    /// # Errors
    /// It cannot be right.
    pub fn plan(&self) -> Result<Plan, UsageError> {
        if self.exec.is_some() {
            return Err(UsageError(
                "--exec runs Python on damo 3's own objects, which this damo does not have; let a program read --format ndjson".to_owned(),
            ));
        }
        let (form, mut formats, appended) = self.formats()?;
        for (format, option) in [
            (&mut formats.record_head, &self.format_record_head),
            (&mut formats.snapshot_head, &self.format_snapshot_head),
            (&mut formats.region, &self.format_region),
            (&mut formats.snapshot_tail, &self.format_snapshot_tail),
            (&mut formats.record_tail, &self.format_record_tail),
        ] {
            *format = format.take().or_else(|| option.clone());
        }
        let form = match form {
            Some(table) => Form::Table(table),
            None if self.json => Form::Json,
            None if self.raw_form => Form::Raw,
            None => Form::Text,
        };
        let weights = self.weights();
        let filters = self.filters.filters()?;
        let inputs = self.inputs()?;
        Ok(Plan {
            filters: self.snapshot_filters(&inputs)?,
            inputs,
            merge_alike: !self.dont_merge_regions,
            repeat: self.repeat()?,
            form,
            style: self.style.into(),
            total_only: self.total_sz_only,
            boxes: self.region_box,
            look: self.look(&formats)?,
            formats,
            appended,
            sieve: Sieve {
                pattern: filters.pattern,
                addresses: filters.addresses,
                sizes: pairs("--sz_snapshot", &self.sz_snapshot)?,
                times: pairs("--snapshot_time", &self.snapshot_time)?,
                indices: places(&self.snapshot_idx)?,
                temperatures: pairs("--temperature", &self.temperature)?,
                weights,
                compat: self.compat.is_damo(),
            },
        })
    }

    fn snapshot_filters(&self, inputs: &[Input]) -> Result<Vec<Filter>, UsageError> {
        const NAME: &str = "snapshot_damos_filter";
        let filters = filters_of(NAME, &self.snapshot_damos_filter)?;
        match filters.is_empty() || inputs.is_empty() {
            true => Ok(filters),
            false => Err(UsageError(format!(
                "--{NAME} asks kdamonds that run: leave --input out"
            ))),
        }
    }

    fn weights(&self) -> Weights {
        match *self.temperature_weights {
            [size, rate, age] => Weights { size, rate, age },
            _ => Weights::default(),
        }
    }

    /// `--format`: one word, or three of each change.
    fn formats(&self) -> Result<(Option<TableForm>, Formats, Formats), UsageError> {
        let (mut table, mut set, mut appended) = (None, Formats::default(), Formats::default());
        let mut words = self.format.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let formats = match word {
                "json" => {
                    table = Some(TableForm::Json);
                    continue;
                }
                "ndjson" => {
                    table = Some(TableForm::Ndjson);
                    continue;
                }
                "csv" => {
                    table = Some(TableForm::Csv);
                    continue;
                }
                "text" => {
                    table = None;
                    continue;
                }
                "set" => &mut set,
                "append" => &mut appended,
                other => {
                    return Err(UsageError(format!(
                        "--format {other}: give json, ndjson or csv, or set or append, a part and a format"
                    )));
                }
            };
            let (Some(part), Some(format)) = (words.next(), words.next()) else {
                return Err(UsageError(format!(
                    "--format {word}: a part and a format are to follow, as in --format {word} region '<size> <age>'"
                )));
            };
            let place = match part {
                "record_head" => &mut formats.record_head,
                "snapshot_head" => &mut formats.snapshot_head,
                "region" => &mut formats.region,
                "snapshot_tail" => &mut formats.snapshot_tail,
                "record_tail" => &mut formats.record_tail,
                other => {
                    return Err(UsageError(format!(
                        "--format {word} {other}: the parts are record_head, snapshot_head, region, snapshot_tail and record_tail"
                    )));
                }
            };
            match word {
                "set" => *place = Some(format.to_owned()),
                _ => place.get_or_insert_default().push_str(format),
            }
        }
        Ok((table, set, appended))
    }

    fn inputs(&self) -> Result<Vec<Input>, UsageError> {
        let mut inputs = Vec::new();
        let mut words = self.input.iter().chain(&self.input_file);
        while let Some(word) = words.next() {
            if word != "tried_regions_of" {
                inputs.push(Input::File(word.into()));
                continue;
            }
            let mut number = || words.next()?.to_str()?.parse::<usize>().ok();
            match (number(), number(), number()) {
                (Some(kdamond), Some(context), Some(scheme)) => {
                    inputs.push(tried(kdamond, context, scheme)?);
                }
                _ => {
                    return Err(UsageError(
                        "tried_regions_of needs three numbers: of a kdamond, a context and a scheme"
                            .to_owned(),
                    ));
                }
            }
        }
        for numbers in self.tried_regions_of.chunks_exact(3) {
            if let &[kdamond, context, scheme] = numbers {
                inputs.push(tried(kdamond, context, scheme)?);
            }
        }
        Ok(inputs)
    }

    fn repeat(&self) -> Result<Repeat, UsageError> {
        let refused = |what: &dyn ToString| UsageError(format!("--repeat: {}", what.to_string()));
        let (delay, count) = match self.repeat.as_deref() {
            None => {
                return Ok(Repeat {
                    delay: Duration::ZERO,
                    count: Some(1),
                });
            }
            Some([]) => {
                return Ok(Repeat {
                    delay: Duration::from_secs(1),
                    count: None,
                });
            }
            Some([delay, count]) => (delay, count),
            Some(_) => return Err(refused(&"give nothing, or a delay and a count")),
        };
        let delay = parse_time_ns(delay, TimeUnit::S).map_err(|error| refused(&error))?;
        let count = match count.as_str() {
            "-1" | "max" => None,
            count => Some(crate::control::params::number(count).map_err(|error| refused(&error))?),
        };
        Ok(Repeat {
            delay: Duration::from_nanos(delay),
            count,
        })
    }

    fn look(&self, formats: &Formats) -> Result<Look, UsageError> {
        let keys = self.sort_regions_by.iter().map(|&key| {
            let descending = self.sort_regions_dsc.iter().any(|dsc| dsc.is(key));
            (key.into(), descending)
        });
        let palette = |palette| self.color.palette(palette);
        let scales = self.region_box_scales.iter().map(|it| *it == ScaleArg::Log);
        let scales: Vec<bool> = scales.collect();
        let values = self.region_box_values.iter().map(|&value| value.into());
        let values: Vec<_> = values.collect();
        let range = |option: &str, numbers: &[u32]| match *numbers {
            [min, max] if min <= max => Ok((min, max)),
            _ => Err(UsageError(format!(
                "{option}: the minimum is above the maximum"
            ))),
        };
        let boxes = BoxLook {
            values: values.try_into().unwrap_or([None; 3]),
            logs: scales.try_into().unwrap_or_default(),
            length: range(
                "--region_box_min_max_length",
                &self.region_box_min_max_length,
            )?,
            height: range(
                "--region_box_min_max_height",
                &self.region_box_min_max_height,
            )?,
            align: self.region_box_align.into(),
            palette: palette(self.region_box_colorset),
        };
        Ok(Look {
            raw: self.raw_number,
            weights: self.weights(),
            sort: keys.collect(),
            percentiles: percentiles(&self.percentiles_range)?,
            bins: self.bins(formats)?,
            cumulate: self.hist_cumulate,
            strip: StripLook {
                width: self.snapshot_heatmap_width,
                in_place: self.snapshot_heatmap_static,
                palette: palette(self.snapshot_heatmap_colorset),
            },
            boxes,
            emotion: self.color.palette(Palette::Emotion),
            least_chars: self.least_chars()?,
            compat: self.compat.is_damo(),
        })
    }

    fn least_chars(&self) -> Result<Vec<(String, usize)>, UsageError> {
        let pairs = self.min_chars_for.chunks_exact(2);
        let each = pairs.filter_map(|pair| match pair {
            [name, number] => Some((name, number)),
            _ => None,
        });
        each.map(|(name, number)| match number.parse::<u16>() {
            Ok(number) => Ok((name.clone(), number.into())),
            Err(_) => Err(UsageError(format!(
                "--min_chars_for {name} {number}: not a number up to 65535"
            ))),
        })
        .collect()
    }

    fn bins(&self, formats: &Formats) -> Result<Bins, UsageError> {
        const USUAL: u32 = 10;
        if self.hist_ranges.is_empty() {
            return Ok(match self.hist_logscale {
                true => Bins::Log(USUAL),
                false => Bins::Linear(USUAL),
            });
        }
        let refused =
            |what: &dyn ToString| UsageError(format!("--hist_ranges: {}", what.to_string()));
        let of_temperatures = matches!(self.style, StyleArg::TemperatureHistogram)
            || [&formats.snapshot_head, &formats.snapshot_tail]
                .iter()
                .any(|format| {
                    format
                        .as_ref()
                        .is_some_and(|it| it.contains("<temperature-"))
                });
        let value = |text: &String| {
            let text = text.trim();
            match of_temperatures {
                true if text == "max" => Ok(i64::MAX),
                true => text
                    .replace(',', "")
                    .parse::<i64>()
                    .map_err(|_| refused(&format!("'{text}' is not a temperature"))),
                false => parse_time_us(text, TimeUnit::Us)
                    .map(|us| i64::try_from(us).unwrap_or(i64::MAX))
                    .map_err(|error| refused(&error)),
            }
        };
        let values = self.hist_ranges.iter().map(value);
        let values = values.collect::<Result<Vec<i64>, UsageError>>()?;
        if !values.len().is_multiple_of(2) || values.len() > 2 * MOST_BINS {
            return Err(refused(&format!(
                "give two numbers for each bin, of at most {MOST_BINS} bins"
            )));
        }
        let ranges = values.chunks_exact(2).filter_map(|pair| match *pair {
            [from, to] => Some((from, to)),
            _ => None,
        });
        Ok(Bins::Given(ranges.collect()))
    }
}

fn tried(kdamond: usize, context: usize, scheme: usize) -> Result<Input, UsageError> {
    if context != 0 {
        return Err(UsageError(format!(
            "tried_regions_of {kdamond} {context} {scheme}: kdamonds have only context 0"
        )));
    }
    Ok(Input::TriedRegions { kdamond, scheme })
}

/// As Python's range() for up to three numbers; else these.
fn percentiles(numbers: &[i64]) -> Result<Vec<i64>, UsageError> {
    let (start, stop, step) = match *numbers {
        [] => return Ok(Look::default().percentiles),
        [stop] => (0, stop, 1),
        [start, stop] => (start, stop, 1),
        [start, stop, step] => (start, stop, step),
        _ => {
            let mut numbers = numbers.to_vec();
            numbers.sort_unstable();
            return Ok(numbers);
        }
    };
    if step <= 0 {
        return Err(UsageError(
            "--percentiles_range: the third number, the step, must be above 0".to_owned(),
        ));
    }
    let all = std::iter::successors(Some(start), |at| Some(at + step));
    Ok(all.take_while(|at| *at < stop).collect())
}

impl Plan {
    /// Whether numbers have no units.
    pub fn raw_number(&self) -> bool {
        self.look.raw
    }

    /// How it looks, and the formats, now that it is known what there is.
    pub fn formats(&self, known: &Known) -> (Look, Formats) {
        let (mut look, mut formats) = (self.look.clone(), self.formats.clone());
        formats.style(self.style, &mut look, known);
        if self.total_only {
            formats.total_only();
        }
        formats.complete(&look, known, self.boxes);
        let appended = &self.appended;
        for (format, more) in [
            (&mut formats.record_head, &appended.record_head),
            (&mut formats.snapshot_head, &appended.snapshot_head),
            (&mut formats.region, &appended.region),
            (&mut formats.snapshot_tail, &appended.snapshot_tail),
            (&mut formats.record_tail, &appended.record_tail),
        ] {
            if let Some(more) = more {
                format.get_or_insert_default().push_str(more);
            }
        }
        (look, formats)
    }
}
