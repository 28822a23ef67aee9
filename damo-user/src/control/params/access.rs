//! Which regions a scheme is about: sizes, access rates and ages, in the units
//! they were given in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use super::{form, text};
use crate::model::Intervals;
use crate::model::units::format_number;

/// What DAMON's files take for no limit: they are 64 bits wide, and cut to 32.
pub(super) const NO_LIMIT: u64 = u32::MAX as u64;

/// A number with up to seven decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(u64);

impl Decimal {
    const ONE: u64 = 10_000_000;
    const DECIMALS: usize = 7;

    /// A whole number; `None` if it is too large.
    pub fn whole(number: u64) -> Option<Decimal> {
        number.checked_mul(Decimal::ONE).map(Decimal)
    }

    fn parse(text: &str) -> Option<Decimal> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let fraction = fraction.trim_end_matches('0');
        let digits = format!("{}{fraction:0<7}", whole.replace(',', ""));
        let good = !whole.is_empty()
            && fraction.len() <= Decimal::DECIMALS
            && digits.bytes().all(|b| b.is_ascii_digit());
        good.then(|| digits.parse().ok().map(Decimal)).flatten()
    }

    /// This many of `per`, as a fraction: numerator and denominator.
    fn of(self, per: u64) -> (u128, u128) {
        (
            u128::from(self.0) * u128::from(per),
            u128::from(Decimal::ONE),
        )
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / Decimal::ONE, self.0 % Decimal::ONE);
        f.write_str(&format_number(whole))?;
        if rest == 0 {
            return Ok(());
        }
        let rest = format!("{rest:07}");
        write!(f, ".{}", rest.trim_end_matches('0'))
    }
}

/// How often a region is seen to be accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessRate {
    /// Of an aggregation's checks, in percent.
    Percent(Decimal),
    /// Checks of an aggregation: DAMON's own unit.
    Samples(u64),
    /// Checks per second that found an access.
    Hz(Decimal),
    /// No limit.
    Max,
}

impl Default for AccessRate {
    fn default() -> AccessRate {
        AccessRate::Samples(0)
    }
}

/// For how long a region has been accessed like that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Microseconds.
    Us(u64),
    /// Aggregation intervals: DAMON's own unit.
    Aggrs(u64),
    /// No limit.
    Max,
}

impl Default for Age {
    fn default() -> Age {
        Age::Aggrs(0)
    }
}

impl FromStr for AccessRate {
    type Err = String;

    /// `5 %`, `5` (percent), `3 samples`, `12.5 hz`, `min`, `max`.
    fn from_str(text: &str) -> Result<AccessRate, String> {
        let bad = || {
            format!(
                "'{text}' is not an access rate: give a percentage, '3 samples', '10 hz', min or max"
            )
        };
        let text = text.trim();
        let (number, unit) = split(text);
        if number == UNLIMITED {
            // How the peer prints a maximum.
            return Ok(AccessRate::Max);
        }
        let decimal = || Decimal::parse(number).ok_or_else(bad);
        match (text, unit) {
            ("max", _) => Ok(AccessRate::Max),
            ("min", _) => Ok(AccessRate::Percent(Decimal(0))),
            (_, "" | "%" | "percent") => decimal().map(AccessRate::Percent),
            (_, "hz") => decimal().map(AccessRate::Hz),
            (_, "samples") => text::number(number).map(AccessRate::Samples),
            _ => Err(bad()),
        }
    }
}

impl FromStr for Age {
    type Err = String;

    /// `5 s`, `5000` (microseconds), `2 aggr_intervals`, `min`, `max`.
    fn from_str(text: &str) -> Result<Age, String> {
        let text = text.trim();
        match split(text) {
            (number, "aggr_intervals") if number != UNLIMITED => {
                text::number(number).map(Age::Aggrs)
            }
            (_, "aggr_intervals") => Ok(Age::Max),
            _ if text == "max" || text == UNLIMITED || text == UNLIMITED_RAW => Ok(Age::Max),
            _ => text::duration_us(text)
                .map(Age::Us)
                .map_err(|error| format!("{error}; '2 aggr_intervals' and max are ages, too")),
        }
    }
}

/// The peer's maximum, in two spellings.
const UNLIMITED: &str = "18,446,744,073,709,551,615";
const UNLIMITED_RAW: &str = "18446744073709551615000";

/// A number and its unit.
fn split(text: &str) -> (&str, &str) {
    let at = text
        .find(|c: char| c.is_ascii_alphabetic() || c == '%')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let number = number.trim();
    let raw = number == "18446744073709551615" || number == UNLIMITED_RAW;
    (if raw { UNLIMITED } else { number }, unit)
}

impl fmt::Display for AccessRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccessRate::Percent(percent) => write!(f, "{percent} %"),
            AccessRate::Samples(samples) => write!(f, "{} samples", format_number(*samples)),
            AccessRate::Hz(hz) => write!(f, "{hz} hz"),
            AccessRate::Max => f.write_str("max"),
        }
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Age::Us(us) => f.write_str(&text::of_us(*us)),
            Age::Aggrs(aggrs) => write!(f, "{} aggr_intervals", format_number(*aggrs)),
            Age::Max => f.write_str("max"),
        }
    }
}

impl<'de> Deserialize<'de> for AccessRate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<AccessRate, D::Error> {
        // A number without a unit is a percentage, as in the peer's json.
        let number = |number| match number {
            u64::MAX => Some(AccessRate::Max),
            number => Decimal::whole(number).map(AccessRate::Percent),
        };
        form::value(from, "an access rate", number, &|text| text.parse())
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Age, D::Error> {
        let number = |number| match number {
            u64::MAX => Some(Age::Max),
            number => Some(Age::Us(number)),
        };
        form::value(from, "an age", number, &|text| text.parse())
    }
}

/// A minimum and a maximum, both belonging to the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Samples {
    /// The least.
    pub min: u64,
    /// The most.
    pub max: u64,
}

/// Access rates and ages DAMON counts in whole samples and whole aggregation
/// intervals; in this range there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoWholeNumber;

/// Which regions a scheme is about; all limits belong to the ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessPattern {
    /// Sizes, in bytes.
    pub sz_bytes: SizeRange,
    /// Access rates.
    pub nr_accesses: RateRange,
    /// Ages.
    pub age: AgeRange,
}

/// Sizes from `min` to `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SizeRange {
    /// Bytes.
    #[serde(deserialize_with = "form::bytes")]
    pub min: u64,
    /// Bytes.
    #[serde(deserialize_with = "form::bytes")]
    pub max: u64,
}

/// Access rates from `min` to `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateRange {
    /// The least.
    pub min: AccessRate,
    /// The most.
    pub max: AccessRate,
}

/// Ages from `min` to `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgeRange {
    /// The least.
    pub min: Age,
    /// The most.
    pub max: Age,
}

impl Default for SizeRange {
    fn default() -> SizeRange {
        SizeRange {
            min: 0,
            max: u64::MAX,
        }
    }
}

impl Default for RateRange {
    fn default() -> RateRange {
        RateRange {
            min: AccessRate::default(),
            max: AccessRate::Max,
        }
    }
}

impl Default for AgeRange {
    fn default() -> AgeRange {
        AgeRange {
            min: Age::default(),
            max: Age::Max,
        }
    }
}

impl Default for AccessPattern {
    /// Every region. (DAMON's own files match none.)
    fn default() -> AccessPattern {
        AccessPattern {
            sz_bytes: SizeRange::default(),
            nr_accesses: RateRange::default(),
            age: AgeRange::default(),
        }
    }
}

/// A limit as a fraction of DAMON's unit; `None` for no limit.
type Limit = Option<(u128, u128)>;

impl RateRange {
    /// The range in samples of an aggregation.
    ///
    /// # Errors
    /// No whole number of samples lies in it.
    pub fn samples(&self, intervals: &Intervals) -> Result<Samples, NoWholeNumber> {
        whole(self.min.limit(intervals), self.max.limit(intervals))
    }
}

impl AccessRate {
    fn limit(self, intervals: &Intervals) -> Limit {
        let (sample, aggr) = (u128::from(intervals.sample_us.max(1)), intervals.aggr_us);
        match self {
            AccessRate::Max => None,
            AccessRate::Samples(samples) => Some((u128::from(samples), 1)),
            AccessRate::Percent(percent) => {
                let (part, whole) = percent.of(aggr);
                Some((part, whole * 100 * sample))
            }
            AccessRate::Hz(hz) => {
                let (part, whole) = hz.of(aggr);
                Some((part, whole * 1_000_000))
            }
        }
    }

    /// What a file of DAMON's says, in samples.
    pub(in crate::control) fn of_file(samples: u64) -> AccessRate {
        match samples {
            NO_LIMIT | u64::MAX => AccessRate::Max,
            samples => AccessRate::Samples(samples),
        }
    }
}

impl AgeRange {
    /// The range in aggregation intervals.
    ///
    /// # Errors
    /// No whole number of intervals lies in it.
    pub fn aggrs(&self, intervals: &Intervals) -> Result<Samples, NoWholeNumber> {
        whole(self.min.limit(intervals), self.max.limit(intervals))
    }
}

impl Age {
    fn limit(self, intervals: &Intervals) -> Limit {
        match self {
            Age::Max => None,
            Age::Aggrs(aggrs) => Some((u128::from(aggrs), 1)),
            Age::Us(us) => Some((u128::from(us), u128::from(intervals.aggr_us.max(1)))),
        }
    }

    /// What a file of DAMON's says, in aggregation intervals.
    pub(in crate::control) fn of_file(aggrs: u64) -> Age {
        match aggrs {
            NO_LIMIT | u64::MAX => Age::Max,
            aggrs => Age::Aggrs(aggrs),
        }
    }
}

/// The whole numbers in a range: nothing is matched that was not meant, so that
/// "at least 1 %" never becomes "at least 0".
fn whole(min: Limit, max: Limit) -> Result<Samples, NoWholeNumber> {
    let narrow = |value: u128| u64::try_from(value).unwrap_or(u64::MAX);
    let lowest = min.map_or(NO_LIMIT, |(part, whole)| narrow(part.div_ceil(whole)));
    let highest = max.map_or(NO_LIMIT, |(part, whole)| narrow(part / whole));
    let exact = |limit: Limit| limit.is_none_or(|(part, whole)| part % whole == 0);
    if lowest > highest && !(exact(min) && exact(max)) {
        return Err(NoWholeNumber);
    }
    Ok(Samples {
        min: lowest,
        max: highest,
    })
}

impl AccessPattern {
    /// What DAMON's files are to say; of a resolved pattern.
    pub(in crate::control) fn files(&self) -> [(&'static str, u64); 6] {
        let samples = |rate| match rate {
            AccessRate::Samples(samples) => samples,
            _ => NO_LIMIT,
        };
        let aggrs = |age| match age {
            Age::Aggrs(aggrs) => aggrs,
            _ => NO_LIMIT,
        };
        [
            ("sz/min", self.sz_bytes.min),
            ("sz/max", self.sz_bytes.max),
            ("nr_accesses/min", samples(self.nr_accesses.min)),
            ("nr_accesses/max", samples(self.nr_accesses.max)),
            ("age/min", aggrs(self.age.min)),
            ("age/max", aggrs(self.age.max)),
        ]
    }
}
