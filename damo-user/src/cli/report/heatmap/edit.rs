//! `--interactive_edit`: what to show next, asked on a terminal.

use std::io::{self, BufRead, Write};
use std::ops::Range;

/// What is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub time: Range<u64>,
    pub ranges: Vec<Range<u64>>,
    /// Whether time goes down and addresses go right, as in a terminal.
    pub in_terminal: bool,
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    /// To a share of what it was, around its middle.
    Zoom(Axes, f64),
    /// By a share of what is shown, towards what comes later.
    Move(Axes, f64),
    Help,
    Quit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axes {
    Time,
    Space,
    Both,
}

const HELP: &str = "\
+ -                        zoom in and out by 10 %
h j k l                    move the map left, down, up and right by 10 %
zoom [time|space] PERCENT  show that much of what is shown: 50 doubles the scale
move [time|space] PERCENT  show what comes later, or is above, by that much; -10 goes back
help, quit
";

impl View {
    /// Asks until there is something else to show; `None` at the end.
    pub fn next(&self, input: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<Option<View>> {
        loop {
            write!(out, "+, -, h, j, k, l, zoom, move, help or quit: ")?;
            out.flush()?;
            let mut line = String::new();
            if input.read_line(&mut line)? == 0 {
                writeln!(out)?;
                return Ok(None);
            }
            match self.answer(&line) {
                Some(Answer::Quit) => return Ok(None),
                Some(Answer::Help) => out.write_all(HELP.as_bytes())?,
                Some(Answer::Zoom(axes, share)) => {
                    return Ok(Some(self.changed(axes, |range| zoomed(range, share))));
                }
                Some(Answer::Move(axes, share)) => {
                    return Ok(Some(self.changed(axes, |range| moved(range, share))));
                }
                None => writeln!(out, "{}: not understood; try help", line.trim())?,
            }
        }
    }

    fn answer(&self, line: &str) -> Option<Answer> {
        let mut words = line.split_whitespace();
        let (right, down) = match self.in_terminal {
            true => (Axes::Space, Axes::Time),
            false => (Axes::Time, Axes::Space),
        };
        // In a terminal time goes down, in pictures addresses go up.
        let downwards = if self.in_terminal { -0.1 } else { 0.1 };
        let answer = match words.next()? {
            "+" => Answer::Zoom(Axes::Both, 0.9),
            "-" => Answer::Zoom(Axes::Both, 1.1),
            "h" => Answer::Move(right, 0.1),
            "l" => Answer::Move(right, -0.1),
            "j" => Answer::Move(down, downwards),
            "k" => Answer::Move(down, -downwards),
            "q" | "quit" | "0" => Answer::Quit,
            "help" | "?" | "3" => Answer::Help,
            verb @ ("zoom" | "1" | "move" | "scroll" | "2") => {
                let mut word = words.next()?;
                let axes = match word {
                    "time" => Axes::Time,
                    "space" | "address" => Axes::Space,
                    _ => Axes::Both,
                };
                if axes != Axes::Both {
                    word = words.next()?;
                }
                let percent: f64 = word.trim_end_matches('%').parse().ok()?;
                let share = Some(percent / 100.0).filter(|it| it.is_finite())?;
                match verb {
                    "zoom" | "1" if share > 0.0 => Answer::Zoom(axes, share),
                    "zoom" | "1" => return None,
                    _ => Answer::Move(axes, share),
                }
            }
            _ => return None,
        };
        words.next().is_none().then_some(answer)
    }

    fn changed(&self, axes: Axes, change: impl Fn(&Range<u64>) -> Range<u64>) -> View {
        let mut next = self.clone();
        if axes != Axes::Space {
            next.time = change(&self.time);
        }
        if axes != Axes::Time {
            next.ranges = self.ranges.iter().map(change).collect();
        }
        next
    }
}

fn zoomed(range: &Range<u64>, share: f64) -> Range<u64> {
    let half = (range.end.saturating_sub(range.start)) as f64 * share / 2.0;
    let middle = range.start + range.end.saturating_sub(range.start) / 2;
    middle.saturating_sub(half as u64)..middle.saturating_add(half as u64)
}

fn moved(range: &Range<u64>, share: f64) -> Range<u64> {
    let length = range.end.saturating_sub(range.start);
    let by = (length as f64 * share.abs()) as u64;
    let start = match share >= 0.0 {
        true => range.start.saturating_add(by).min(u64::MAX - length),
        false => range.start.saturating_sub(by),
    };
    start..start + length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(answers: &str, in_terminal: bool) -> (Option<View>, String) {
        let view = View {
            time: 1000..2000,
            ranges: std::iter::once(0..100).collect(),
            in_terminal,
        };
        let mut out = Vec::new();
        let next = view.next(&mut answers.as_bytes(), &mut out).unwrap();
        (next, String::from_utf8(out).unwrap())
    }

    #[test]
    fn answers_zoom_and_move() {
        for (answer, in_terminal, time, space) in [
            ("+", true, 1050..1950, 5..95),
            ("-", true, 950..2050, 0..105),
            ("zoom time 50", true, 1250..1750, 0..100),
            ("zoom space 200 %", true, 1000..2000, 0..100),
            ("zoom space 50%", false, 1000..2000, 25..75),
            ("move time -10", false, 900..1900, 0..100),
            ("move -10", false, 900..1900, 0..100),
            ("h", true, 1000..2000, 10..110),
            ("l", false, 900..1900, 0..100),
            ("j", true, 900..1900, 0..100),
            ("j", false, 1000..2000, 10..110),
        ] {
            let (next, told) = next(&format!("{answer}\n"), in_terminal);
            match next {
                Some(view) => assert_eq!((view.time, view.ranges), (time, vec![space]), "{answer}"),
                None => assert!(told.contains("not understood"), "{answer}: {told}"),
            }
        }
    }

    #[test]
    fn what_is_not_understood_is_asked_again() {
        for end in ["q\n", "quit\n", "0\n", ""] {
            let (view, told) = next(&format!("\nzoom\nzoom 0\nmove x\nwhat\nhelp\n{end}"), true);
            assert_eq!(view, None);
            assert_eq!(told.matches("not understood").count(), 5, "{told}");
            assert!(told.contains("PERCENT"), "{told}");
        }
    }
}
