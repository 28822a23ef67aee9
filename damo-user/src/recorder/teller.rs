//! Tells others how the recording goes: systemd, and `damo status --recorder`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use rustix::fs::statvfs;

use super::Plan;
use super::cpu_budget::Level;
use super::status::{Counted, Recorded, Status, StatusFile, Totals};
use crate::control::System;
use crate::control::ownership::By;
use crate::store::Stats;
use crate::sys::notify::Notifier;
use crate::sys::tell::tell;
use crate::sys::{clock, own};

/// Who is told.
pub struct Teller {
    notifier: Option<Notifier>,
    file: Option<StatusFile>,
    run: Option<PathBuf>,
    out: PathBuf,
    begun: Instant,
    begun_wall_ns: u64,
    before: Counted,
    rate: super::status::Rate,
}

/// How it goes, by counts.
pub struct Going<'a> {
    pub seen: u64,
    pub lost: u64,
    pub unseen: u64,
    pub left_out: [(&'static str, u64); 3],
    pub stats: Stats,
    pub lag_ns: u64,
    pub kdamonds: Vec<Recorded>,
    pub targets: u64,
    pub level: Level,
    pub segments: u64,
    pub said: &'a str,
}

impl Teller {
    /// Nobody is told before [`Teller::ready`].
    pub fn new(plan: &Plan, system: &System) -> Teller {
        let notifier = match plan.service.then(Notifier::from_env) {
            Some(Err(error)) => {
                tell(format_args!("damo: {error}"));
                None
            }
            other => other.and_then(Result::ok),
        };
        Teller {
            notifier,
            file: None,
            run: system.run.clone(),
            out: std::path::absolute(&plan.out).unwrap_or_else(|_| plan.out.clone()),
            begun: Instant::now(),
            begun_wall_ns: clock::wall_ns(),
            before: Counted::default(),
            rate: super::status::Rate::default(),
        }
    }

    /// It records.
    pub fn ready(&mut self, going: &Going<'_>) {
        self.before = counted(going);
        let status = self.status(going);
        if let Some(run) = &self.run {
            // No reason not to record.
            self.file = StatusFile::create(run, &status).ok();
        }
        self.notify(Notifier::ready);
    }

    /// Once a second.
    pub fn tell(&mut self, going: &Going<'_>) {
        let now = counted(going);
        self.rate = now.since(&self.before);
        self.before = now;
        let status = self.status(going);
        if let Some(file) = &mut self.file {
            let _ = file.update(Instant::now(), || status);
        }
        self.notify(Notifier::alive);
        self.notify(|notifier| notifier.status(going.said));
    }

    /// The next segment begins, since somebody asked for it.
    pub fn reloaded(&self) {
        self.notify(Notifier::reloading);
        self.notify(Notifier::ready);
    }

    /// It ends.
    pub fn stopping(&self) {
        self.notify(Notifier::stopping);
    }

    fn notify(&self, tell: impl Fn(&Notifier) -> std::io::Result<()>) {
        if let Some(notifier) = &self.notifier {
            // Who does not listen misses nothing of the record.
            let _ = tell(notifier);
        }
    }

    fn status(&self, going: &Going<'_>) -> Status {
        let nonzero = |causes: &[(&str, u64)]| -> BTreeMap<String, u64> {
            let some = causes.iter().filter(|(_, samples)| *samples > 0);
            some.map(|(cause, samples)| ((*cause).to_owned(), *samples))
                .collect()
        };
        let unwritten = going.stats.lost.saturating_sub(going.lost + going.unseen);
        let free = statvfs(self.out.parent().unwrap_or(&self.out));
        Status {
            by: By::myself(),
            begun_ns: self.begun_wall_ns,
            duration_ns: u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX),
            updated_ns: clock::monotonic_ns(),
            out: self.out.display().to_string(),
            kdamonds: going.kdamonds.clone(),
            targets: going.targets,
            detail: going.level,
            rate: self.rate,
            lag_ms: going.lag_ns / 1_000_000,
            totals: Totals {
                seen: going.seen + going.unseen,
                stored: going.stats.samples,
                lost: nonzero(&[
                    ("ring_full", going.lost),
                    ("unseen", going.unseen),
                    ("unwritten", unwritten),
                ]),
                left_out: nonzero(&going.left_out),
            },
            bytes: going.stats.bytes,
            segments: going.segments,
            free_bytes: free.ok().map(|it| it.f_bavail.saturating_mul(it.f_frsize)),
            rss_bytes: own::rss_bytes(),
        }
    }
}

fn counted(going: &Going<'_>) -> Counted {
    Counted {
        now_ns: clock::monotonic_ns(),
        events: going.seen,
        samples: going.stats.samples,
        cpu_ns: own::cpu_ns(),
    }
}
