//! Options → which regions are wanted, for `record` and `convert`.

use std::ops::Range;

use super::UsageError;
use crate::control::params::{AccessPattern, AccessRate, Age};
use crate::model::units::{TimeUnit, parse_size, parse_time_us};
use crate::recorder::Filters;

const HEADING: &str = "Which regions";

/// Which regions are wanted, as typed.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct FilterArgs {
    /// Only regions of MIN to MAX bytes (or with a unit; min, max)
    #[arg(long = "sz_region", num_args = 2, value_names = ["MIN", "MAX"], help_heading = HEADING, allow_negative_numbers = true)]
    sz_region: Option<Vec<String>>,

    /// Only regions accessed at MIN to MAX percent ('3 samples' and '10 hz' are rates, too)
    #[arg(long = "access_rate", num_args = 2, value_names = ["MIN", "MAX"], help_heading = HEADING, allow_negative_numbers = true)]
    access_rate: Option<Vec<String>>,

    /// Only regions that have been like this for MIN to MAX (seconds, or with a unit; '2
    /// aggr_intervals' is an age, too)
    #[arg(long, num_args = 2, value_names = ["MIN", "MAX"], help_heading = HEADING, allow_negative_numbers = true)]
    age: Option<Vec<String>>,

    /// Only what lies in these addresses (bytes, 0x for hexadecimal, or with a unit); may be repeated
    #[arg(long, num_args = 2, value_names = ["START", "END"], help_heading = HEADING, value_parser = address)]
    address: Vec<u64>,
}

impl FilterArgs {
    /// The filters, checked.
    ///
    /// # Errors
    /// What cannot be right, by its option.
    pub fn filters(&self) -> Result<Filters, UsageError> {
        let mut filters = Filters {
            pattern: AccessPattern::default(),
            addresses: self.addresses()?,
            typed: Vec::new(),
        };
        let pattern = &mut filters.pattern;
        let (sizes, rates, ages) = (
            &mut pattern.sz_bytes,
            &mut pattern.nr_accesses,
            &mut pattern.age,
        );
        let typed = [
            range("--sz_region", &self.sz_region, size, |min, max| {
                (sizes.min, sizes.max) = (min, max);
                min <= max
            })?,
            range(
                "--access_rate",
                &self.access_rate,
                str::parse,
                |min, max| {
                    (rates.min, rates.max) = (min, max);
                    rates_ascend(min, max)
                },
            )?,
            range("--age", &self.age, age, |min, max| {
                (ages.min, ages.max) = (min, max);
                ages_ascend(min, max)
            })?,
        ];
        filters.typed = typed.into_iter().flatten().collect();
        let pairs = self.address.chunks_exact(2);
        filters.typed.extend(pairs.filter_map(|pair| match pair {
            [start, end] => Some(format!("--address {start} {end}")),
            _ => None,
        }));
        Ok(filters)
    }

    /// The addresses, ascending, with none of them twice.
    fn addresses(&self) -> Result<Vec<Range<u64>>, UsageError> {
        let mut ranges = Vec::with_capacity(self.address.len() / 2);
        for pair in self.address.chunks_exact(2) {
            let &[start, end] = pair else { continue };
            if start >= end {
                return Err(UsageError(format!(
                    "--address {start} {end} ends before it starts"
                )));
            }
            ranges.push(start..end);
        }
        ranges.sort_by_key(|range| range.start);
        let mut joined: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match joined.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
        }
        Ok(joined)
    }
}

/// A minimum and a maximum; `take` says whether they are in order. Gives them
/// as they were typed.
fn range<T>(
    option: &str,
    typed: &Option<Vec<String>>,
    parse: impl Fn(&str) -> Result<T, String>,
    take: impl FnOnce(T, T) -> bool,
) -> Result<Option<String>, UsageError> {
    let (min, max) = match typed.as_deref() {
        None => return Ok(None),
        Some([min, max]) => (min, max),
        Some(_) => return Err(UsageError(format!("{option}: once is enough"))),
    };
    let value = |text: &str| parse(text).map_err(|error| UsageError(format!("{option}: {error}")));
    match take(value(min)?, value(max)?) {
        true => Ok(Some(format!("{option} {} {}", shown(min), shown(max)))),
        false => Err(UsageError(format!(
            "{option} {min} {max}: the minimum is above the maximum"
        ))),
    }
}

/// A word as a shell would take it.
fn shown(word: &str) -> String {
    super::request::quoted(word)
}

fn size(text: &str) -> Result<u64, String> {
    parse_size(text).map_err(|error| error.to_string())
}

/// As for schemes, but that a number is in seconds.
fn age(text: &str) -> Result<Age, String> {
    match parse_time_us(text, TimeUnit::S) {
        Ok(u64::MAX) => Ok(Age::Max),
        Ok(us) => Ok(Age::Us(us)),
        Err(_) => text.parse(),
    }
}

/// Rates of different units compare only by a record's intervals.
fn rates_ascend(min: AccessRate, max: AccessRate) -> bool {
    use AccessRate::{Hz, Max, Percent, Samples};
    match (min, max) {
        (Percent(min), Percent(max)) | (Hz(min), Hz(max)) => min <= max,
        (Samples(min), Samples(max)) => min <= max,
        (Max, max) => max == Max,
        _ => true,
    }
}

fn ages_ascend(min: Age, max: Age) -> bool {
    use Age::{Aggrs, Max, Us};
    match (min, max) {
        (Us(min), Us(max)) | (Aggrs(min), Aggrs(max)) => min <= max,
        (Max, max) => max == Max,
        _ => true,
    }
}

fn address(text: &str) -> Result<u64, String> {
    match text.strip_prefix("0x") {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16)
                .map_err(|_| format!("'{text}' is no address of 64 bits"))
        }
        Some(_) => Err(format!("'{text}' is not hexadecimal")),
        None => parse_size(text).map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: FilterArgs,
    }

    fn filters(words: &[&str]) -> Result<Filters, String> {
        let words = std::iter::once("damo").chain(words.iter().copied());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.args.filters().map_err(|error| error.to_string())
    }

    #[test]
    fn ranges_are_read_in_their_units() {
        assert!(!filters(&[]).unwrap().any());
        let all = filters(&[
            "--sz_region",
            "4K",
            "max",
            "--access_rate",
            "5",
            "10 hz",
            "--age",
            "1.5",
            "2 m",
            "--address",
            "8K",
            "0x3000",
            "--address",
            "0",
            "4096",
            "--address",
            "12288",
            "16K",
        ])
        .unwrap();
        let pattern = &all.pattern;
        assert_eq!(
            (pattern.sz_bytes.min, pattern.sz_bytes.max),
            (4096, u64::MAX)
        );
        assert_eq!(pattern.nr_accesses.min, "5 %".parse().unwrap());
        assert_eq!(pattern.nr_accesses.max, "10 hz".parse().unwrap());
        assert_eq!(
            (pattern.age.min, pattern.age.max),
            (Age::Us(1_500_000), Age::Us(120_000_000))
        );
        assert_eq!(all.addresses, [0..4096, 8192..16384]);
        assert_eq!(
            all.typed,
            [
                "--sz_region 4K max",
                "--access_rate 5 '10 hz'",
                "--age 1.5 '2 m'",
                "--address 8192 12288",
                "--address 0 4096",
                "--address 12288 16384",
            ]
        );
        let ages = filters(&["--age", "2 aggr_intervals", "max"])
            .unwrap()
            .pattern
            .age;
        assert_eq!((ages.min, ages.max), (Age::Aggrs(2), Age::Max));
    }

    #[test]
    fn what_cannot_be_right_names_its_option() {
        for (words, said) in [
            (
                &["--sz_region", "2", "1"][..],
                "--sz_region 2 1: the minimum",
            ),
            (
                &["--sz_region", "-1", "1"],
                "--sz_region: '-1' is not a size",
            ),
            (
                &["--access_rate", "7", "5"],
                "--access_rate 7 5: the minimum",
            ),
            (
                &["--access_rate", "max", "5"],
                "--access_rate max 5: the minimum",
            ),
            (&["--access_rate", "x", "5"], "--access_rate: 'x' is not"),
            (&["--age", "1m", "59"], "--age 1m 59: the minimum"),
            (&["--age", "max", "59"], "--age max 59: the minimum"),
            (&["--age", "1", "soon"], "--age: 'soon' is not"),
            (&["--age", "1", "2", "--age", "3", "4"], "--age: once"),
            (
                &["--address", "2", "1"],
                "--address 2 1 ends before it starts",
            ),
        ] {
            let error = filters(words).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
