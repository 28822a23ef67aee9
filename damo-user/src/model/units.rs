//! Sizes, times and numbers as people write them.
//!
//! Sizes are binary whatever the spelling (`K`, `KB` and `KiB` are 1024 bytes)
//! and case matters. Parsing is exact: no value passes through a float.

/// Why a text is not a size or a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not of a size's form.
    #[error(
        "'{0}' is not a size: give a number with B, K, KB, KiB, M, G, T, P or E (binary, case matters), min or max, for example 4K or '1.5 GiB'"
    )]
    Size(String),
    /// Not of a time's form.
    #[error(
        "'{0}' is not a time: give numbers with ns, us, ms, s, m, h or d, min or max, for example 5ms or '1 m 30 s'"
    )]
    Time(String),
    /// More than 64 bits hold.
    #[error("'{0}' is too large: at most {max} fits, for which 'max' can be written", max = u64::MAX)]
    TooLarge(String),
}

/// The unit that a bare number of a time has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Nanoseconds.
    Ns,
    /// Microseconds.
    Us,
    /// Milliseconds.
    Ms,
    /// Seconds.
    S,
}

impl TimeUnit {
    fn ns(self) -> u64 {
        match self {
            TimeUnit::Ns => 1,
            TimeUnit::Us => 1_000,
            TimeUnit::Ms => 1_000_000,
            TimeUnit::S => SECOND,
        }
    }
}

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// A non-negative decimal number, `digits / 10^scale`.
struct Decimal {
    digits: u128,
    scale: u32,
}

/// Powers of ten that a number's fraction may have; `u128` holds them times any unit.
const MAX_SCALE: u32 = 18;

impl Decimal {
    /// Digits with optional thousands commas and one point; `None` if anything else.
    fn parse(text: &str) -> Option<Decimal> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let mut digits = 0u128;
        let mut any = false;
        for byte in whole.bytes().filter(|b| *b != b',').chain(fraction.bytes()) {
            if !byte.is_ascii_digit() {
                return None;
            }
            any = true;
            digits = digits
                .checked_mul(10)?
                .checked_add(u128::from(byte - b'0'))?;
        }
        let scale = u32::try_from(fraction.len()).ok()?;
        (any && scale <= MAX_SCALE).then_some(Decimal { digits, scale })
    }

    /// The number times `unit`, with what is smaller than one cut off.
    fn times(&self, unit: u64) -> Option<u128> {
        Some(self.digits.checked_mul(u128::from(unit))? / 10u128.pow(self.scale))
    }
}

/// `min` and `max`, which every unit has.
fn extreme(text: &str) -> Option<u64> {
    match text {
        "min" => Some(0),
        "max" => Some(u64::MAX),
        _ => None,
    }
}

/// Splits off a number's unit: the letters at its end.
fn split_unit(text: &str) -> (&str, &str) {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    (digits.trim_end(), text.get(digits.len()..).unwrap_or(""))
}

/// Parses a size to bytes: `4K`, `4 KiB`, `1,024`, `1.5G`, `min`, `max`. A
/// fraction of a byte is cut off.
///
/// # Errors
/// Not a size, or more than 64 bits.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let malformed = || UnitError::Size(text.to_owned());
    if let Some(value) = extreme(text.trim()) {
        return Ok(value);
    }
    let (number, unit) = split_unit(text.trim());
    let shift = match unit {
        "" | "B" => 0,
        "K" | "KB" | "KiB" => 10,
        "M" | "MB" | "MiB" => 20,
        "G" | "GB" | "GiB" => 30,
        "T" | "TB" | "TiB" => 40,
        "P" | "PB" | "PiB" => 50,
        "E" | "EB" | "EiB" => 60,
        _ => return Err(malformed()),
    };
    let bytes = Decimal::parse(number)
        .ok_or_else(malformed)?
        .times(1 << shift);
    bytes
        .and_then(|b| u64::try_from(b).ok())
        .ok_or_else(|| UnitError::TooLarge(text.to_owned()))
}

/// Parses a time to nanoseconds: `5ms`, `1 m 30 s`, `0.1s`, `min`, `max`; a
/// bare number has the unit `default`. What is below a nanosecond is cut off.
///
/// # Errors
/// Not a time, or more than 64 bits.
pub fn parse_time_ns(text: &str, default: TimeUnit) -> Result<u64, UnitError> {
    let malformed = || UnitError::Time(text.to_owned());
    let too_large = || UnitError::TooLarge(text.to_owned());
    let mut rest = text.trim();
    if let Some(value) = extreme(rest) {
        return Ok(value);
    }
    if let Some(number) = Decimal::parse(rest) {
        let ns = number.times(default.ns());
        return ns
            .and_then(|ns| u64::try_from(ns).ok())
            .ok_or_else(too_large);
    }
    if rest.is_empty() {
        return Err(malformed());
    }
    let mut total = 0u64;
    while !rest.is_empty() {
        let unit_at = rest
            .find(|c: char| c.is_ascii_alphabetic())
            .ok_or_else(malformed)?;
        let (number, tail) = rest.split_at(unit_at);
        let unit_len = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let unit = match unit {
            "ns" => 1,
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => SECOND,
            "m" => MINUTE,
            "h" => HOUR,
            "d" => 24 * HOUR,
            _ => return Err(malformed()),
        };
        let part = Decimal::parse(number.trim())
            .ok_or_else(malformed)?
            .times(unit);
        let part = part
            .and_then(|p| u64::try_from(p).ok())
            .ok_or_else(too_large)?;
        total = total.checked_add(part).ok_or_else(too_large)?;
        rest = tail.trim_start();
    }
    Ok(total)
}

/// As [`parse_time_ns`], to microseconds; `max` stays the largest number.
///
/// # Errors
/// Not a time, or more than 64 bits.
pub fn parse_time_us(text: &str, default: TimeUnit) -> Result<u64, UnitError> {
    match parse_time_ns(text, default) {
        Ok(u64::MAX) => Ok(u64::MAX),
        Ok(ns) => Ok(ns / 1_000),
        // A bare number of microseconds may fit where its nanoseconds do not.
        Err(UnitError::TooLarge(_)) if default == TimeUnit::Us => Decimal::parse(text.trim())
            .and_then(|number| number.times(1))
            .and_then(|us| u64::try_from(us).ok())
            .ok_or_else(|| UnitError::TooLarge(text.to_owned())),
        Err(error) => Err(error),
    }
}

/// Size for people: the largest unit that the size is strictly greater than,
/// with three decimals; up to 1024 bytes are whole `B`.
pub fn format_size(bytes: f64) -> String {
    scaled_size(bytes, 3)
}

/// [`format_size`] with six decimals, for addresses.
pub fn format_size_accurate(bytes: f64) -> String {
    scaled_size(bytes, 6)
}

fn scaled_size(bytes: f64, decimals: usize) -> String {
    const UNITS: [(u32, &str); 6] = [
        (60, "EiB"),
        (50, "PiB"),
        (40, "TiB"),
        (30, "GiB"),
        (20, "MiB"),
        (10, "KiB"),
    ];
    // As a float the largest number is 2^64.
    if bytes >= u64::MAX as f64 {
        return "max".to_owned();
    }
    for (shift, unit) in UNITS {
        let one = (1u64 << shift) as f64;
        if bytes > one {
            return format!("{:.decimals$} {unit}", bytes / one);
        }
    }
    format!("{} B", bytes as u64)
}

/// Time for people: hours, minutes and seconds, or the largest smaller unit;
/// three decimals unless it divides evenly.
pub fn format_time(ns: u64) -> String {
    // The form is defined on floats, which matters beyond 2^53 ns (104 days).
    let as_float = ns as f64;
    if as_float >= u64::MAX as f64 {
        return "max".to_owned();
    }
    let mut ns = as_float as u64;
    if ns == 0 {
        return "0 ns".to_owned();
    }
    let mut parts = Vec::with_capacity(3);
    if ns >= HOUR {
        parts.push(format!("{} h", ns / HOUR));
        ns %= HOUR;
    }
    if ns >= MINUTE {
        parts.push(format!("{} m", ns / MINUTE));
        ns %= MINUTE;
        // Beside minutes, the rest is in seconds however small.
        if ns > 0 {
            parts.push(in_unit(ns, SECOND, "s"));
        }
    } else if ns > 0 {
        parts.push(match ns {
            SECOND.. => in_unit(ns, SECOND, "s"),
            1_000_000.. => in_unit(ns, 1_000_000, "ms"),
            1_000.. => in_unit(ns, 1_000, "us"),
            _ => format!("{ns} ns"),
        });
    }
    parts.join(" ")
}

fn in_unit(ns: u64, unit: u64, name: &str) -> String {
    if ns.is_multiple_of(unit) {
        format!("{} {name}", ns / unit)
    } else {
        format!("{:.3} {name}", ns as f64 / unit as f64)
    }
}

/// A whole number with a comma before each three digits.
pub fn format_number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
