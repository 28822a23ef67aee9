//! The loop: from the ring, through the assembler, into the file.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use damo_ebpf::Kdamond;
use tokio::time::MissedTickBehavior;

use super::RecordError;
use super::destination::Destination;
use super::progress::Progress;
use super::sieve::Sieve;
use crate::control::Session;
use crate::model::TargetInfo;
use crate::source::{Assembler, Tap};
use crate::store::Stats;
use crate::sys::clock;
use crate::sys::process::Process;
use crate::sys::readiness::Readiness;
use crate::watch::{Signals, after, all_gone};

/// What ended a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every target is gone.
    Target,
    /// The time that was asked for is over.
    Timeout,
    /// SIGINT, SIGQUIT, SIGTERM or SIGHUP.
    Signal,
    /// Somebody else switched our kdamond off.
    SwitchedOff,
    /// As many snapshots as were asked for are taken.
    Count,
}

/// How often DAMON is asked whether it still runs.
const ASK: Duration = Duration::from_secs(1);

/// How long targets' names are looked at again.
const NAMES_SETTLE: Duration = Duration::from_secs(3);

/// Moves events of one kdamond from its ring into its file.
pub struct Pump {
    tap: Tap,
    assembler: Assembler,
    sieve: Sieve,
    record: Destination,
    kdamond: u32,
    targets: Vec<TargetInfo>,
    started: Instant,
}

impl Pump {
    /// `kdamond`: the thread id of ours; other kdamonds' events are dropped.
    /// `targets`: as the file tells of them so far.
    pub fn new(
        tap: Tap,
        assembler: Assembler,
        sieve: Sieve,
        record: Destination,
        kdamond: u32,
        targets: Vec<TargetInfo>,
    ) -> Pump {
        Pump {
            tap,
            assembler,
            sieve,
            record,
            kdamond,
            targets,
            started: Instant::now(),
        }
    }

    /// Records until something ends it. `gone` become readable when the
    /// targets are gone; with none of them the recording has no such end.
    pub async fn run(
        &mut self,
        session: &mut Session,
        gone: Vec<OwnedFd>,
        timeout: Option<Duration>,
        tick: Duration,
        signals: &mut Signals,
    ) -> Result<Ended, RecordError> {
        let ring = self.tap.as_fd().try_clone_to_owned();
        let ring = ring.and_then(Readiness::of).map_err(RecordError::Runtime)?;
        let targets = all_gone(gone);
        tokio::pin!(targets);
        let over = after(timeout);
        tokio::pin!(over);
        let mut ticks = tokio::time::interval(tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked = Instant::now();
        let mut progress = Progress::new();
        let ended = loop {
            tokio::select! {
                // In this order, so that Ctrl-C, which a terminal sends to the
                // command as well, is told from the command's own end.
                biased;
                () = signals.next() => break Ended::Signal,
                () = &mut over => break Ended::Timeout,
                result = &mut targets => {
                    result.map_err(RecordError::Runtime)?;
                    break Ended::Target;
                }
                ready = ring.wait() => {
                    ready.map_err(RecordError::Runtime)?;
                    self.drain()?;
                }
                _ = ticks.tick() => {
                    self.drain()?;
                    self.record.tick(clock::monotonic_ns());
                    self.record.check_disk()?;
                    self.follow_names();
                    if progress.is_due() {
                        let stats = self.record.stats();
                        progress.draw(
                            self.started.elapsed(),
                            stats.snapshots,
                            stats.bytes,
                            self.tap.counters(self.kdamond)?.lost,
                        );
                    }
                    if asked.elapsed() >= ASK {
                        asked = Instant::now();
                        if !session.is_on()? {
                            break Ended::SwitchedOff;
                        }
                    }
                }
            }
        };
        progress.finish();
        // Two ends with one cause come in any order: DAMON switches itself off
        // with its last target, and a terminal's Ctrl-C ends the command too.
        let both = Duration::from_millis(100);
        let ended = match ended {
            Ended::SwitchedOff if timeout_of(both, targets).await => Ended::Target,
            ended => ended,
        };
        match ended {
            Ended::Target if timeout_of(both, signals.next()).await => Ok(Ended::Signal),
            ended => Ok(ended),
        }
    }

    /// Moves everything that is in the ring.
    fn drain(&mut self) -> Result<(), RecordError> {
        let Pump {
            tap,
            assembler,
            sieve,
            record,
            kdamond,
            ..
        } = self;
        tap.drain(|event| {
            // Until ours was known, others' events were let through as well.
            if event.kdamond == *kdamond {
                assembler.push(event, &mut |item| record.item(&sieve.item(item)));
            }
        });
        self.record.check_disk()
    }

    /// A process has another name after `exec`, as `sh -c 'exec …'` does it at
    /// its start.
    fn follow_names(&mut self) {
        if self.started.elapsed() > NAMES_SETTLE {
            return;
        }
        for target in &mut self.targets {
            let now = target
                .pid
                .and_then(|pid| Some(Process::find(pid).ok()?.comm));
            if now.is_some() && now != target.comm {
                target.comm = now;
                self.record.target(target);
            }
        }
    }

    /// After DAMON is off: takes what is left and reconciles the counts with
    /// what the BPF program counted, which is given back.
    pub fn stop(&mut self) -> Result<Kdamond, RecordError> {
        let drained = self.drain();
        self.tap.detach()?;
        // Whatever was reserved before detaching is committed by now.
        drained.and(self.drain())?;
        let counters = self.tap.counters(self.kdamond)?;
        let (record, sieve) = (&mut self.record, &mut self.sieve);
        let now = clock::monotonic_ns();
        self.assembler
            .finish(self.kdamond, Some(&counters), now, &mut |item| {
                record.item(&sieve.item(item));
            });
        Ok(counters)
    }

    /// Region samples of which the filters left nothing.
    pub fn left_out(&self) -> u64 {
        self.sieve.left_out()
    }

    /// Closes the record, and waits for the disk.
    pub fn close(self) -> Result<Stats, RecordError> {
        let seen = self.tap.counters(self.kdamond).map(|counted| counted.seen);
        self.record
            .close(seen.ok().map(|seen| self.sieve.expected(seen)))
    }
}

/// Whether it comes in that time.
async fn timeout_of<T>(time: Duration, what: impl Future<Output = T>) -> bool {
    tokio::time::timeout(time, what).await.is_ok()
}
