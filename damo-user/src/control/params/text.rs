//! Single values as people and the peer's json write them, both ways, exactly:
//! what is formatted parses to the same number.

use crate::model::units::{TimeUnit, format_number, parse_size, parse_time_ns};

/// What `max` means.
const MAX: u64 = u64::MAX;

/// A number with commas; `None` if it is anything else or too large.
fn bare(text: &str) -> Option<u64> {
    let digits = text.replace(',', "");
    let all = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    all.then(|| digits.parse().ok()).flatten()
}

/// A count: `1,000`, `min`, `max`.
///
/// # Errors
/// What is wrong with it.
pub fn number(text: &str) -> Result<u64, String> {
    match text.trim() {
        "min" => Ok(0),
        "max" => Ok(MAX),
        text => bare(text).ok_or_else(|| format!("'{text}' is not a whole number from 0 to {MAX}")),
    }
}

/// Bytes: `4096`, `4K`, `1.5 GiB`, `0x1000`, `min`, `max`.
///
/// # Errors
/// What is wrong with it.
pub fn size(text: &str) -> Result<u64, String> {
    match text.trim().strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16)
            .map_err(|_| format!("'{text}' is not a hexadecimal number of 64 bits")),
        None => match parse_size(text).map_err(|error| error.to_string())? {
            // Cut off, it would be nothing, which DAMON takes for "no limit".
            bytes
                if bytes < 2
                    && text.contains('.')
                    && text.trim().parse::<f64>() != Ok(bytes as f64) =>
            {
                Err(format!("'{text}' is not a whole number of bytes"))
            }
            bytes => Ok(bytes),
        },
    }
}

/// Microseconds; a bare number has that unit.
///
/// # Errors
/// What is wrong with it; among that, that it is no whole number of them.
pub fn duration_us(text: &str) -> Result<u64, String> {
    duration(text, TimeUnit::Us, 1_000, "microseconds")
}

/// Milliseconds; a bare number has that unit.
///
/// # Errors
/// What is wrong with it; among that, that it is no whole number of them.
pub fn duration_ms(text: &str) -> Result<u64, String> {
    duration(text, TimeUnit::Ms, 1_000_000, "milliseconds")
}

fn duration(text: &str, unit: TimeUnit, ns: u64, name: &str) -> Result<u64, String> {
    if let Some(number) = bare(text.trim()) {
        return Ok(number);
    }
    match parse_time_ns(text, unit).map_err(|error| error.to_string())? {
        MAX => Ok(MAX),
        time if time.is_multiple_of(ns) => Ok(time / ns),
        // Cut off, it might be 0, which DAMON takes for "none".
        _ => Err(format!("'{text}' is not a whole number of {name}")),
    }
}

/// 1/1000: a bare number, or a percentage.
///
/// # Errors
/// What is wrong with it.
pub fn permil(text: &str) -> Result<u64, String> {
    share(text, 1, "0.1 %")
}

/// 1/10000: a bare number, or a percentage.
///
/// # Errors
/// What is wrong with it.
pub fn ten_thousandths(text: &str) -> Result<u64, String> {
    share(text, 2, "0.01 %")
}

fn share(text: &str, decimals: usize, step: &str) -> Result<u64, String> {
    let Some(percent) = text.trim().strip_suffix('%') else {
        // The peer's raw form has decimals, which are 0.
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let exact = decimals.bytes().all(|digit| digit == b'0');
        return number(if exact { whole } else { text });
    };
    let bad = || format!("'{text}' is not a percentage in steps of {step}");
    let (whole, fraction) = percent
        .trim()
        .split_once('.')
        .unwrap_or((percent.trim(), ""));
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > decimals || whole.is_empty() {
        return Err(bad());
    }
    bare(&format!("{whole}{fraction:0<decimals$}")).ok_or_else(bad)
}

/// [`number`]'s form.
pub(in crate::control) fn of_number(number: u64) -> String {
    if number == MAX {
        "max".to_owned()
    } else {
        format_number(number)
    }
}

/// [`size`]'s form: in the largest unit that divides it.
pub(in crate::control) fn of_size(bytes: u64) -> String {
    if bytes == MAX {
        return "max".to_owned();
    }
    let units = [
        (50, "PiB"),
        (40, "TiB"),
        (30, "GiB"),
        (20, "MiB"),
        (10, "KiB"),
    ];
    let unit = units
        .iter()
        .find(|(shift, _)| bytes != 0 && bytes.is_multiple_of(1 << shift));
    match unit {
        Some((shift, unit)) => format!("{} {unit}", format_number(bytes >> shift)),
        None => format!("{} B", format_number(bytes)),
    }
}

/// [`duration_us`]'s form: every unit that is needed.
pub(in crate::control) fn of_us(us: u64) -> String {
    in_units(
        us,
        1_000,
        &[
            (86_400_000_000, "d"),
            (3_600_000_000, "h"),
            (60_000_000, "m"),
            (1_000_000, "s"),
            (1_000, "ms"),
            (1, "us"),
        ],
    )
}

/// [`duration_ms`]'s form: every unit that is needed.
pub(in crate::control) fn of_ms(ms: u64) -> String {
    in_units(
        ms,
        1_000_000,
        &[
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "m"),
            (1_000, "s"),
            (1, "ms"),
        ],
    )
}

fn in_units(mut time: u64, ns: u64, units: &[(u64, &str)]) -> String {
    if time == MAX {
        return "max".to_owned();
    }
    if time > MAX / ns {
        // Its nanoseconds would not fit; a bare number is in its own unit.
        return format_number(time);
    }
    let mut parts = Vec::new();
    for (unit, name) in units {
        if time >= *unit {
            parts.push(format!("{} {name}", time / unit));
            time %= unit;
        }
    }
    match (parts.is_empty(), units.last()) {
        (true, Some((_, name))) => format!("0 {name}"),
        _ => parts.join(" "),
    }
}

/// [`permil`]'s form.
pub(in crate::control) fn of_permil(permil: u64) -> String {
    of_share(permil, 10, 1)
}

/// [`ten_thousandths`]' form.
pub(in crate::control) fn of_bp(bp: u64) -> String {
    of_share(bp, 100, 2)
}

fn of_share(value: u64, per_percent: u64, decimals: usize) -> String {
    let (whole, rest) = (value / per_percent, value % per_percent);
    if rest == 0 {
        return format!("{whole} %");
    }
    let rest = format!("{rest:0decimals$}");
    format!("{whole}.{} %", rest.trim_end_matches('0'))
}
