//! One line of a tracer's text.
//!
//! perf: `comm pid [cpu] SECONDS: damon:damon_aggregated: FIELDS`; trace-cmd and
//! tracefs: `comm-pid [cpu] flags SECONDS: damon_aggregated: FIELDS`, flags not
//! always, or CPU and flags in one word; damo 3: `kdamond.x xxxx xxxx SECONDS: damon:damon_aggregated: FIELDS`.
//! FIELDS: `target_id=N nr_regions=N START-END: NR_ACCESSES [AGE]`.

use super::grouping::RegionEvent;
use crate::model::{Region, TargetKey};

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A `damon_aggregated` event.
    Region(RegionEvent),
    /// damo's mark for the end of a record with one snapshot: the region
    /// `0-0: -1 -1`.
    End {
        /// Of which target.
        target: TargetKey,
        /// When.
        time_ns: u64,
    },
    /// A `damon_aggregated` event that cannot be read.
    Damaged,
    /// Anything else.
    Other,
}

const EVENT: &str = "damon_aggregated:";

/// Finds out what a line is.
pub fn parse(line: &[u8]) -> Line {
    let Ok(line) = std::str::from_utf8(line) else {
        return match line.windows(EVENT.len()).any(|w| w == EVENT.as_bytes()) {
            true => Line::Damaged,
            false => Line::Other,
        };
    };
    let Some((before, fields)) = line.split_once(EVENT) else {
        return Line::Other;
    };
    event(before, fields).unwrap_or(Line::Damaged)
}

fn event(before: &str, fields: &str) -> Option<Line> {
    let before = before.strip_suffix("damon:").unwrap_or(before).trim_end();
    let (before, time) = before
        .rsplit_once(char::is_whitespace)
        .unwrap_or(("", before));
    let time_ns = seconds(time.strip_suffix(':')?)?;

    let mut fields = fields.split_ascii_whitespace();
    let target_id = fields.next()?.strip_prefix("target_id=")?.parse().ok()?;
    let nr_regions = fields.next()?.strip_prefix("nr_regions=")?.parse().ok()?;
    let (start, end) = fields.next()?.strip_suffix(':')?.split_once('-')?;
    let (start, end): (u64, u64) = (start.parse().ok()?, end.parse().ok()?);
    let nr_accesses = fields.next()?;
    let age = fields.next();

    let target = TargetKey {
        kdamond: kdamond(before),
        target_id,
    };
    if (start, end, nr_accesses) == (0, 0, "-1") {
        return Some(Line::End { target, time_ns });
    }
    let nr_accesses = nr_accesses.parse().ok()?;
    // damo 3 writes ages that it does not know as None.
    let age = age.filter(|age| *age != "None").map(|age| age.parse().ok());
    let age = match age {
        None => None,
        Some(age) => Some(age?),
    };
    let region = Region {
        start,
        end,
        nr_accesses,
        age,
    };
    (start <= end && nr_regions > 0).then_some(Line::Region(RegionEvent {
        target,
        time_ns,
        nr_regions,
        region,
    }))
}

/// Thread id of the kdamond from what is before the time; 0 if it is not there.
fn kdamond(before: &str) -> u32 {
    // The CPU comes right after the task; flags may follow it.
    let cpu = before.find(" [").unwrap_or(before.len());
    let mut task = before.get(..cpu).unwrap_or(before).trim_end();
    // trace-cmd's latency format has CPU and flags in one word instead.
    if let Some((rest, last)) = task.rsplit_once([' ', '\t'])
        && last.ends_with(|c: char| !c.is_ascii_digit())
        && last.starts_with(|c: char| c.is_ascii_digit())
    {
        task = rest.trim_end();
    }
    let id = task.rsplit([' ', '\t', '-', '/']).next().unwrap_or("");
    id.parse().unwrap_or(0)
}

/// `82820.952659` to nanoseconds, exactly.
fn seconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.')?;
    let digits = u32::try_from(fraction.len())
        .ok()
        .filter(|n| (1..=9).contains(n))?;
    let only_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !only_digits(whole) || !only_digits(fraction) {
        return None;
    }
    let fraction = fraction.parse::<u64>().ok()? * 10u64.pow(9 - digits);
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(1_000_000_000)?
        .checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &str = "target_id=7 nr_regions=3 4096-8192: 5";

    fn region(line: &str) -> RegionEvent {
        match parse(format!("{line}\n").as_bytes()) {
            Line::Region(event) => event,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn every_tracers_form_is_read() {
        for (before, kdamond) in [
            ("       kdamond.0  4452 [000] 82820.952659: damon:", 4452),
            ("kdamond.0  4452/4453 [000] 82820.952659: damon:", 4453),
            ("       kdamond.0  4452 82820.952659: damon:", 4452),
            ("kdamond.x xxxx xxxx 82820.952659: damon:", 0),
            ("       kdamond.0-4452  [000] 82820.952659: ", 4452),
            ("       kdamond.0-4452  [000] d..1. 82820.952659: ", 4452),
            ("           <...>-4452    [003] ..... 82820.952659: ", 4452),
            ("kdamond.-4452     0..... 82820.952659: ", 4452),
            ("kdamond.-4452     1d.h2. 82820.952659: ", 4452),
            ("82820.952659: ", 0),
        ] {
            let event = region(&format!("{before}damon_aggregated: {FIELDS} 12"));
            let target = TargetKey {
                kdamond,
                target_id: 7,
            };
            let region = Region {
                start: 4096,
                end: 8192,
                nr_accesses: 5,
                age: Some(12),
            };
            let expected = RegionEvent {
                target,
                time_ns: 82_820_952_659_000,
                nr_regions: 3,
                region,
            };
            assert_eq!(event, expected, "{before}");
        }
    }

    #[test]
    fn age_may_be_unknown() {
        assert_eq!(
            region(&format!("1.5: damon_aggregated: {FIELDS}"))
                .region
                .age,
            None
        );
        assert_eq!(
            region(&format!("1.5: damon_aggregated: {FIELDS} None"))
                .region
                .age,
            None
        );
    }

    #[test]
    fn times_are_exact() {
        for (text, ns) in [
            ("0.1", 100_000_000),
            ("1.123456789", 1_123_456_789),
            ("9007199.254741", 9_007_199_254_741_000),
        ] {
            assert_eq!(seconds(text), Some(ns));
        }
        for text in [
            "",
            "1",
            "1.",
            "1.1234567891",
            "-1.5",
            "+1.5",
            "1.+5",
            "18446744074.0",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn broken_events_are_damage_and_other_lines_are_not() {
        for fields in [
            "",
            "target_id=7",
            "target_id=x nr_regions=3 4096-8192: 5",
            "target_id=7 nr_regions=0 4096-8192: 5",
            "target_id=7 nr_regions=3 8192-4096: 5",
            "target_id=7 nr_regions=3 4096-8192 5",
            "target_id=7 nr_regions=3 4096-8192: -2",
            "target_id=7 nr_regions=3 4096-8192: 5 x",
            "target_id=7 nr_regions=3 4096-99999999999999999999: 5",
        ] {
            assert_eq!(
                parse(format!("1.5: damon_aggregated: {fields}\n").as_bytes()),
                Line::Damaged,
                "{fields}"
            );
        }
        assert_eq!(
            parse(format!("x: damon_aggregated: {FIELDS}\n").as_bytes()),
            Line::Damaged
        );
        assert_eq!(parse(b"\xff damon_aggregated: \n"), Line::Damaged);
        for line in [
            "",
            "\n",
            "# comment\n",
            "k 1 [0] 1.5: damon:damos_before_apply: ctx_idx=0\n",
        ] {
            assert_eq!(parse(line.as_bytes()), Line::Other, "{line}");
        }
    }

    #[test]
    fn the_mark_of_a_records_end_is_no_region() {
        let line = b"kdamond.x xxxx xxxx 2.5: damon:damon_aggregated: target_id=7 nr_regions=1 0-0: -1 -1\n";
        let target = TargetKey {
            kdamond: 0,
            target_id: 7,
        };
        assert_eq!(
            parse(line),
            Line::End {
                target,
                time_ns: 2_500_000_000
            }
        );
    }
}
