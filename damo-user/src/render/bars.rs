//! Numbers as lines with bars.

use std::io::{self, Write};

/// How wide a bar is.
const WIDTH: usize = 40;

/// A line: what is shown of it, and the number that its bar shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Left of it all, right-aligned.
    pub label: String,
    /// The number, for people.
    pub text: String,
    /// The number.
    pub value: i64,
}

/// Prints lines with bars from 0, or from the smallest number if that is below,
/// to the largest.
///
/// # Errors
/// `out` cannot be written.
pub fn write_bars(out: &mut dyn Write, bars: &[Bar]) -> io::Result<()> {
    let widest = |text: fn(&Bar) -> &str| bars.iter().map(|bar| text(bar).chars().count()).max();
    let label_width = widest(|bar| &bar.label).unwrap_or(0);
    let text_width = widest(|bar| &bar.text).unwrap_or(0);
    let values = || bars.iter().map(|bar| bar.value);
    let (low, high) = (values().fold(0, i64::min), values().fold(0, i64::max));
    for Bar { label, text, value } in bars {
        let stars = "*".repeat(stars(*value, low, high));
        writeln!(
            out,
            "{label:>label_width$}  {text:>text_width$}  |{stars:<WIDTH$}|"
        )?;
    }
    Ok(())
}

fn stars(value: i64, low: i64, high: i64) -> usize {
    let (value, span) = (
        i128::from(value) - i128::from(low),
        i128::from(high) - i128::from(low),
    );
    let stars = (value * WIDTH as i128).checked_div(span).unwrap_or(0);
    usize::try_from(stars).unwrap_or(0).min(WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_reach_from_the_smallest_to_the_largest() {
        let bar = |label: &str, value: i64| Bar {
            label: label.to_owned(),
            text: format!("{value} s"),
            value,
        };
        let mut out = Vec::new();
        write_bars(&mut out, &[bar("0", -10), bar("50", 0), bar("100", 10)]).unwrap();
        let half = format!("{}{}", "*".repeat(20), " ".repeat(20));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!(
                "  0  -10 s  |{}|\n 50    0 s  |{half}|\n100   10 s  |{}|\n",
                " ".repeat(40),
                "*".repeat(40)
            )
        );
        assert_eq!(stars(i64::MAX, i64::MIN, i64::MAX), WIDTH);
        assert_eq!(stars(0, 0, 0), 0);
        let mut out = Vec::new();
        write_bars(&mut out, &[bar("0", 4), bar("1", 4)]).unwrap();
        let same = String::from_utf8(out).unwrap();
        assert_eq!(same.matches('*').count(), 2 * WIDTH, "{same}");
    }
}
