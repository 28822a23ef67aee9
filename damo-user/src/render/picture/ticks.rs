//! Where an axis has marks, and what stands there.

use std::ops::Range;

/// A mark: where, and what stands there.
pub type Tick = (f64, String);

const SECOND: u64 = 1_000_000_000;

/// Marks of times, in nanoseconds.
pub fn time_ticks(range: Range<u64>, most: usize) -> Vec<Tick> {
    let small = (0..).flat_map(|power| [1, 2, 5].map(|it| it * 10u64.pow(power)));
    let seconds = [10, 15, 30, 60, 120, 300, 600, 900, 1800];
    let hours = [1, 2, 3, 6, 12, 24, 48, 120, 240].map(|h| h * 3600);
    let days = (0..4).flat_map(|power| [20, 50, 100].map(|it| it * 10u64.pow(power) * 86_400));
    let large = seconds.into_iter().chain(hours).chain(days);
    let steps = small
        .take_while(|step| *step < 10 * SECOND)
        .chain(large.map(|s| s * SECOND));
    let step = step_of(steps, range.end.saturating_sub(range.start), most);
    let unit = match range.end {
        ..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "us"),
        1_000_000..SECOND => (1_000_000, "ms"),
        _ => (SECOND, "s"),
    };
    multiples(range, step)
        .map(|ns| (ns as f64, time_label(ns, unit)))
        .collect()
}

fn time_label(ns: u64, (unit, name): (u64, &str)) -> String {
    let (hours, minutes) = (ns / SECOND / 3600, ns / SECOND / 60 % 60);
    let rest = ns % (60 * SECOND);
    let mut parts = Vec::new();
    if hours > 0 {
        parts.push(format!("{hours} h"));
    }
    if minutes > 0 {
        parts.push(format!("{minutes} m"));
    }
    if rest > 0 || parts.is_empty() {
        parts.push(format!("{} {name}", decimal(rest, unit)));
    }
    parts.join(" ")
}

/// Marks of sizes, in bytes.
pub fn size_ticks(range: Range<u64>, most: usize) -> Vec<Tick> {
    let step = power_of_two(&range, most);
    multiples(range, step)
        .map(|bytes| (bytes as f64, size_label(bytes)))
        .collect()
}

/// Marks of addresses.
pub fn address_ticks(range: Range<u64>, most: usize) -> Vec<Tick> {
    let step = power_of_two(&range, most);
    multiples(range, step)
        .map(|address| (address as f64, format!("{address:#x}")))
        .collect()
}

fn size_label(bytes: u64) -> String {
    let units = [
        (60, "EiB"),
        (50, "PiB"),
        (40, "TiB"),
        (30, "GiB"),
        (20, "MiB"),
        (10, "KiB"),
    ];
    let unit = units.into_iter().find(|(shift, _)| bytes >> shift > 0);
    let (shift, name) = unit.unwrap_or((0, "B"));
    let number = bytes as f64 / (1u64 << shift) as f64;
    format!("{} {name}", trimmed(format!("{number:.3}")))
}

/// Marks of plain numbers.
pub fn number_ticks(low: f64, high: f64, most: usize) -> Vec<Tick> {
    let rough = (high - low) / most.max(1) as f64;
    if !(rough > 0.0 && rough.is_finite()) {
        return vec![(low, trimmed(format!("{low:.3}")))];
    }
    let power = rough.log10().floor();
    let steps = [1.0, 2.0, 5.0, 10.0].map(|it| it * 10f64.powf(power));
    let step = steps.into_iter().find(|it| *it >= rough).unwrap_or(rough);
    let decimals = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
    let (first, last) = (
        (low / step).ceil() as i64,
        (high / step + 1e-9).floor() as i64,
    );
    (first..=last)
        .take(most + 2)
        .map(|i| i as f64 * step)
        .map(|it| (it, format!("{it:.decimals$}")))
        .collect()
}

/// The first step with few enough marks.
fn step_of(steps: impl Iterator<Item = u64>, length: u64, most: usize) -> u64 {
    let most = most.max(1) as u64;
    let mut steps = steps.peekable();
    while let Some(step) = steps.next() {
        if length / step <= most || steps.peek().is_none() {
            return step;
        }
    }
    u64::MAX
}

fn power_of_two(range: &Range<u64>, most: usize) -> u64 {
    let length = range.end.saturating_sub(range.start);
    step_of((0..64).map(|shift| 1 << shift), length, most)
}

fn multiples(range: Range<u64>, step: u64) -> impl Iterator<Item = u64> {
    let first = range.start.div_ceil(step).checked_mul(step);
    std::iter::successors(first, move |at| at.checked_add(step))
        .take_while(move |at| *at <= range.end)
}

/// A fraction of whole numbers whose divisor is a power of ten.
fn decimal(number: u64, unit: u64) -> String {
    let digits = unit.checked_ilog10().unwrap_or(0) as usize;
    match digits {
        0 => number.to_string(),
        digits => trimmed(format!("{}.{:0digits$}", number / unit, number % unit)),
    }
}

/// Without zeros at the end of its decimals.
fn trimmed(number: String) -> String {
    match number.contains('.') {
        true => number
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
        false => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: Vec<Tick>) -> String {
        let labels: Vec<String> = ticks.into_iter().map(|(_, label)| label).collect();
        labels.join(", ")
    }

    #[test]
    fn times_have_round_marks() {
        for (range, expected) in [
            (0..57 * SECOND, "0 s, 10 s, 20 s, 30 s, 40 s, 50 s"),
            (0..3 * SECOND, "0 s, 0.5 s, 1 s, 1.5 s, 2 s, 2.5 s, 3 s"),
            (
                0..1500,
                "0 us, 0.2 us, 0.4 us, 0.6 us, 0.8 us, 1 us, 1.2 us, 1.4 us",
            ),
            (0..7, "0 ns, 1 ns, 2 ns, 3 ns, 4 ns, 5 ns, 6 ns, 7 ns"),
            (0..600 * SECOND, "0 s, 2 m, 4 m, 6 m, 8 m, 10 m"),
            (
                539 * SECOND..541 * SECOND,
                "8 m 59 s, 8 m 59.5 s, 9 m, 9 m 0.5 s, 9 m 1 s",
            ),
            (0..90_000 * SECOND, "0 s, 6 h, 12 h, 18 h, 24 h"),
        ] {
            assert_eq!(labels(time_ticks(range, 7)), expected);
        }
        assert!(time_ticks(0..u64::MAX, 7).len() <= 8);
        assert_eq!(time_ticks(0..0, 7).len(), 1);
    }

    #[test]
    fn sizes_and_addresses_have_marks_at_powers_of_two() {
        for (range, expected) in [
            (
                0..206_409_728,
                "0 B, 32 MiB, 64 MiB, 96 MiB, 128 MiB, 160 MiB, 192 MiB",
            ),
            (
                0..3 << 29,
                "0 B, 256 MiB, 512 MiB, 768 MiB, 1 GiB, 1.25 GiB, 1.5 GiB",
            ),
            (0..5, "0 B, 1 B, 2 B, 3 B, 4 B, 5 B"),
        ] {
            assert_eq!(labels(size_ticks(range, 7)), expected);
        }
        assert_eq!(
            labels(address_ticks(0x7f00_0123..0x7f00_0600, 7)),
            "0x7f000200, 0x7f000300, 0x7f000400, 0x7f000500, 0x7f000600"
        );
        assert!(size_ticks(0..u64::MAX, 7).len() <= 8);
    }

    #[test]
    fn numbers_have_round_marks() {
        for ((low, high), expected) in [
            ((3.344, 14.216), "4, 6, 8, 10, 12, 14"),
            ((0.0, 1.0), "0.0, 0.2, 0.4, 0.6, 0.8, 1.0"),
            ((0.0, 0.051), "0.00, 0.01, 0.02, 0.03, 0.04, 0.05"),
            ((0.0, 100.0), "0, 20, 40, 60, 80, 100"),
            ((7.0, 7.0), "7"),
        ] {
            assert_eq!(labels(number_ticks(low, high, 6)), expected);
        }
        assert_eq!(number_ticks(f64::NAN, 1.0, 6).len(), 1);
        assert_eq!(number_ticks(0.0, f64::INFINITY, 6).len(), 1);
    }
}
