//! What a guest says over its serial lines, and what that means.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::time::{Duration, Instant};

/// How many of the last lines a failure shows.
const TAIL: usize = 40;

/// A line of output longer than this is taken in pieces.
const LINE: usize = 4096;

/// What the kernel says when it is broken.
const FAULTS: [&str; 6] = [
    "BUG: ",
    "Oops",
    "Kernel panic",
    "general protection fault",
    "Unable to handle",
    "kernel stack overflow",
];

/// Where a guest's bytes come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Line {
    /// ttyS0: the kernel and PID 1.
    Kernel,
    /// ttyS1: the command's output.
    Output,
    /// ttyS2: PID 1 to us.
    Control,
    /// QEMU's own complaints.
    Qemu,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// The command ended with this status.
    Exited(i32),
    /// The kernel broke, in its own words.
    Fault(String),
    /// Nothing was heard for this long.
    Hung(Duration),
    /// It was still going after this long.
    TimedOut(Duration),
    /// The guest went away without saying how the command ended.
    NoVerdict,
    /// The command ended, but what it left in /out did not get here.
    LostFiles,
    /// A test binary was to run, but no test did.
    NoTests,
}

impl Ending {
    /// The exit status to end with: the command's own, or 125 for the guest's.
    pub fn status(&self) -> u8 {
        match self {
            Self::Exited(status) => u8::try_from(*status).unwrap_or(125),
            _ => 125,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "the command ended with status {status}"),
            Self::Fault(line) => write!(f, "the kernel broke: {line}"),
            Self::Hung(time) => write!(f, "the guest hangs: silent for {} s", time.as_secs()),
            Self::TimedOut(time) => write!(
                f,
                "not done after {} s (--timeout allows more)",
                time.as_secs()
            ),
            Self::NoVerdict => write!(f, "the guest ended without a verdict"),
            Self::LostFiles => write!(f, "/out could not be packed: is it over 1 GiB?"),
            Self::NoTests => write!(f, "no test ran"),
        }
    }
}

/// Follows a guest's serial lines; pure but for the command's output, which
/// goes on at once.
pub struct Console<'a> {
    nonce: String,
    output: &'a mut dyn Write,
    partial: [Vec<u8>; 4],
    tail: VecDeque<String>,
    fault: Option<String>,
    verdict: Option<(i32, bool)>,
    tests: u64,
    started: Option<Instant>,
    heard: Instant,
}

impl<'a> Console<'a> {
    /// `output` gets what the command writes.
    pub fn new(nonce: &str, output: &'a mut dyn Write, now: Instant) -> Self {
        Self {
            nonce: nonce.to_owned(),
            output,
            partial: Default::default(),
            tail: VecDeque::new(),
            fault: None,
            verdict: None,
            tests: 0,
            started: None,
            heard: now,
        }
    }

    /// Takes bytes of a serial line.
    ///
    /// # Errors
    /// The command's output could not be passed on.
    pub fn take(&mut self, line: Line, bytes: &[u8], now: Instant) -> std::io::Result<()> {
        // A broken kernel may go on complaining: after the boot only user
        // space counts as a sign of life.
        if line != Line::Qemu && (line != Line::Kernel || self.started.is_none()) {
            self.heard = now;
        }
        if line == Line::Output {
            self.output.write_all(bytes)?;
            self.output.flush()?;
        }
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let Some(partial) = self.partial.get_mut(line as usize) else {
                continue;
            };
            partial.extend(piece);
            if piece.ends_with(b"\n") || partial.len() > LINE {
                let text = String::from_utf8_lossy(&std::mem::take(partial)).into_owned();
                self.line(line, text.trim_end(), now);
            }
        }
        Ok(())
    }

    fn line(&mut self, line: Line, text: &str, now: Instant) {
        match line {
            Line::Control => return self.control(text, now),
            Line::Kernel if self.fault.is_none() => {
                if FAULTS.iter().any(|fault| text.contains(fault)) {
                    self.fault = Some(text.to_owned());
                }
            }
            Line::Output => self.tests = self.tests.saturating_add(tests_run(text)),
            Line::Kernel | Line::Qemu => {}
        }
        self.tail.push_back(text.to_owned());
        if self.tail.len() > TAIL {
            self.tail.pop_front();
        }
    }

    fn control(&mut self, text: &str, now: Instant) {
        let mut words = text.split_whitespace();
        if words.next() != Some(&self.nonce) {
            return; // somebody else wrote there
        }
        match (words.next(), words.next(), words.next()) {
            (Some("start"), ..) => self.started = Some(now),
            (Some("end"), Some(status), Some(packed)) => {
                self.verdict = status.parse().ok().map(|status| (status, packed == "0"));
            }
            _ => {}
        }
    }

    /// When PID 1 was ready.
    pub fn started(&self) -> Option<Instant> {
        self.started
    }

    /// Whether the kernel has already said that it broke.
    pub fn is_broken(&self) -> bool {
        self.fault.is_some()
    }

    /// How long nothing was heard.
    pub fn silent(&self, now: Instant) -> Duration {
        now.duration_since(self.heard)
    }

    /// What a guest that is gone has come to.
    pub fn ending(&mut self, tests: bool) -> Ending {
        // Last words need not end with a line feed.
        for line in [Line::Kernel, Line::Output, Line::Qemu] {
            let rest = self.partial.get_mut(line as usize).map(std::mem::take);
            if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
                self.line(line, &String::from_utf8_lossy(&rest), self.heard);
            }
        }
        match (self.fault.take(), self.verdict) {
            (Some(line), _) => Ending::Fault(line),
            (None, None) => Ending::NoVerdict,
            (None, Some((_, false))) => Ending::LostFiles,
            (None, Some((0, true))) if tests && self.tests == 0 => Ending::NoTests,
            (None, Some((status, true))) => Ending::Exited(status),
        }
    }

    /// The last lines of everything that was said.
    pub fn tail(&self) -> impl Iterator<Item = &str> {
        self.tail.iter().map(String::as_str)
    }
}

/// How many tests a line of a test harness says were run.
fn tests_run(text: &str) -> u64 {
    crate::tally::Tally::of_line(text).map_or(0, |tally| tally.passed.saturating_add(tally.failed))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds lines of the nonce "n" and returns how it ended.
    fn ending(tests: bool, said: &[(Line, &str)]) -> Ending {
        let mut output = Vec::new();
        let now = Instant::now();
        let mut console = Console::new("n", &mut output, now);
        for (line, text) in said {
            console.take(*line, text.as_bytes(), now).unwrap();
        }
        console.ending(tests)
    }

    #[test]
    fn the_verdict_needs_the_nonce() {
        use Line::{Control, Output};
        assert_eq!(
            ending(false, &[(Control, "n end 7 0\n")]),
            Ending::Exited(7)
        );
        assert_eq!(
            ending(false, &[(Control, "m end 0 0\n")]),
            Ending::NoVerdict
        );
        assert_eq!(ending(false, &[(Output, "n end 0 0\n")]), Ending::NoVerdict);
        assert_eq!(ending(false, &[(Control, "n end 0")]), Ending::NoVerdict);
        assert_eq!(
            ending(false, &[(Control, "n end 0 1\n")]),
            Ending::LostFiles
        );
    }

    #[test]
    fn a_fault_outweighs_the_verdict() {
        let fault = "[ 3.1] BUG: kernel NULL pointer dereference";
        let ended = (Line::Control, "n end 0 0\n");
        let of = |line| ending(false, &[(line, fault), (line, "\r\n"), ended]);
        assert_eq!(of(Line::Kernel), Ending::Fault(fault.to_owned()));
        assert_eq!(of(Line::Output), Ending::Exited(0));
        // The last words of a guest that is gone.
        let said = [(Line::Kernel, "Kernel panic - not syncing")];
        assert!(matches!(ending(false, &said), Ending::Fault(_)));
    }

    #[test]
    fn tests_must_have_run() {
        let run = |text: &str| {
            ending(
                true,
                &[(Line::Output, text), (Line::Control, "n end 0 0\n")],
            )
        };
        let result = |n| {
            format!(
                "test result: ok. {n} passed; 0 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.00s\n"
            )
        };
        assert_eq!(run("hello\n"), Ending::NoTests);
        assert_eq!(run(&result(0)), Ending::NoTests);
        assert_eq!(run(&result(3)), Ending::Exited(0));
    }

    #[test]
    fn a_kernel_that_complains_is_not_alive() {
        let mut output = Vec::new();
        let start = Instant::now();
        let later = start + Duration::from_secs(50);
        let mut console = Console::new("n", &mut output, start);
        console.take(Line::Kernel, b"booting", later).unwrap();
        assert_eq!(console.silent(later), Duration::ZERO);
        let mut console = Console::new("n", &mut output, start);
        console.take(Line::Control, b"n start\n", start).unwrap();
        console.take(Line::Kernel, b"rcu: stall\n", later).unwrap();
        assert_eq!(console.silent(later).as_secs(), 50);
        console.take(Line::Control, b"n beat\n", later).unwrap();
        assert_eq!(console.silent(later), Duration::ZERO);
    }

    #[test]
    fn output_goes_on_as_it_is_and_the_tail_is_short() {
        let mut output = Vec::new();
        let now = Instant::now();
        let mut console = Console::new("n", &mut output, now);
        for i in 0..100 {
            let text = format!("line {i}\n");
            console.take(Line::Output, text.as_bytes(), now).unwrap();
        }
        console.take(Line::Output, b"\xff no end", now).unwrap();
        console.ending(false);
        assert_eq!(console.tail().count(), TAIL);
        assert!(console.tail().last().unwrap().ends_with("no end"));
        assert!(output.ends_with(b"line 99\n\xff no end"));
    }
}
