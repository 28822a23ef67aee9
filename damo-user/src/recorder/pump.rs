//! The loop: from the ring, through the assembler, into the file.

mod anew;
mod followed;
mod rounds;

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use damo_ebpf::Kdamond;
use tokio::time::MissedTickBehavior;

use super::RecordError;
use super::anew::Anew;
use super::aside::Aside;
use super::children::Children;
use super::cpu_budget::Budget;
use super::kdamonds::Kdamonds;
use super::keeper::Keeper;
use super::outlet::Outlet;
use super::progress::Progress;
use super::teller::Teller;
use crate::control::Session;
use crate::model::{Happening, TargetInfo};
use crate::source::{Assembler, SourceError, Tap};
use crate::store::Stats;
use crate::sys::clock;
use crate::sys::readiness::Readiness;
use crate::watch::{Ends, Signals, after};

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
    /// Every kdamond that others had begun has ended.
    KdamondsEnded,
    /// As many snapshots as were asked for are taken.
    Count,
}

/// How often DAMON is asked whether it still runs.
const ASK: Duration = Duration::from_secs(1);

/// Moves events from the ring into the file.
pub struct Pump {
    tap: Tap,
    keeper: Keeper,
    children: Option<Children>,
    anew: Option<Anew>,
    aside: Aside,
    teller: Teller,
    budget: Option<Budget>,
    /// Waits for DAMON when it is off, and switches its own on again.
    service: bool,
    /// Our kdamonds' latest threads, by number.
    ours: BTreeMap<usize, u32>,
    /// Of kdamonds that are gone.
    counted: Kdamond,
    untold: u64,
    /// Of the oldest event when it was taken from the ring, since it was told.
    lag_ns: u64,
    segment: u32,
    started: Instant,
}

/// What a pump is made of.
pub struct Parts {
    pub tap: Tap,
    pub assembler: Assembler,
    pub kdamonds: Kdamonds,
    pub children: Option<Children>,
    /// How to switch DAMON on again, if it is ours.
    pub anew: Option<Anew>,
    pub outlet: Outlet,
    pub aside: Aside,
    pub teller: Teller,
    /// Threads of our kdamonds that are on, in order.
    pub ours: Vec<u32>,
}

impl Pump {
    /// `max_cpu`: the share of a processor that may be used.
    pub fn new(parts: Parts, service: bool, max_cpu: Option<f64>) -> Pump {
        Pump {
            tap: parts.tap,
            ours: parts.ours.into_iter().enumerate().collect(),
            keeper: Keeper::new(parts.assembler, parts.outlet, parts.kdamonds),
            children: parts.children,
            anew: parts.anew,
            aside: parts.aside,
            teller: parts.teller,
            budget: max_cpu.map(Budget::new),
            service,
            counted: Kdamond::default(),
            untold: 0,
            lag_ns: 0,
            segment: 0,
            started: Instant::now(),
        }
    }

    /// Gives the record its name.
    ///
    /// # Errors
    /// See [`Destination::keep`](super::destination::Destination::keep).
    pub fn keep(&mut self) -> Result<(), RecordError> {
        let now = clock::monotonic_ns();
        for tid in self.keeper.kdamonds.tids() {
            self.keeper
                .outlet
                .happened(now, tid, None, Happening::Began, 0);
        }
        self.keeper.outlet.record.keep()?;
        self.tell(Teller::ready)
    }

    /// Takes over what tells that the processes are gone.
    pub fn watch(&mut self, processes: Ends) {
        self.keeper.outlet.targets.hold(processes);
    }

    /// Region samples that were left out on purpose.
    pub fn left_out(&self) -> u64 {
        let causes = self.keeper.outlet.left_out();
        causes.iter().map(|(_, samples)| samples).sum()
    }

    /// Records until something ends it. `session` is that of a DAMON of our own,
    /// if it is on.
    ///
    /// # Errors
    /// The disk failed, or the programs cannot be asked.
    pub async fn run(
        &mut self,
        session: &mut Option<Session>,
        timeout: Option<Duration>,
        signals: &mut Signals,
    ) -> Result<Ended, RecordError> {
        let ring = self.tap.as_fd().try_clone_to_owned();
        let ring = ring.and_then(Readiness::of).map_err(RecordError::Runtime)?;
        let ends = self
            .keeper
            .outlet
            .targets
            .ends()
            .map_err(RecordError::Runtime)?;
        let over = after(timeout);
        tokio::pin!(over);
        let mut ticks = tokio::time::interval(self.tick());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked = Instant::now();
        let mut progress = Progress::new();
        if let Some(ours) = session.as_mut().filter(|_| self.service) {
            ours.remember();
        }
        let ended = loop {
            tokio::select! {
                // In this order, so that Ctrl-C, which a terminal sends to the
                // command as well, is told from the command's own end.
                biased;
                rotate = signals.next_or_hangup() => match rotate {
                    true => {
                        self.keeper.outlet.record.rotate_soon();
                        self.teller.reloaded();
                    }
                    false => break Ended::Signal,
                },
                () = &mut over => break Ended::Timeout,
                ready = ends.wait() => {
                    ready.map_err(RecordError::Runtime)?;
                    if self.drain_to_the_end(session.is_some())? {
                        break Ended::Target;
                    }
                }
                ready = ring.wait() => {
                    ready.map_err(RecordError::Runtime)?;
                    if self.drain_to_the_end(session.is_some())? {
                        break Ended::Target;
                    }
                }
                _ = ticks.tick() => {
                    if self.drain_to_the_end(session.is_some())? {
                        break Ended::Target;
                    }
                    self.keep_up(session)?;
                    if self.add_children(session)? {
                        break Ended::Target;
                    }
                    self.keep_to_budget();
                    if asked.elapsed() >= ASK {
                        asked = Instant::now();
                        self.look_around()?;
                        self.revive(session)?;
                        if let Some(ended) = self.is_damon_off(session)? {
                            break ended;
                        }
                        self.tell(Teller::tell)?;
                    }
                    self.keeper.outlet.record.tick(clock::monotonic_ns());
                    self.keeper.outlet.record.check_disk()?;
                    if progress.is_due() {
                        let stats = self.keeper.outlet.stats();
                        progress.draw(
                            self.started.elapsed(),
                            stats.snapshots,
                            stats.bytes,
                            self.counters()?.lost,
                        );
                    }
                }
            }
        };
        progress.finish();
        self.teller.stopping();
        // Two ends with one cause come in any order: DAMON switches itself off
        // with its last target, and a terminal's Ctrl-C ends the command too.
        let both = Duration::from_millis(100);
        let ended = match ended {
            Ended::SwitchedOff | Ended::KdamondsEnded => {
                let _ = tokio::time::timeout(both, ends.wait()).await;
                self.drain()?;
                match self.keeper.outlet.targets.are_all_gone() {
                    true => Ended::Target,
                    false => ended,
                }
            }
            ended => ended,
        };
        match ended {
            Ended::Target if tokio::time::timeout(both, signals.next()).await.is_ok() => {
                Ok(Ended::Signal)
            }
            ended => Ok(ended),
        }
    }

    /// Whether there is nothing to record any more, and nothing to wait for.
    fn is_damon_off(
        &mut self,
        session: &mut Option<Session>,
    ) -> Result<Option<Ended>, RecordError> {
        if self.follow().is_some() {
            return self.is_followed_off(session);
        }
        Ok(match session {
            // A service waits for others' kdamonds, and for ours to be on again.
            _ if self.service => None,
            None => self
                .keeper
                .kdamonds
                .is_empty()
                .then_some(Ended::KdamondsEnded),
            Some(session) => (!is_on(session)).then_some(Ended::SwitchedOff),
        })
    }

    /// How often to look at the ring without being notified: seldom enough to
    /// cost nothing, often enough for a frame to be written within its second.
    fn tick(&self) -> Duration {
        if self.keeper.outlet.summary.is_some() {
            // Nothing waits in the ring for long that cannot wait.
            return ASK;
        }
        let infos = self.keeper.kdamonds.infos();
        let to_come = self.anew.as_ref().and_then(Anew::context);
        let aggr_us = infos
            .iter()
            .filter_map(|info| Some(info.intervals?.aggr_us))
            .min()
            .or(to_come.map(|context| context.intervals.aggr_us));
        let half = Duration::from_micros(aggr_us.unwrap_or(0) / 2);
        half.clamp(Duration::from_millis(100), Duration::from_millis(500))
    }

    /// Drains, and sees whether nobody is left to be watched by a DAMON of our
    /// own: no target, and no child of one. Whoever drains first learns of it,
    /// and the others do not. Others' kdamonds end by themselves.
    fn drain_to_the_end(&mut self, is_ours: bool) -> Result<bool, RecordError> {
        self.drain()?;
        // A child may have come in the last second, and live on.
        let children = self.children.as_ref();
        Ok(is_ours
            && self.follow().is_none()
            && self.keeper.outlet.targets.are_all_gone()
            && children.is_none_or(Children::are_none_waiting))
    }

    /// Moves everything that is in the ring, and sees who is gone.
    fn drain(&mut self) -> Result<(), RecordError> {
        let keeper = &mut self.keeper;
        self.tap.drain(|arrival| keeper.take(arrival));
        if let Some(first_ns) = keeper.first_ns.take() {
            let lag_ns = clock::monotonic_ns().saturating_sub(first_ns);
            self.lag_ns = self.lag_ns.max(lag_ns);
        }
        for newcomer in std::mem::take(&mut keeper.newcomers) {
            self.tap.record(newcomer.tid)?;
            for target in newcomer.targets {
                follow(&mut self.tap, &target)?;
                keeper.outlet.add_target(target);
            }
        }
        for tid in std::mem::take(&mut keeper.unwanted) {
            self.tap.ignore(tid)?;
        }
        self.see_beginnings()?;
        for pid in self.keeper.outlet.see_ends() {
            self.tap.unfollow(pid)?;
        }
        if let Some(summary) = &mut self.keeper.outlet.summary {
            summary.mark(self.tap.summaries())?;
        }
        self.keeper.outlet.record.check_disk()
    }

    /// What the program has counted of all kdamonds.
    fn counters(&self) -> Result<Kdamond, RecordError> {
        let mut all = self.counted;
        for tid in self.keeper.kdamonds.tids() {
            all = sum(&all, &self.tap.counters(tid)?);
        }
        Ok(all)
    }

    /// After DAMON is off, if it was ours: takes what is left and reconciles the
    /// counts with what the BPF program counted, which is given back. A disk that
    /// has failed is told at the end: what it did not take is counted all the same.
    pub fn stop(&mut self) -> Result<Kdamond, RecordError> {
        let drained = self.drain();
        self.tap.detach()?;
        // Whatever was reserved before detaching is committed by now.
        let drained = drained.and(self.drain());
        let now = clock::monotonic_ns();
        for tid in self.keeper.kdamonds.tids() {
            self.finish(tid, now)?;
        }
        self.keeper.outlet.tell_left_out(now);
        let untold = self.tap.untold()?;
        if untold > 0 {
            let outlet = &mut self.keeper.outlet;
            outlet.happened(now, 0, None, Happening::Untold, untold);
        }
        drained.map(|()| self.counted)
    }

    /// Closes the record, and waits for the disk.
    pub fn close(self) -> Result<Stats, RecordError> {
        let outlet = self.keeper.outlet;
        let seen = (self.counted.seen > 0 && outlet.summary.is_none())
            .then(|| outlet.expected(self.counted.seen));
        let totals = outlet.summary.map(|it| it.totals()).unwrap_or_default();
        let mut stats = outlet.record.close(seen)?;
        stats.snapshots = stats.snapshots.saturating_add(totals.snapshots);
        stats.samples = stats.samples.saturating_add(totals.regions);
        Ok(stats)
    }
}

fn follow(tap: &mut Tap, target: &TargetInfo) -> Result<(), SourceError> {
    match target.pid {
        Some(pid) => tap.follow(pid),
        None => Ok(()),
    }
}

/// What cannot be asked for now runs: it is asked again soon.
fn is_on(session: &Session) -> bool {
    session.is_on().unwrap_or(true)
}

fn sum(one: &Kdamond, other: &Kdamond) -> Kdamond {
    Kdamond {
        seen: one.seen + other.seen,
        lost: one.lost + other.lost,
        unseen: one.unseen + other.unseen,
        wakeups: one.wakeups + other.wakeups,
        told: one.told + other.told,
        told_lost: one.told_lost + other.told_lost,
        ..Kdamond::default()
    }
}
