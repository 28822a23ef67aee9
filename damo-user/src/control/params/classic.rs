//! Schemes in the classic text form, one in a line.

use super::{AccessRate, Age, Decimal, Scheme, WatermarkMetric, text};

/// A line that is no scheme.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClassicError {
    /// Not a number of fields that the form has.
    #[error(
        "line {line}: {found} fields; a scheme has 7 (min-size max-size min-freq max-freq min-age max-age action), 9 (size quota, reset interval), 12 (three weights), 17 (five watermark fields), or 18 with a time quota before the size quota"
    )]
    Fields {
        /// Counted from 1.
        line: usize,
        /// How many.
        found: usize,
    },
    /// A field that cannot be.
    #[error("line {line}: {field} '{value}': {message}")]
    Field {
        /// Counted from 1.
        line: usize,
        /// Its name.
        field: &'static str,
        /// What stands there.
        value: String,
        /// What is wrong.
        message: String,
    },
    /// Only comments.
    #[error("there is no scheme in it")]
    Empty,
}

/// Reads schemes, one in a line of 7, 9, 12, 17 or 18 fields; lines that begin
/// with `#`, and blank ones, are left out. All limits belong to the ranges; 0
/// is 0, and `max` is no limit.
///
/// # Errors
/// The first line that is none.
pub fn parse_classic(text: &str) -> Result<Vec<Scheme>, ClassicError> {
    let mut schemes = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            schemes.push(parse_line(number, line)?);
        }
    }
    if schemes.is_empty() {
        Err(ClassicError::Empty)
    } else {
        Ok(schemes)
    }
}

/// The fields that are left of a line.
struct Fields<'l> {
    line: usize,
    words: std::vec::IntoIter<&'l str>,
    count: usize,
}

impl Fields<'_> {
    fn next<T>(
        &mut self,
        field: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, ClassicError> {
        let (line, found) = (self.line, self.count);
        let word = self
            .words
            .next()
            .ok_or(ClassicError::Fields { line, found })?;
        parse(word).map_err(|message| self.wrong(field, word, message))
    }

    fn wrong(&self, field: &'static str, value: &str, message: String) -> ClassicError {
        ClassicError::Field {
            line: self.line,
            field,
            value: value.to_owned(),
            message,
        }
    }

    /// A minimum and its maximum.
    fn range<T: Copy>(
        &mut self,
        [min_name, max_name]: [&'static str; 2],
        parse: impl Fn(&str) -> Result<T, String>,
        above: impl Fn(T, T) -> bool,
    ) -> Result<(T, T), ClassicError> {
        let words: Vec<&str> = self.words.as_slice().iter().take(2).copied().collect();
        let (min, max) = (self.next(min_name, &parse)?, self.next(max_name, &parse)?);
        if above(min, max) {
            let message = format!("is above {max_name} '{}'", words.get(1).unwrap_or(&""));
            return Err(self.wrong(min_name, words.first().unwrap_or(&""), message));
        }
        Ok((min, max))
    }
}

fn parse_line(line: usize, text: &str) -> Result<Scheme, ClassicError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let count = words.len();
    if ![7, 9, 12, 17, 18].contains(&count) {
        return Err(ClassicError::Fields { line, found: count });
    }
    let mut fields = Fields {
        line,
        words: words.into_iter(),
        count,
    };
    let mut scheme = Scheme::default();
    let pattern = &mut scheme.access_pattern;
    let range = fields.range(["min-size", "max-size"], text::size, |min, max| min > max)?;
    (pattern.sz_bytes.min, pattern.sz_bytes.max) = range;
    let range = fields.range(["min-freq", "max-freq"], frequency, |min, max| min > max)?;
    pattern.nr_accesses.min = AccessRate::Percent(range.0);
    pattern.nr_accesses.max = AccessRate::Percent(range.1);
    let range = fields.range(["min-age", "max-age"], text::duration_us, |min, max| {
        min > max
    })?;
    let age = |us| {
        if us == u64::MAX {
            Age::Max
        } else {
            Age::Us(us)
        }
    };
    (pattern.age.min, pattern.age.max) = (age(range.0), age(range.1));
    scheme.action = fields.next("action", |word| word.to_lowercase().parse())?;
    let quotas = &mut scheme.quotas;
    if count == 18 {
        quotas.time_ms = fields.next("time-quota", text::duration_ms)?;
    }
    if count >= 9 {
        quotas.sz_bytes = fields.next("size-quota", text::size)?;
        quotas.reset_interval_ms = fields.next("reset-interval", text::duration_ms)?;
    }
    if count >= 12 {
        quotas.weights.sz_permil = fields.next("size-weight", text::permil)?;
        quotas.weights.nr_accesses_permil = fields.next("freq-weight", text::permil)?;
        quotas.weights.age_permil = fields.next("age-weight", text::permil)?;
    }
    if count >= 17 {
        let marks = &mut scheme.watermarks;
        marks.metric = fields.next("watermark-metric", str::parse::<WatermarkMetric>)?;
        marks.interval_us = fields.next("watermark-interval", text::duration_us)?;
        marks.high_permil = fields.next("high-watermark", text::permil)?;
        marks.mid_permil = fields.next("mid-watermark", text::permil)?;
        marks.low_permil = fields.next("low-watermark", text::permil)?;
    }
    Ok(scheme)
}

/// A percentage; `max` is 100 of them, which every aggregation's checks can reach.
fn frequency(word: &str) -> Result<Decimal, String> {
    let percent = match word {
        "max" => Decimal::whole(100),
        word => match word.parse()? {
            AccessRate::Percent(percent) => Some(percent),
            _ => None,
        },
    };
    percent
        .filter(|percent| Decimal::whole(100).is_some_and(|most| *percent <= most))
        .ok_or_else(|| "must be a percentage from 0 to 100, min or max".to_owned())
}
