//! From the record's clock to the calendar.

use crate::model::Meta;

/// Nanoseconds of a day.
const DAY_NS: i64 = 86_400_000_000_000;

/// What the wall clock showed when the record's clock showed something else.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wall {
    /// To be added; `None` where the record does not tell.
    offset_ns: Option<i128>,
}

impl Wall {
    pub fn new(meta: &Meta) -> Wall {
        let known = meta.wall_ns > 0;
        Wall {
            offset_ns: known.then(|| i128::from(meta.wall_ns) - i128::from(meta.mono_ns)),
        }
    }

    /// Nanoseconds since 1970 at a time of the record's clock, if 64 bits hold them.
    pub fn at(&self, record_ns: u64) -> Option<i64> {
        let ns = i128::from(record_ns).checked_add(self.offset_ns?)?;
        i64::try_from(ns).ok()
    }
}

/// Nanoseconds since 1970 as RFC 3339 has them, in UTC.
pub(super) fn rfc3339(ns: i64) -> String {
    let (days, rest) = (ns.div_euclid(DAY_NS), ns.rem_euclid(DAY_NS));
    let (year, month, day) = date(days);
    let (seconds, fraction) = (rest / 1_000_000_000, rest % 1_000_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:09}Z")
}

/// Year, month and day of a day since 1970. Years are counted from March on, so
/// that the leap day is a year's last; 400 years always have as many days.
fn date(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097;
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year = (day - day / 1460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_the_calendars() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (-1, "1969-12-31T23:59:59.000000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000000Z"),
            (951_868_800, "2000-03-01T00:00:00.000000000Z"),
            (1_795_205_565, "2026-11-20T20:12:45.000000000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000000Z"),
        ] {
            assert_eq!(rfc3339(seconds * 1_000_000_000), text);
        }
        assert_eq!(rfc3339(1), "1970-01-01T00:00:00.000000001Z");
        assert_eq!(rfc3339(i64::MAX), "2262-04-11T23:47:16.854775807Z");
        assert_eq!(rfc3339(i64::MIN), "1677-09-21T00:12:43.145224192Z");
    }

    #[test]
    fn what_64_bits_do_not_hold_is_not_known() {
        let meta = |wall_ns, mono_ns| Meta {
            wall_ns,
            mono_ns,
            ..Meta::default()
        };
        let wall = Wall::new(&meta(1_000, 400));
        assert_eq!((wall.at(0), wall.at(500)), (Some(600), Some(1_100)));
        assert_eq!(wall.at(u64::MAX), None);
        assert_eq!(Wall::new(&meta(5, u64::MAX)).at(u64::MAX - 1), Some(4));
        assert_eq!(Wall::new(&meta(0, 0)).at(5), None);
    }
}
