//! What a workload did, one line of JSON each: first all areas, then every
//! phase when it is over. Times are CLOCK_MONOTONIC in nanoseconds.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// A range of addresses, in hex.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Area {
    /// The first byte: `0x7f0000000000`.
    pub start: String,
    /// The byte after the last.
    pub end: String,
}

/// The first line.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Layout {
    /// All areas, in the order of their numbers.
    pub areas: Vec<Area>,
}

/// A line about a phase.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Phase {
    /// When it began.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// What was touched; nothing else was.
    pub areas: Vec<Passes>,
}

/// How often an area was touched.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Passes {
    /// Which.
    #[serde(flatten)]
    pub area: Area,
    /// How often all its pages were touched, one after another.
    pub passes: u64,
}

/// Counts passes over an area.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Touched {
    /// The page to go on with.
    pub next: usize,
    /// Passes completed.
    pub passes: u64,
}

impl Touched {
    /// Counts pages just touched, of an area of `pages`.
    pub fn add(&mut self, touched: usize, pages: usize) {
        self.next = self.next.saturating_add(touched);
        if self.next >= pages {
            self.next = 0;
            self.passes = self.passes.saturating_add(1);
        }
    }
}

impl Area {
    /// From addresses.
    pub fn new(start: usize, end: usize) -> Self {
        Self {
            start: format!("{start:#x}"),
            end: format!("{end:#x}"),
        }
    }

    /// The addresses again, start and end; none if they are not hex.
    pub fn range(&self) -> Option<(u64, u64)> {
        let address = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
        Some((address(&self.start)?, address(&self.end)?))
    }
}

impl Phase {
    /// A phase that used one area.
    pub fn new(start: Duration, end: Duration, area: Area, passes: u64) -> Self {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self {
            start_ns: nanos(start),
            end_ns: nanos(end),
            areas: vec![Passes { area, passes }],
        }
    }
}

/// Where the lines go.
pub struct Log {
    out: Option<Box<dyn Write>>,
}

impl Log {
    /// A file, `-` for stdout, or nowhere.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let out: Option<Box<dyn Write>> = match path {
            None => None,
            Some(path) if path == Path::new("-") => Some(Box::new(io::stdout())),
            Some(path) => {
                let file = File::create(path);
                Some(Box::new(file.with_context(|| path.display().to_string())?))
            }
        };
        Ok(Self { out })
    }

    /// Writes a line at once, so that a killed workload leaves what it did.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&mut self, line: &impl Serialize) -> Result<()> {
        if let Some(out) = &mut self.out {
            let mut text = serde_json::to_string(line)?;
            text.push('\n');
            out.write_all(text.as_bytes())
                .and_then(|()| out.flush())
                .context("the log")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_passes_count() {
        let mut touched = Touched::default();
        for (pages, next, passes) in [(4, 4, 0), (4, 8, 0), (2, 0, 1), (9, 9, 1)] {
            touched.add(pages, 10);
            assert_eq!(touched, Touched { next, passes });
        }
    }

    #[test]
    fn a_phase_is_one_flat_line() {
        let second = Duration::from_secs(1);
        let phase = Phase::new(second, second * 2, Area::new(0x1000, 0x3000), 7);
        assert_eq!(
            serde_json::to_string(&phase).unwrap(),
            r#"{"start_ns":1000000000,"end_ns":2000000000,"areas":[{"start":"0x1000","end":"0x3000","passes":7}]}"#
        );
        assert_eq!(phase.areas[0].area.range(), Some((0x1000, 0x3000)));
    }
}
