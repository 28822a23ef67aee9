//! A parameter's value: text of users' and the kernel's, and back.

use super::table::Unit;
use crate::model::units::{
    TimeUnit, UnitError, format_number, format_size, format_time, parse_size, parse_time_ns,
};

/// Why a text is not a value of a parameter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not a size or time.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// A part of the smallest step would be lost; a limit could become none.
    #[error("'{0}' is not a whole number of {1}")]
    NotWhole(String, &'static str),
    /// Not a switch.
    #[error("'{0}' is neither Y nor N")]
    Bool(String),
    /// Not a number.
    #[error("'{0}' is not a number: give {1}")]
    Number(String, &'static str),
}

/// Parses what a user typed. Booleans become 0 and 1.
///
/// # Errors
/// The text is not of the unit, or not a whole number of it.
pub fn parse(unit: Unit, text: &str) -> Result<u64, ValueError> {
    let text = text.trim();
    // A plain number needs no conversion, however large.
    if unit != Unit::Bool
        && let Ok(number) = text.parse()
    {
        return Ok(number);
    }
    match unit {
        Unit::Bool => match text.to_ascii_lowercase().as_str() {
            "y" | "yes" | "1" | "on" | "true" => Ok(1),
            "n" | "no" | "0" | "off" | "false" => Ok(0),
            _ => Err(ValueError::Bool(text.to_owned())),
        },
        Unit::Us => time(text, TimeUnit::Us, 1_000, "microseconds"),
        Unit::Ms => time(text, TimeUnit::Ms, 1_000_000, "milliseconds"),
        Unit::Address if text.starts_with("0x") => {
            let digits = text.trim_start_matches("0x");
            u64::from_str_radix(digits, 16).map_err(|_| {
                ValueError::Number(
                    text.to_owned(),
                    "an address, as 4294967296, 0x100000000 or 4G",
                )
            })
        }
        Unit::Bytes | Unit::Address => Ok(parse_size(text)?),
        Unit::Permil => ratio(text, 1, "permil, or a percentage, as 500 or 50%"),
        Unit::Bp => ratio(
            text,
            2,
            "hundredths of a percent, or a percentage, as 400 or 4%",
        ),
        Unit::Count | Unit::Pid | Unit::Bandwidth | Unit::IdlePercentiles => match text {
            "max" => Ok(u64::MAX),
            _ => Err(ValueError::Number(
                text.to_owned(),
                "a whole number, as 1000",
            )),
        },
    }
}

fn time(text: &str, bare: TimeUnit, ns: u64, name: &'static str) -> Result<u64, ValueError> {
    match parse_time_ns(text, bare)? {
        u64::MAX => Ok(u64::MAX),
        time if time % ns == 0 => Ok(time / ns),
        _ => Err(ValueError::NotWhole(text.to_owned(), name)),
    }
}

/// `P%`, of which there are 10^`digits` steps in a percent.
fn ratio(text: &str, digits: usize, form: &'static str) -> Result<u64, ValueError> {
    let malformed = || ValueError::Number(text.to_owned(), form);
    let number = text.strip_suffix('%').ok_or_else(malformed)?.trim_end();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.trim_end_matches('0');
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return Err(malformed());
    }
    if fraction.len() > digits {
        let name = if digits == 1 {
            "permil"
        } else {
            "basis points"
        };
        return Err(ValueError::NotWhole(text.to_owned(), name));
    }
    format!("{whole}{fraction:0<digits$}")
        .parse()
        .map_err(|_| malformed())
}

/// The kernel's spelling of a value.
pub fn kernel_text(unit: Unit, value: u64) -> String {
    match (unit, value) {
        (Unit::Bool, 0) => "N".to_owned(),
        (Unit::Bool, _) => "Y".to_owned(),
        (_, value) => value.to_string(),
    }
}

/// A value that the kernel wrote; `None` for what is no single number.
pub fn from_kernel(unit: Unit, text: &str) -> Option<u64> {
    match (unit, text.trim()) {
        (Unit::Bool, "Y" | "1") => Some(1),
        (Unit::Bool, "N" | "0") => Some(0),
        (Unit::Bool, _) => None,
        (_, text) => text.parse().ok(),
    }
}

/// The kernel's text for people; what cannot be understood stays as it is.
pub fn for_people(unit: Unit, text: &str) -> String {
    let Some(value) = from_kernel(unit, text) else {
        return match (unit, text.trim()) {
            (Unit::Pid, "-1") => "none".to_owned(),
            (_, text) => text.to_owned(),
        };
    };
    let time = |ns: u64| match value.checked_mul(ns) {
        Some(ns) => format_time(ns),
        None if value == u64::MAX => "max".to_owned(),
        None => format!("{} s", format_number(value / (1_000_000_000 / ns))),
    };
    match unit {
        Unit::Bool | Unit::Pid | Unit::IdlePercentiles => text.trim().to_owned(),
        Unit::Us => time(1_000),
        Unit::Ms => time(1_000_000),
        Unit::Bytes => format_size(value as f64),
        Unit::Bandwidth => format!("{} per second", format_size(value as f64)),
        Unit::Address => format!("{value:#x}"),
        Unit::Permil => percent(value, 10),
        Unit::Bp => percent(value, 100),
        Unit::Count => format_number(value),
    }
}

fn percent(value: u64, steps: u64) -> String {
    let (whole, rest) = (value / steps, value % steps);
    if rest == 0 {
        return format!("{whole} %");
    }
    let width = if steps == 10 { 1 } else { 2 };
    let rest = format!("{rest:0width$}");
    format!("{whole}.{} %", rest.trim_end_matches('0'))
}

/// DAMON_STAT's idle times: how long ago each percent of the memory was last
/// accessed, in milliseconds; negative: accessed, for so long. `None` if the
/// text is not a list of numbers.
pub fn idle_percentiles(text: &str) -> Option<Vec<i64>> {
    text.trim()
        .split(',')
        .map(|number| number.trim().parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_users_become_the_kernels() {
        for (unit, text, value) in [
            (Unit::Us, "30s", 30_000_000),
            (Unit::Us, "30000000", 30_000_000),
            (Unit::Us, "18446744073709551615", u64::MAX),
            (Unit::Ms, "1 s", 1000),
            (Unit::Ms, "max", u64::MAX),
            (Unit::Bytes, "1G", 1 << 30),
            (Unit::Permil, "50%", 500),
            (Unit::Permil, "12.5 %", 125),
            (Unit::Permil, "500", 500),
            (Unit::Bp, "4%", 400),
            (Unit::Bp, "0.04%", 4),
            (Unit::Bool, "yes", 1),
            (Unit::Bool, "N", 0),
            (Unit::Address, "0x1000", 4096),
            (Unit::Address, "4K", 4096),
            (Unit::Count, "1000", 1000),
        ] {
            assert_eq!(parse(unit, text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_would_be_rounded_is_refused() {
        for (unit, text) in [
            (Unit::Ms, "500us"),
            (Unit::Us, "1ns"),
            (Unit::Permil, "0.05%"),
            (Unit::Bp, "0.001%"),
        ] {
            let error = parse(unit, text).unwrap_err().to_string();
            assert!(error.contains("is not a whole number of"), "{error}");
        }
        for (unit, text) in [
            (Unit::Bool, "2"),
            (Unit::Count, "ten"),
            (Unit::Permil, "x%"),
            (Unit::Bytes, "-1"),
            (Unit::Address, "0xg"),
            (Unit::Us, ""),
        ] {
            assert!(parse(unit, text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_of_the_kernel_are_shown_with_units() {
        for (unit, text, shown) in [
            (Unit::Us, "120000000", "2 m"),
            (Unit::Us, "18446744073709551615", "max"),
            (Unit::Ms, "10", "10 ms"),
            (Unit::Bytes, "134217728", "128.000 MiB"),
            (Unit::Permil, "500", "50 %"),
            (Unit::Permil, "125", "12.5 %"),
            (Unit::Bp, "4", "0.04 %"),
            (Unit::Pid, "-1", "none"),
            (Unit::Pid, "812", "812"),
            (Unit::Bandwidth, "2048", "2.000 KiB per second"),
            (Unit::Address, "4096", "0x1000"),
            (Unit::Count, "odd", "odd"),
        ] {
            assert_eq!(for_people(unit, text), shown);
        }
    }
}
