//! One line on a terminal for what takes over a second.

use std::fmt::Arguments;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// A line that is drawn each second, from the first on, if standard error is a
/// terminal. It is gone when this is dropped.
pub struct Progress {
    /// When it was drawn, or work began; `None` where nobody sees it.
    since: Option<Instant>,
    drawn: bool,
}

impl Default for Progress {
    /// Work begins.
    fn default() -> Self {
        Progress {
            since: stderr().is_terminal().then(Instant::now),
            drawn: false,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Progress {
    /// One that is never drawn.
    pub fn hidden() -> Progress {
        Progress {
            since: None,
            drawn: false,
        }
    }

    /// Whether it is time to draw.
    pub fn is_due(&self) -> bool {
        let second = |since: Instant| since.elapsed() >= Duration::from_secs(1);
        self.since.is_some_and(second)
    }

    /// Draws the line.
    pub fn draw(&mut self, text: Arguments<'_>) {
        self.since = Some(Instant::now());
        self.drawn = true;
        // A terminal that went away is no reason to fail.
        let _ = write!(stderr(), "\r{text}\x1b[K");
    }

    /// Clears the line.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
