//! Counting what test harnesses report.

use std::ops::AddAssign;

/// Tests that passed and failed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// How many passed.
    pub passed: u64,
    /// How many failed.
    pub failed: u64,
    /// Names of those that failed.
    pub names: Vec<String>,
    /// Where each panic was, and its first line: why a test failed.
    pub panics: Vec<String>,
    /// Names of those that failed once, and passed at a second go; and why.
    pub flaky: Vec<String>,
    /// The line before was where a panic was.
    pub panicked: bool,
}

impl Tally {
    /// Reads a harness's `test result: ok. 3 passed; 0 failed; …`.
    pub fn of_line(line: &str) -> Option<Self> {
        let counts = line.trim_start().strip_prefix("test result: ")?;
        let count = |what: &str| {
            counts
                .split([';', '.'])
                .find_map(|part| part.trim().strip_suffix(what)?.trim().parse().ok())
        };
        Some(Self {
            passed: count("passed")?,
            failed: count("failed")?,
            ..Self::default()
        })
    }

    /// Adds what a line of a harness's output says, if it says anything.
    pub fn add_line(&mut self, line: &str) {
        if std::mem::take(&mut self.panicked)
            && let Some(last) = self.panics.last_mut()
        {
            last.push(' ');
            last.push_str(line.trim());
        }
        if let Some(counted) = Self::of_line(line) {
            *self += counted;
        } else if line.starts_with("thread '") && line.contains(" panicked at ") {
            self.panics.push(line.to_owned());
            self.panicked = true;
        } else if let Some(rest) = line.trim_start().strip_prefix("test ")
            && let Some((name, _)) = rest.split_once(" ... FAILED")
        {
            self.names.push(name.to_owned());
        }
    }

    /// Sums all result lines of a harness's output.
    pub fn of_output(output: &str) -> Self {
        let mut sum = Self::default();
        for line in output.lines() {
            sum.add_line(line);
        }
        sum
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed = self.passed.saturating_add(other.passed);
        self.failed = self.failed.saturating_add(other.failed);
        self.names.extend(other.names);
        self.panics.extend(other.panics);
        self.flaky.extend(other.flaky);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_summed() {
        let output = "\
running 3 tests
test a ... ok
test b ... FAILED
thread 'b' (7) panicked at a.rs:1:2:
left is not right
and more
test result: FAILED. 2 passed; 1 failed; 4 ignored; 0 measured; 5 filtered out; finished in 1.20s
test result: ok. 10 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
a test result: ok. 7 passed; 7 failed;
test result: ok.
";
        let sum = Tally {
            passed: 12,
            failed: 1,
            names: vec!["b".to_owned()],
            panics: vec!["thread 'b' (7) panicked at a.rs:1:2: left is not right".to_owned()],
            ..Tally::default()
        };
        assert_eq!(Tally::of_output(output), sum);
    }
}
