//! Percentiles and histograms as lines with bars.

use std::fmt::Write as _;

use crate::analyze::access::{Bin, Percentile};

/// Width of the bars.
const WIDTH: usize = 20;

/// Appends a line for each percentile, each value as `text` says.
pub fn push_percentiles(into: &mut String, found: &[Percentile], text: impl Fn(i64) -> String) {
    let (Some(first), Some(last)) = (found.first(), found.last()) else {
        return;
    };
    let rows = found
        .iter()
        .map(|it| (it.percent.to_string(), text(it.value)));
    let rows: Vec<(String, String)> = rows.collect();
    let percents = rows
        .iter()
        .map(|(percent, _)| percent.len())
        .max()
        .unwrap_or(0);
    let values = rows.iter().map(|(_, value)| value.chars().count()).max();
    let values = values.unwrap_or(0);
    let span = last.value as f64 - first.value as f64;
    let per_star = if span == 0.0 {
        1.0
    } else {
        span / WIDTH as f64
    };
    for ((percent, value), of) in rows.iter().zip(found) {
        let stars = (of.value as f64 - first.value as f64) / per_star;
        let bar = "*".repeat((stars as usize).min(WIDTH));
        let _ = write!(
            into,
            "\n{percent:>percents$}  {value:>values$}  |{bar:<WIDTH$}|"
        );
    }
}

/// Appends a line for each bin, its range and its bytes as the two say.
pub fn push_bins(
    into: &mut String,
    bins: &[Bin],
    range: impl Fn(&Bin) -> String,
    bytes: impl Fn(u64) -> String,
) {
    let rows = bins.iter().map(|bin| (range(bin), bytes(bin.bytes)));
    let rows: Vec<(String, String)> = rows.collect();
    let ranges = rows.iter().map(|(range, _)| range.len()).max().unwrap_or(0);
    let sizes = rows.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0);
    let all = || bins.iter().map(|bin| bin.bytes);
    let (low, high) = (all().min().unwrap_or(0), all().max().unwrap_or(0));
    let per_star = ((high - low) / WIDTH as u64).max(1);
    for (i, ((range, bytes), bin)) in rows.iter().zip(bins).enumerate() {
        let stars = (bin.bytes - low).div_ceil(per_star);
        let bar = "*".repeat(usize::try_from(stars).unwrap_or(WIDTH).min(WIDTH));
        let new_line = if i > 0 { "\n" } else { "" };
        let _ = write!(
            into,
            "{new_line}{range:<ranges$} {bytes:<sizes$} |{bar:<WIDTH$}|"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_reach_from_the_first_percentile_to_the_last() {
        let found = [(0, -10), (50, 0), (100, 10)];
        let found = found.map(|(percent, value)| Percentile { percent, value });
        let mut text = String::new();
        push_percentiles(&mut text, &found, |value| format!("{value} s"));
        assert_eq!(
            text,
            "\n  0  -10 s  |                    |\
             \n 50    0 s  |**********          |\
             \n100   10 s  |********************|"
        );
        text.clear();
        push_percentiles(&mut text, &found[..1], |value| value.to_string());
        assert_eq!(text, "\n0  -10  |                    |");
    }

    #[test]
    fn bins_with_little_have_a_star_and_the_least_none() {
        let bins = [(0, 5, 1_000), (5, 10, 0), (10, 15, 1)];
        let bins = bins.map(|(from, to, bytes)| Bin { from, to, bytes });
        let mut text = String::new();
        let range = |bin: &Bin| format!("[{}, {})", bin.from, bin.to);
        push_bins(&mut text, &bins, range, |bytes| format!("{bytes} B"));
        assert_eq!(
            text,
            "[0, 5)   1000 B |********************|\n\
             [5, 10)  0 B    |                    |\n\
             [10, 15) 1 B    |*                   |"
        );
    }
}
