//! Which times and addresses are shown, from what was typed and what there is.

use std::ops::Range;

use super::args::{Args, DrawRange};
use crate::analyze::{Hottest, TargetGuide};
use crate::cli::UsageError;
use crate::cli::report::args::nanoseconds;
use crate::cli::report::sources::{Seen, Sources};
use crate::model::Detail;
use crate::model::units::{UnitError, parse_size};

impl Args {
    /// The time to show.
    pub fn time(&self, guide: &TargetGuide) -> Result<Range<u64>, UsageError> {
        let guided = guide.since_ns..guide.time.end;
        let Some(words) = &self.time_range else {
            return Ok(guided);
        };
        let base = match words.get(2).map(String::as_str) {
            None => 0,
            Some("guided") => guided.start.into(),
            Some("guided_end") => guided.end.into(),
            Some(base) => signed("time_range", base, nanoseconds)?,
        };
        after("time_range", words, base, nanoseconds)
    }

    /// The addresses to show, one range for each picture.
    pub fn addresses(
        &self,
        sources: &mut Sources,
        guide: &TargetGuide,
    ) -> anyhow::Result<Vec<Range<u64>>> {
        let typed = &self.address_ranges.0;
        let is_guided = |words: &Vec<String>| words.get(2).is_some_and(|base| base == "guided");
        let guided = match typed.is_empty() || typed.iter().any(is_guided) {
            true => self.guided(sources, guide)?,
            false => Vec::new(),
        };
        if typed.is_empty() {
            return Ok(guided);
        }
        let range = |(nth, words): (usize, &Vec<String>)| {
            let base = match words.get(2).map(String::as_str) {
                None => 0,
                Some("guided") => {
                    guided
                        .get(nth)
                        .map(|range| range.start.into())
                        .ok_or_else(|| {
                            UsageError(format!(
                                "--address_range {}: --guide has no range for it; there are {}",
                                words.join(" "),
                                guided.len()
                            ))
                        })?
                }
                Some(base) => signed("address_range", base, parse_size)?,
            };
            Ok(after("address_range", words, base, parse_size)?)
        };
        typed.iter().enumerate().map(range).collect()
    }

    /// Ranges of the guide.
    fn guided(
        &self,
        sources: &mut Sources,
        guide: &TargetGuide,
    ) -> anyhow::Result<Vec<Range<u64>>> {
        let ranges = guide.regions.iter().filter(|it| it.start < it.end).cloned();
        let ranges: Vec<Range<u64>> = ranges.collect();
        if self.draw_range == DrawRange::All || ranges.len() < 2 {
            return Ok(ranges);
        }
        let mut hottest = Hottest::new(ranges);
        sources.pass(Detail::Counts, |seen| {
            if let Seen::Snapshot(place, snapshot) = seen
                && place == guide.target.kdamond as usize
            {
                hottest.add(snapshot);
            }
        })?;
        Ok(hottest.finish().into_iter().collect())
    }
}

type Parse = fn(&str) -> Result<u64, UnitError>;

/// The first two words as a range after a base.
fn after(
    option: &str,
    words: &[String],
    base: i128,
    parse: Parse,
) -> Result<Range<u64>, UsageError> {
    let [start, end, ..] = words else {
        return Err(UsageError(format!("--{option}: give a start and an end")));
    };
    let absolute = |word: &str| {
        let at = base + signed(option, word, parse)?;
        u64::try_from(at).map_err(|_| {
            UsageError(format!(
                "--{option} {}: {at} is not between 0 and {}",
                words.join(" "),
                u64::MAX
            ))
        })
    };
    Ok(absolute(start)?..absolute(end)?)
}

/// A number that may have a minus.
fn signed(option: &str, word: &str, parse: Parse) -> Result<i128, UsageError> {
    let (sign, number) = match word.strip_prefix('-') {
        Some(number) => (-1, number),
        None => (1, word),
    };
    let number = parse(number).map_err(|error| UsageError(format!("--{option}: {error}")))?;
    Ok(sign * i128::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_after_their_base() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let time = |text: &str, base| after("time_range", &words(text), base, nanoseconds);
        assert_eq!(time("1s 2500ms", 10).unwrap(), 1_000_000_010..2_500_000_010);
        assert_eq!(time("-10 0", 50).unwrap(), 40..50);
        for (text, base) in [
            ("-10 0", 0),
            ("0 max", 1),
            ("0 1x", 0),
            ("0", 0),
            ("--1 5", 9),
        ] {
            let error = time(text, base).unwrap_err();
            assert!(error.0.starts_with("--time_range"), "{error}");
        }
    }
}
