//! The loop: from the ring, through the assembler, into the file.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use damo_ebpf::Kdamond;
use tokio::time::MissedTickBehavior;

use super::RecordError;
use super::progress::Progress;
use super::signals::Signals;
use super::spool::Spool;
use crate::control::Session;
use crate::model::{Item, TargetInfo};
use crate::source::{Assembler, Tap};
use crate::store::{Stats, Writer};
use crate::sys::clock;
use crate::sys::process::Process;
use crate::sys::readiness::Readiness;

/// What ended a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every target is gone.
    Target,
    /// The time that was asked for is over.
    Timeout,
    /// SIGINT, SIGTERM or SIGHUP.
    Signal,
    /// Somebody else switched our kdamond off.
    SwitchedOff,
}

/// How often DAMON is asked whether it still runs.
const ASK: Duration = Duration::from_secs(1);

/// Moves events of one kdamond from its ring into its file.
pub struct Pump {
    tap: Tap,
    assembler: Assembler,
    writer: Writer<Spool>,
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
        writer: Writer<Spool>,
        kdamond: u32,
        targets: Vec<TargetInfo>,
    ) -> Pump {
        Pump {
            tap,
            assembler,
            writer,
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
        let over = async {
            match timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(over);
        let mut ticks = tokio::time::interval(tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked = Instant::now();
        let mut progress = Progress::new();
        let ended = loop {
            tokio::select! {
                ready = ring.wait() => {
                    ready.map_err(RecordError::Runtime)?;
                    self.drain()?;
                }
                _ = ticks.tick() => {
                    self.drain()?;
                    self.writer.tick(clock::monotonic_ns())?;
                    let stats = self.writer.stats();
                    progress.update(
                        self.started.elapsed(),
                        stats.snapshots,
                        stats.bytes,
                        self.tap.counters(self.kdamond)?.lost,
                    );
                    if asked.elapsed() >= ASK {
                        asked = Instant::now();
                        self.follow_names()?;
                        if !session.is_on()? {
                            break Ended::SwitchedOff;
                        }
                    }
                }
                result = &mut targets => {
                    result.map_err(RecordError::Runtime)?;
                    break Ended::Target;
                }
                () = &mut over => break Ended::Timeout,
                () = signals.next() => break Ended::Signal,
            }
        };
        progress.finish();
        // DAMON switches itself off with its last target; which of the two is
        // noticed first is chance.
        let both = Duration::from_millis(100);
        match ended {
            Ended::SwitchedOff if tokio::time::timeout(both, targets).await.is_ok() => {
                Ok(Ended::Target)
            }
            ended => Ok(ended),
        }
    }

    /// Moves everything that is in the ring.
    fn drain(&mut self) -> Result<(), RecordError> {
        let Pump {
            tap,
            assembler,
            writer,
            kdamond,
            ..
        } = self;
        let mut failed = None;
        let mut store = |item| {
            if failed.is_none() {
                failed = put(writer, &item).err();
            }
        };
        tap.drain(|event| {
            // Until ours was known, others' events were let through as well.
            if event.kdamond == *kdamond {
                assembler.push(event, &mut store);
            }
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// A process has another name after `exec`, as `sh -c 'exec …'` does it.
    fn follow_names(&mut self) -> Result<(), RecordError> {
        for target in &mut self.targets {
            let now = target
                .pid
                .and_then(|pid| Some(Process::find(pid).ok()?.comm));
            if now.is_some() && now != target.comm {
                target.comm = now;
                self.writer.target(target)?;
            }
        }
        Ok(())
    }

    /// After DAMON is off: takes what is left, reconciles the counts with the
    /// kernel's and closes the file.
    /// Gives what the file holds and what the BPF program counted.
    pub fn finish(mut self) -> Result<(Stats, Kdamond), RecordError> {
        self.drain()?;
        self.tap.detach()?;
        // Whatever was reserved before detaching is committed by now.
        self.drain()?;
        let counters = self.tap.counters(self.kdamond)?;
        let now = clock::monotonic_ns();
        let mut failed = None;
        let writer = &mut self.writer;
        self.assembler
            .finish(self.kdamond, Some(&counters), now, &mut |item| {
                if failed.is_none() {
                    failed = put(writer, &item).err();
                }
            });
        if let Some(error) = failed {
            return Err(error);
        }
        self.writer.clock(now, clock::wall_ns())?;
        let stats = self.writer.finish()?;
        self.writer
            .into_sink()
            .finish()
            .map_err(RecordError::Disk)?;
        Ok((stats, counters))
    }
}

fn put(writer: &mut Writer<Spool>, item: &Item) -> Result<(), RecordError> {
    match item {
        Item::Snapshot(snapshot) => writer.snapshot(snapshot)?,
        Item::Gap(gap) => writer.gap(gap)?,
    }
    Ok(())
}

/// Resolves when every one of these has become readable; never, if none.
async fn all_gone(pidfds: Vec<OwnedFd>) -> std::io::Result<()> {
    if pidfds.is_empty() {
        return std::future::pending().await;
    }
    for pidfd in pidfds {
        Readiness::of(pidfd)?.wait().await?;
    }
    Ok(())
}
