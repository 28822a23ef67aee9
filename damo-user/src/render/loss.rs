//! What is missing, in words.

use std::io::{self, Write};

use super::time;
use crate::analyze::Losses;
use crate::model::{Gap, LossCause};

/// One line about what a record lacks; `None` if it lacks nothing.
pub fn loss_line(losses: &Losses) -> Option<String> {
    if !losses.any() {
        return None;
    }
    let causes: Vec<String> = [
        ("incomplete snapshots", losses.incomplete),
        ("ring full", losses.ring_full),
        ("unseen", losses.unseen),
        ("damaged", losses.damaged),
        ("unwritten", losses.unwritten),
        ("gaps of unknown size", losses.uncounted_gaps),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(cause, count)| format!("{cause}: {count}"))
    .collect();
    let causes = causes.join(", ");
    Some(match losses.samples() {
        0 => format!("region samples are missing from this record ({causes})"),
        samples => format!("{samples} region samples are missing from this record ({causes})"),
    })
}

/// Prints a `# lost:` line and an empty one; times are relative to `base_ns`.
///
/// # Errors
/// `out` cannot be written.
pub fn write_gap(out: &mut dyn Write, gap: &Gap, base_ns: u64, raw_number: bool) -> io::Result<()> {
    let events = gap
        .events
        .map_or("an unknown number of".to_owned(), |n| n.to_string());
    let cause = match gap.cause {
        LossCause::RingFull => "ring full",
        LossCause::Unseen => "unseen",
        LossCause::Damaged => "damaged",
        LossCause::Unwritten => "unwritten",
    };
    // What lies before the base has a minus, as it is lost all the same.
    let relative = |ns: u64| {
        let sign = if ns < base_ns { "-" } else { "" };
        format!("{sign}{}", time(ns.abs_diff(base_ns), raw_number))
    };
    let (start, end) = (relative(gap.start_ns), relative(gap.end_ns));
    writeln!(
        out,
        "# lost: {events} region samples between {start} and {end} ({cause})\n"
    )
}
