//! Numbers as the peer's 3.x prints them; raw ones for programs.

use crate::model::units::{format_number, format_size, format_time};

/// A whole number, cut towards zero, with a comma before each three digits.
pub fn number(number: f64, raw: bool) -> String {
    let digits = number.abs() as u64;
    signed(number < 0.0, digits, raw)
}

/// A whole number with a comma before each three digits.
pub fn integer(number: i64, raw: bool) -> String {
    signed(number < 0, number.unsigned_abs(), raw)
}

fn signed(below_zero: bool, digits: u64, raw: bool) -> String {
    let sign = if below_zero { "-" } else { "" };
    match raw {
        true => format!("{sign}{digits}"),
        false => format!("{sign}{}", format_number(digits)),
    }
}

/// Bytes.
pub fn bytes(bytes: f64, raw: bool) -> String {
    match raw {
        true => format!("{}", bytes as u128),
        false => format_size(bytes),
    }
}

/// Nanoseconds of a difference.
pub fn ns(ns: i128, raw: bool) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let ns = u64::try_from(ns.unsigned_abs()).unwrap_or(u64::MAX);
    match raw {
        true => format!("{sign}{ns}"),
        false => format!("{sign}{}", format_time(ns)),
    }
}

/// Microseconds.
pub fn us(us: f64, raw: bool) -> String {
    let sign = if us < 0.0 { "-" } else { "" };
    let us = us.abs();
    match raw {
        true => format!("{sign}{}", us as u64),
        false => format!("{sign}{}", format_time((us * 1000.0) as u64)),
    }
}

/// Frequency without its unit: three decimals below 10, else whole.
pub fn bare_hz(hz: f64, raw: bool) -> String {
    match raw {
        true => format!("{hz:.6}"),
        false if hz < 10.0 && hz != 0.0 => format!("{hz:.3}"),
        false => number(hz, false),
    }
}

/// Frequency.
pub fn hz(hz: f64, raw: bool) -> String {
    let text = bare_hz(hz, raw);
    if raw { text } else { format!("{text} hz") }
}

/// Percent: up to seven decimals.
pub fn percent(percent: f64, raw: bool) -> String {
    if raw {
        return format!("{percent:.6}");
    }
    let text = format!("{percent:.7}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole
        .parse()
        .map_or_else(|_| whole.to_owned(), format_number);
    match rest.trim_end_matches('0') {
        "" => format!("{whole} %"),
        rest => format!("{whole}.{rest} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_cut_and_have_commas() {
        assert_eq!(number(1_234_567.9, false), "1,234,567");
        assert_eq!(number(-1234.9, false), "-1,234");
        assert_eq!(number(-0.5, false), "-0");
        assert_eq!(number(-1234.9, true), "-1234");
        assert_eq!(number(f64::NAN, false), "0");
        assert_eq!(integer(i64::MIN, true), "-9223372036854775808");
        assert_eq!(bytes(1025.0, false), "1.001 KiB");
        assert_eq!(bytes(1025.9, true), "1025");
    }

    #[test]
    fn times_have_signs_and_frequencies_decimals() {
        assert_eq!(ns(-1_500_000_000, false), "-1.500 s");
        assert_eq!(ns(-5, true), "-5");
        assert_eq!(us(309_000_010.0, false), "5 m 9.000 s");
        assert_eq!(us(309_000_010.0, true), "309000010");
        assert_eq!(hz(6.0 + 2.0 / 3.0, false), "6.667 hz");
        assert_eq!(hz(10.7, false), "10 hz");
        assert_eq!(hz(0.0, false), "0 hz");
        assert_eq!(hz(1234.0, false), "1,234 hz");
        assert_eq!(hz(200.0, true), "200.000000");
    }

    #[test]
    fn percents_have_no_zeros_behind() {
        assert_eq!(percent(100.0 / 3.0, false), "33.3333333 %");
        assert_eq!(percent(35.0, false), "35 %");
        assert_eq!(percent(0.5, false), "0.5 %");
        assert_eq!(percent(99.999_999_99, false), "100 %");
        assert_eq!(percent(35.0, true), "35.000000");
    }
}
