//! Counting what test harnesses report.

use std::ops::AddAssign;

/// Tests that passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// How many passed.
    pub passed: u64,
    /// How many failed.
    pub failed: u64,
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
        })
    }

    /// Sums all result lines of a harness's output.
    pub fn of_output(output: &str) -> Self {
        let mut sum = Self::default();
        for tally in output.lines().filter_map(Self::of_line) {
            sum += tally;
        }
        sum
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed = self.passed.saturating_add(other.passed);
        self.failed = self.failed.saturating_add(other.failed);
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
test result: FAILED. 2 passed; 1 failed; 4 ignored; 0 measured; 5 filtered out; finished in 1.20s
test result: ok. 10 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
a test result: ok. 7 passed; 7 failed;
test result: ok.
";
        let sum = Tally {
            passed: 12,
            failed: 1,
        };
        assert_eq!(Tally::of_output(output), sum);
    }
}
