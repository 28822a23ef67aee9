//! How the peer writes numbers into its json.

use crate::model::Intervals;
use crate::model::units::{format_number, format_size, format_time};

/// What json is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonForm {
    /// To be read again: numbers without units.
    File,
    /// The same, with access rates and times worked out where intervals are known.
    FilledFile,
    /// To be looked at, with access rates and times worked out.
    Report {
        /// Numbers without units.
        raw_number: bool,
    },
}

impl JsonForm {
    fn raw(self) -> bool {
        !matches!(self, JsonForm::Report { raw_number: false })
    }

    fn text(self, number: u64, text: impl Fn(u64) -> String) -> String {
        if self.raw() {
            number.to_string()
        } else {
            text(number)
        }
    }

    pub(super) fn number(self, number: u64) -> String {
        self.text(number, format_number)
    }

    /// An address: the peer forgets to ask.
    pub(super) fn address(self, address: u64) -> String {
        self.number(address)
    }

    pub(super) fn bytes(self, bytes: u64) -> String {
        self.text(bytes, |bytes| format_size(bytes as f64))
    }

    pub(super) fn us(self, us: u64) -> String {
        self.text(us, |us| format_time(us.saturating_mul(1000)))
    }

    pub(super) fn ns(self, ns: u64) -> String {
        self.text(ns, exact)
    }

    pub(super) fn basis_points(self, number: f64) -> String {
        if self.raw() {
            return format!("{number:.6}");
        }
        let text = format!("{:.7}", number / 100.0);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        format!("{text} %")
    }

    /// The intervals by which rates and times are worked out, if they are.
    pub(super) fn filled(self, intervals: Option<Intervals>) -> Option<Intervals> {
        intervals.filter(|_| self != JsonForm::File)
    }
}

/// A time without rounding: each unit that it has.
pub(super) fn exact(ns: u64) -> String {
    const UNITS: [(u64, &str); 7] = [
        (86_400_000_000_000, "d"),
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
        (1, "ns"),
    ];
    if ns == u64::MAX {
        return "max".to_owned();
    }
    let mut left = ns;
    let mut parts = Vec::new();
    for (unit, name) in UNITS {
        if left >= unit {
            parts.push(format!("{} {name}", format_number(left / unit)));
            left %= unit;
        }
    }
    if parts.is_empty() {
        return "0 ns".to_owned();
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_times_have_every_unit() {
        assert_eq!(exact(0), "0 ns");
        assert_eq!(exact(1_234_567_890), "1 s 234 ms 567 us 890 ns");
        assert_eq!(exact(90_061_000_000_000), "1 d 1 h 1 m 1 s");
        let far = 20_233 * 86_400_000_000_000 + 200;
        assert_eq!(exact(far), "20,233 d 200 ns");
        assert_eq!(exact(u64::MAX), "max");
    }

    #[test]
    fn only_reports_for_people_have_units() {
        let people = JsonForm::Report { raw_number: false };
        assert_eq!(people.us(150_000), "150 ms");
        assert_eq!(people.basis_points(450.0), "4.5 %");
        assert_eq!(people.bytes(4096), "4.000 KiB");
        for raw in [JsonForm::File, JsonForm::Report { raw_number: true }] {
            assert_eq!(raw.us(150_000), "150000");
            assert_eq!(raw.basis_points(450.0), "450.000000");
            assert_eq!(raw.ns(5), "5");
        }
    }
}
