//! The loop: from the ring, through the assembler, into the file.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use damo_ebpf::Kdamond;
use tokio::time::MissedTickBehavior;

use super::RecordError;
use super::children::Children;
use super::destination::Destination;
use super::kdamonds::{Kdamonds, Newcomer};
use super::progress::Progress;
use super::targets::{Targets, name_of};
use crate::control::Session;
use crate::model::{
    Gap, Happened, Happening, Item, Known, LossCause, Meta, Note, TargetInfo, TargetKey,
};
use crate::source::{Arrival, Assembler, SourceError, Tap, Told, What};
use crate::store::Stats;
use crate::sys::clock;
use crate::sys::readiness::Readiness;
use crate::watch::{Signals, after};

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
}

/// How often DAMON is asked whether it still runs.
const ASK: Duration = Duration::from_secs(1);

/// Moves events from the ring into the file.
pub struct Pump {
    tap: Tap,
    keeper: Keeper,
    children: Option<Children>,
    /// Of kdamonds that are gone.
    counted: Kdamond,
    untold: u64,
    meta: Meta,
    started: Instant,
}

/// What becomes of what arrives.
struct Keeper {
    assembler: Assembler,
    record: Destination,
    kdamonds: Kdamonds,
    targets: Targets,
    newcomers: Vec<Newcomer>,
    /// Threads that turned out not to be wanted.
    unwanted: Vec<u32>,
    forked: Vec<u32>,
    /// Samples of processes that were gone: since the last note, and in all.
    of_gone: u64,
    left_out: u64,
}

impl Pump {
    /// `meta`: what the record says about itself so far.
    pub fn new(
        tap: Tap,
        assembler: Assembler,
        record: Destination,
        kdamonds: Kdamonds,
        targets: Targets,
        children: Option<Children>,
        meta: Meta,
    ) -> Pump {
        Pump {
            tap,
            keeper: Keeper {
                assembler,
                record,
                kdamonds,
                targets,
                newcomers: Vec::new(),
                unwanted: Vec::new(),
                forked: Vec::new(),
                of_gone: 0,
                left_out: 0,
            },
            children,
            counted: Kdamond::default(),
            untold: 0,
            meta,
            started: Instant::now(),
        }
    }

    /// Gives the record its name.
    ///
    /// # Errors
    /// See [`Destination::keep`].
    pub fn keep(&mut self) -> Result<(), RecordError> {
        let now = clock::monotonic_ns();
        for tid in self.keeper.kdamonds.tids() {
            self.keeper.happened(now, tid, None, Happening::Began, 0);
        }
        Ok(self.keeper.record.keep()?)
    }

    /// Takes over what tells that the processes are gone.
    pub fn watch(&mut self, processes: Vec<(u32, OwnedFd)>) {
        self.keeper.targets.hold(processes);
    }

    /// Region samples that were left out on purpose.
    pub fn left_out(&self) -> u64 {
        self.keeper.left_out
    }

    /// Records until something ends it. `session` is that of a DAMON of our own.
    ///
    /// # Errors
    /// The disk failed, or the programs cannot be asked.
    pub async fn run(
        &mut self,
        mut session: Option<&mut Session>,
        timeout: Option<Duration>,
        signals: &mut Signals,
    ) -> Result<Ended, RecordError> {
        let ring = self.tap.as_fd().try_clone_to_owned();
        let ring = ring.and_then(Readiness::of).map_err(RecordError::Runtime)?;
        let ends = self.keeper.targets.ends().map_err(RecordError::Runtime)?;
        let over = after(timeout);
        tokio::pin!(over);
        let mut ticks = tokio::time::interval(self.tick());
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
                ready = ends.wait() => {
                    ready.map_err(RecordError::Runtime)?;
                    self.drain()?;
                    // Others' kdamonds end by themselves.
                    if session.is_some() && self.is_over() {
                        break Ended::Target;
                    }
                }
                ready = ring.wait() => {
                    ready.map_err(RecordError::Runtime)?;
                    self.drain()?;
                }
                _ = ticks.tick() => {
                    self.drain()?;
                    self.add_children(session.as_deref_mut())?;
                    if asked.elapsed() >= ASK {
                        asked = Instant::now();
                        self.look_around()?;
                        if session.is_none() && self.keeper.kdamonds.is_empty() {
                            break Ended::KdamondsEnded;
                        }
                        if session.as_deref().is_some_and(|it| !is_on(it)) {
                            break Ended::SwitchedOff;
                        }
                    }
                    self.keeper.record.tick(clock::monotonic_ns());
                    self.keeper.record.check_disk()?;
                    if progress.is_due() {
                        let stats = self.keeper.record.stats();
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
        // Two ends with one cause come in any order: DAMON switches itself off
        // with its last target, and a terminal's Ctrl-C ends the command too.
        let both = Duration::from_millis(100);
        let ended = match ended {
            Ended::SwitchedOff | Ended::KdamondsEnded => {
                let _ = tokio::time::timeout(both, ends.wait()).await;
                self.drain()?;
                match self.keeper.targets.are_all_gone() {
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

    /// How often to look at the ring without being notified: seldom enough to
    /// cost nothing, often enough for a frame to be written within its second.
    fn tick(&self) -> Duration {
        let infos = self.keeper.kdamonds.infos();
        let aggr_us = infos
            .iter()
            .filter_map(|info| Some(info.intervals?.aggr_us))
            .min();
        let half = Duration::from_micros(aggr_us.unwrap_or(0) / 2);
        half.clamp(Duration::from_millis(100), Duration::from_millis(500))
    }

    /// Whether nobody is left to be watched: no target, and no child of one.
    fn is_over(&mut self) -> bool {
        if !self.keeper.targets.are_all_gone() {
            return false;
        }
        // A child may have come in the last second, and live on.
        self.children
            .as_ref()
            .is_none_or(Children::are_none_waiting)
    }

    /// Moves everything that is in the ring, and sees who is gone.
    fn drain(&mut self) -> Result<(), RecordError> {
        let keeper = &mut self.keeper;
        self.tap.drain(|arrival| keeper.take(arrival));
        for newcomer in std::mem::take(&mut keeper.newcomers) {
            self.tap.record(newcomer.tid)?;
            for target in newcomer.targets {
                follow(&mut self.tap, &target)?;
                keeper.add_target(target);
            }
        }
        for tid in std::mem::take(&mut keeper.unwanted) {
            self.tap.ignore(tid)?;
        }
        let forked = std::mem::take(&mut keeper.forked);
        match &mut self.children {
            Some(children) => forked.into_iter().for_each(|pid| children.forked(pid)),
            // Nobody asks for them.
            None => {
                for pid in forked {
                    self.tap.unfollow(pid)?;
                }
            }
        }
        for pid in keeper.see_ends() {
            self.tap.unfollow(pid)?;
        }
        keeper.record.check_disk()
    }

    /// Has DAMON watch what the watched processes have begun.
    fn add_children(&mut self, session: Option<&mut Session>) -> Result<(), RecordError> {
        let (Some(children), Some(session)) = (&mut self.children, session) else {
            return Ok(());
        };
        let untold = self.tap.untold()?;
        if untold > self.untold {
            self.untold = untold;
            children.search(&self.keeper.targets);
        }
        if !children.are_due() {
            return Ok(());
        }
        // If the kdamond has ended, that is seen where it is asked for.
        let Ok((added, gone)) = children.add(session, &self.keeper.targets) else {
            return Ok(());
        };
        for target in added {
            follow(&mut self.tap, &target)?;
            self.keeper.add_target(target);
        }
        for pid in gone {
            self.tap.unfollow(pid)?;
        }
        Ok(())
    }

    /// Once a second: who has come, who has gone, who has another name.
    fn look_around(&mut self) -> Result<(), RecordError> {
        let now = clock::monotonic_ns();
        for tid in self.keeper.kdamonds.take_gone() {
            self.finish(tid, now)?;
            self.keeper.happened(now, tid, None, Happening::Ended, 0);
            self.keeper.targets.forget(tid);
            self.tap.forget(tid)?;
        }
        for target in self.keeper.kdamonds.look_again() {
            follow(&mut self.tap, &target)?;
            self.keeper.add_target(target);
        }
        for target in self.keeper.targets.renamed() {
            self.keeper.record.target(&target);
        }
        if let Some(infos) = self.keeper.kdamonds.changed() {
            for info in infos {
                let known = self.meta.kdamonds.iter_mut().find(|it| it.tid == info.tid);
                match known {
                    Some(known) => *known = info,
                    None => self.meta.kdamonds.push(info),
                }
            }
            self.keeper.record.meta(&self.meta);
        }
        self.keeper.tell_left_out(now);
        Ok(())
    }

    /// Ends a kdamond's part, with what the program counted of it.
    fn finish(&mut self, tid: u32, now_ns: u64) -> Result<(), RecordError> {
        let counters = self.tap.counters(tid)?;
        self.counted = sum(&self.counted, &counters);
        self.keeper.finish(tid, &counters, now_ns);
        Ok(())
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
    /// counts with what the BPF program counted, which is given back.
    pub fn stop(&mut self) -> Result<Kdamond, RecordError> {
        let drained = self.drain();
        self.tap.detach()?;
        // Whatever was reserved before detaching is committed by now.
        drained.and(self.drain())?;
        let now = clock::monotonic_ns();
        for tid in self.keeper.kdamonds.tids() {
            self.finish(tid, now)?;
        }
        self.keeper.tell_left_out(now);
        let untold = self.tap.untold()?;
        if untold > 0 {
            self.keeper
                .happened(now, 0, None, Happening::Untold, untold);
        }
        Ok(self.counted)
    }

    /// Closes the record, and waits for the disk.
    pub fn close(self) -> Result<Stats, RecordError> {
        let seen = self.counted.seen;
        self.keeper.record.close((seen > 0).then_some(seen))
    }
}

impl Keeper {
    fn take(&mut self, arrival: &Arrival) {
        let tid = match arrival {
            Arrival::Event(event) => event.kdamond,
            Arrival::Told(told) => match told.what {
                What::Fork(child) => return self.forked.push(child),
                What::Exit => return self.targets.exited(told.kdamond, told.time_ns),
                What::Exec => return,
                _ => told.kdamond,
            },
        };
        if !self
            .kdamonds
            .takes(tid)
            .unwrap_or_else(|| self.admit(tid, arrival))
        {
            return;
        }
        let Keeper {
            assembler,
            record,
            targets,
            of_gone,
            ..
        } = self;
        let mut keep = |item| keep(record, targets, of_gone, item);
        match arrival {
            Arrival::Event(event) => assembler.push(event, &mut keep),
            Arrival::Told(told) => {
                assembler.told(told, &mut keep);
                self.learn(told);
            }
        }
    }

    /// Whether a thread that was not known is to be recorded.
    fn admit(&mut self, tid: u32, arrival: &Arrival) -> bool {
        let Some(newcomer) = self.kdamonds.admit(tid) else {
            self.unwanted.push(tid);
            return false;
        };
        self.assembler
            .kdamond(tid, newcomer.intervals, newcomer.addr_unit);
        let time_ns = match arrival {
            Arrival::Event(event) => event.time_ns,
            Arrival::Told(told) => told.time_ns,
        };
        self.happened(time_ns, tid, None, Happening::Began, 0);
        self.newcomers.push(newcomer);
        true
    }

    /// Takes what the kernel's structures say.
    fn learn(&mut self, told: &Told) {
        self.kdamonds.told(told.kdamond, &told.what);
        if let What::Target { target_id, pid } = told.what {
            self.add_target(TargetInfo {
                target_id,
                pid: Some(pid),
                comm: name_of(Some(pid)),
                kdamond: told.kdamond,
                ..TargetInfo::default()
            });
        }
    }

    fn add_target(&mut self, target: TargetInfo) {
        if self
            .targets
            .add(target.clone(), None, clock::monotonic_ns())
        {
            self.record.target(&target);
        }
    }

    /// Notes whose processes are gone, and gives their ids.
    fn see_ends(&mut self) -> Vec<u32> {
        let gone = self.targets.look(clock::monotonic_ns());
        for (key, at_ns, _) in &gone {
            let TargetKey { kdamond, target_id } = *key;
            self.happened(*at_ns, kdamond, Some(target_id), Happening::TargetGone, 0);
        }
        gone.into_iter().map(|(.., pid)| pid).collect()
    }

    fn finish(&mut self, tid: u32, counters: &Kdamond, now_ns: u64) {
        let Keeper {
            assembler,
            record,
            targets,
            of_gone,
            ..
        } = self;
        let mut keep = |item| keep(record, targets, of_gone, item);
        assembler.finish(tid, Some(counters), now_ns, &mut keep);
    }

    fn tell_left_out(&mut self, now_ns: u64) {
        let samples = std::mem::take(&mut self.of_gone);
        self.left_out = self.left_out.saturating_add(samples);
        if samples > 0 {
            self.happened(now_ns, 0, None, Happening::DeadOut, samples);
        }
    }

    fn happened(
        &mut self,
        time_ns: u64,
        kdamond: u32,
        target_id: Option<u64>,
        what: Happening,
        value: u64,
    ) {
        let happened = Happened {
            kdamond,
            target_id,
            what,
            value,
        };
        self.record.item(&Item::Note(Note {
            time_ns,
            what: Known::Happened(happened),
        }));
    }
}

/// Puts an item into the record, unless it is of a process that was gone.
fn keep(record: &mut Destination, targets: &Targets, of_gone: &mut u64, item: Item) {
    let Item::Snapshot(snapshot) = &item else {
        return record.item(&item);
    };
    if !targets.is_of_gone(snapshot) {
        return record.item(&item);
    }
    *of_gone = of_gone.saturating_add(snapshot.regions.len() as u64);
    if snapshot.missing > 0 {
        record.item(&Item::Gap(Gap {
            target: Some(snapshot.target),
            start_ns: snapshot.start_ns,
            end_ns: snapshot.end_ns,
            events: Some(snapshot.missing.into()),
            cause: LossCause::RingFull,
        }));
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
