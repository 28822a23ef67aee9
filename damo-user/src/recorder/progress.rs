//! One line on a terminal that says how the recording goes.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use crate::model::units;

/// Redrawn at most once a second, and only if stderr is a terminal.
pub struct Progress {
    drawn: Option<Instant>,
    terminal: bool,
}

impl Progress {
    /// Nothing is drawn yet.
    pub fn new() -> Progress {
        Progress {
            drawn: None,
            terminal: stderr().is_terminal(),
        }
    }

    /// Whether it is time to draw: what the line says costs a system call.
    pub fn is_due(&self) -> bool {
        let second = Duration::from_secs(1);
        self.terminal && self.drawn.is_none_or(|at| at.elapsed() >= second)
    }

    /// Draws the line.
    pub fn draw(&mut self, elapsed: Duration, snapshots: u64, bytes: u64, lost: u64) {
        self.drawn = Some(Instant::now());
        let seconds = elapsed.as_secs();
        let size = units::format_size(bytes as f64);
        // A terminal that went away is no reason to stop recording.
        let _ = write!(
            stderr(),
            "\r{seconds} s  {snapshots} snapshots  {size}  lost {lost}\x1b[K"
        );
    }

    /// Clears the line.
    pub fn finish(&self) {
        if self.drawn.is_some() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
