//! When DAMON may be switched on for a recording that goes on: each try that fails, and
//! each time that does not last, has the next one wait twice as long.

use std::time::{Duration, Instant};

use crate::sys::tell::tell;

/// Least time between two tries.
const LEAST: Duration = Duration::from_secs(1);

/// How long the last ones wait, and what counts as having lasted.
const LATE: Duration = Duration::from_secs(60);

/// The pace of these tries, and what is said of them.
#[derive(Debug)]
pub struct Pace {
    first: Duration,
    pause: Duration,
    /// When it may be tried.
    after: Instant,
    /// Since when it is on; `None` while it is waited for.
    since: Option<Instant>,
    /// What was said last.
    said: Option<String>,
}

impl Pace {
    /// DAMON is on, or may be switched on at once. The first try after that waits
    /// for `first`.
    pub fn new(first: Duration) -> Pace {
        let now = Instant::now();
        Pace {
            first,
            pause: first,
            after: now,
            since: Some(now),
            said: None,
        }
    }

    /// Whether it may be tried.
    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.after
    }

    /// It is being tried.
    pub fn tried(&mut self, now: Instant) {
        self.after = now + LEAST;
    }

    /// It is on.
    pub fn begun(&mut self, now: Instant) {
        (self.since, self.said) = (Some(now), None);
    }

    /// Somebody else has switched it off. This may be noticed more than once: gives
    /// whether it was on.
    pub fn lost(&mut self, now: Instant) -> bool {
        let was_on = self.since.is_some();
        if was_on {
            self.wait(now);
        }
        was_on
    }

    /// It cannot be switched on now.
    pub fn wait(&mut self, now: Instant) {
        let since = self.since.take();
        // One that was on for long was not switched off by one who goes on doing so.
        if since.is_some_and(|since| now.duration_since(since) > LATE) {
            self.pause = self.first;
        }
        self.after = now + self.pause;
        self.pause = (self.pause * 2).min(LATE);
    }

    /// Tells something, once.
    pub fn tell(&mut self, text: String) {
        if self.said.as_ref() != Some(&text) {
            tell(format_args!("damo: {text}"));
            self.said = Some(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How long the next try waits.
    fn wait(pace: &Pace, now: Instant) -> u64 {
        let mut seconds = 0;
        while !pace.is_due(now + SECOND * seconds) {
            seconds += 1;
        }
        u64::from(seconds)
    }

    #[test]
    fn each_try_waits_twice_as_long_until_it_has_lasted() {
        let mut pace = Pace::new(SECOND);
        let mut now = Instant::now();
        assert!(pace.is_due(now));
        let mut waits = Vec::new();
        for _ in 0..8 {
            assert!(pace.lost(now));
            assert!(!pace.lost(now + SECOND / 2));
            waits.push(wait(&pace, now));
            now += SECOND * 60;
            pace.begun(now);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        now += LATE + SECOND;
        pace.lost(now);
        assert_eq!(wait(&pace, now), 1);
        // One that fails waits, too, however long it takes.
        for seconds in [2, 4, 8, 16, 32, 60, 60] {
            pace.tried(now);
            assert_eq!(wait(&pace, now), 1);
            pace.wait(now);
            assert_eq!(wait(&pace, now), seconds);
        }
    }
}
