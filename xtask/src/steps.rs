//! Steps of a run, one after the other, and what failed of them.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::tally::Tally;

/// A step that was done.
pub struct Done {
    name: String,
    result: Result<Tally>,
    took: Duration,
}

impl Done {
    /// Does a step.
    pub fn of(name: &str, work: impl FnOnce() -> Result<Tally>) -> Done {
        println!("== {name}");
        let start = Instant::now();
        let result = work();
        Done {
            name: name.to_owned(),
            result,
            took: start.elapsed(),
        }
    }
}

/// What was done so far.
#[derive(Default)]
pub struct Steps {
    tally: Tally,
    /// What failed, and why if that is known: said again at the end, since logs
    /// are long and get cut.
    failed: Vec<String>,
}

impl Steps {
    /// Does a step; one that fails without a failing test counts as one.
    pub fn step(&mut self, name: &str, work: impl FnOnce() -> Result<Tally>) -> bool {
        self.add(Done::of(name, work))
    }

    /// Takes in a step that was done beside others.
    pub fn add(&mut self, done: Done) -> bool {
        let Done { name, result, took } = done;
        let mut why = String::new();
        let tally = result.unwrap_or_else(|error| {
            eprintln!("{name}: {error:#}");
            why = format!(": {error:#}");
            Tally {
                failed: 1,
                ..Tally::default()
            }
        });
        why.extend(tally.names.iter().map(|test| format!("\n    {test}")));
        let good = tally.failed == 0;
        if !good {
            why.extend(
                tally
                    .panics
                    .iter()
                    .map(|panic| format!("\n        {panic}")),
            );
            self.failed.push(format!("{name}{why}"));
        }
        self.tally += tally;
        let word = if good { "ok" } else { "FAILED" };
        println!("== {name}: {word}, {:.1} s", took.as_secs_f64());
        good
    }

    pub fn finish(&self) -> ExitCode {
        for failed in &self.failed {
            println!("FAILED {failed}");
        }
        for flaky in &self.tally.flaky {
            println!("FLAKY {flaky}");
        }
        println!("{} passed, {} failed", self.tally.passed, self.tally.failed);
        ExitCode::from(u8::from(self.tally.failed > 0))
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn a_failing_step_is_counted_once() {
        let mut steps = Steps::default();
        let tally = |passed, failed| Tally {
            passed,
            failed,
            ..Tally::default()
        };
        assert!(steps.step("good", || Ok(tally(3, 0))));
        assert!(!steps.step("tests", || Ok(tally(1, 2))));
        assert!(!steps.step("broken", || bail!("no tests")));
        assert_eq!(steps.tally, tally(4, 3));
        assert_eq!(steps.failed, ["tests", "broken: no tests"]);
    }
}
