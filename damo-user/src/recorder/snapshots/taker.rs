//! The loop: from DAMON's files into the record.

use std::time::{Duration, Instant};

use super::super::destination::Destination;
use super::super::progress::Progress;
use super::super::sieve::Sieve;
use super::super::{Ended, RecordError};
use super::View;
use crate::control::results::TriedRegions;
use crate::control::{Fresh, Session, System, Tried, tried_regions};
use crate::model::{Extra, Gap, Item, LossCause, Region, Snapshot, TargetInfo, TargetKey};
use crate::sys::clock;
use crate::sys::process::Process;
use crate::watch::{Ends, Signals, after, all_gone};

/// How often the record is written, and DAMON asked whether it still runs.
const TICK: Duration = Duration::from_secs(1);

/// Takes snapshots and writes them.
pub(super) struct Taker {
    pub system: System,
    pub views: Vec<View>,
    /// Thread ids of the kdamonds.
    pub tids: Vec<u32>,
    /// When the last snapshot of each kdamond ended.
    pub ends: Vec<u64>,
    pub first: bool,
    pub sieve: Sieve,
    /// Region samples that DAMON told of.
    pub seen: u64,
    /// As the file tells of them so far.
    pub targets: Vec<TargetInfo>,
    pub record: Destination,
}

impl Taker {
    /// Takes them until there are `count`, or something else ends it.
    pub async fn run(
        &mut self,
        session: &Session,
        gone: Ends,
        timeout: Option<Duration>,
        delay: Duration,
        count: u64,
        signals: &mut Signals,
    ) -> Result<Ended, RecordError> {
        let (targets, over) = (all_gone(gone), after(timeout));
        let next = tokio::time::sleep(delay);
        tokio::pin!(targets, over, next);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (started, mut progress, mut taken) = (Instant::now(), Progress::new(), 0);
        let ended = loop {
            tokio::select! {
                // In this order: see the pump's loop.
                biased;
                () = signals.next() => break Ended::Signal,
                () = &mut over => break Ended::Timeout,
                result = &mut targets => {
                    result.map_err(RecordError::Runtime)?;
                    break Ended::Target;
                }
                () = &mut next => {
                    // Somebody else's kdamond may have taken our folder.
                    if !session.is_on()? || !self.take()? {
                        break Ended::SwitchedOff;
                    }
                    taken += 1;
                    if taken >= count {
                        break Ended::Count;
                    }
                    next.as_mut().reset(tokio::time::Instant::now() + delay);
                }
                _ = ticks.tick() => {
                    self.record.tick(clock::monotonic_ns());
                    self.record.check_disk()?;
                    if progress.is_due() {
                        let stats = self.record.stats();
                        progress.draw(started.elapsed(), stats.snapshots, stats.bytes, stats.lost);
                    }
                    if !session.is_on()? {
                        break Ended::SwitchedOff;
                    }
                }
            }
        };
        progress.finish();
        // Two ends with one cause come in any order, as for the pump.
        let both = Duration::from_millis(100);
        let ended = match ended {
            Ended::SwitchedOff if tokio::time::timeout(both, targets).await.is_ok() => {
                Ended::Target
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

    /// One snapshot of each target; `false` if no kdamond is on any more.
    fn take(&mut self) -> Result<bool, RecordError> {
        self.follow_names();
        let mut any = false;
        for (k, tid) in self.tids.clone().into_iter().enumerate() {
            match tried_regions(&self.system, k)? {
                Tried::Fresh(fresh) => self.write(k, tid, &fresh),
                // What was not looked at is not known.
                Tried::Inactive | Tried::Busy => self.miss(k),
                Tried::Ended => continue,
            }
            any = true;
        }
        self.first = false;
        self.record.tick(clock::monotonic_ns());
        self.record.check_disk()?;
        Ok(any)
    }

    fn write(&mut self, k: usize, tid: u32, fresh: &Fresh) {
        let Some(last_ns) = self.ends.get_mut(k) else {
            return;
        };
        let aggr_ns = fresh.intervals.aggr_us.saturating_mul(1000);
        let start_ns = match self.first {
            // DAMON may be on for less, and has looked back no further.
            true => (*last_ns).max(fresh.end_ns.saturating_sub(aggr_ns)),
            false => *last_ns,
        };
        *last_ns = fresh.end_ns;
        for view in self.views.iter().filter(|view| view.kdamond == k) {
            let Some(tried) = fresh.schemes.get(view.scheme) else {
                continue;
            };
            let mut snapshot = Snapshot {
                target: TargetKey {
                    kdamond: tid,
                    target_id: view.target as u64,
                },
                start_ns: start_ns.min(fresh.end_ns),
                end_ns: fresh.end_ns,
                intervals: Some(fresh.intervals),
                missing: 0,
                regions: Vec::new(),
                extra: None,
            };
            fill(&mut snapshot, tried, view.passed);
            self.seen += tried.regions.len() as u64;
            let snapshot = self.sieve.pass(snapshot);
            self.record.item(&Item::Snapshot(snapshot));
        }
    }

    fn miss(&mut self, k: usize) {
        if let Some(last_ns) = self.ends.get_mut(k) {
            let start_ns = std::mem::replace(last_ns, clock::monotonic_ns());
            self.record.item(&Item::Gap(Gap {
                target: None,
                start_ns,
                end_ns: *last_ns,
                events: None,
                cause: LossCause::Unseen,
            }));
        }
    }

    /// A process has another name after `exec`.
    fn follow_names(&mut self) {
        for target in &mut self.targets {
            let process = target.pid.and_then(|pid| Process::find(pid).ok());
            let now = process.map(|process| process.comm);
            if now.is_some() && now != target.comm {
                target.comm = now;
                self.record.target(target);
            }
        }
    }
}

/// Puts regions of a scheme into a snapshot. Those of several targets come in
/// any order and may overlap: a record has no place for two regions at one
/// address, so the second counts as missing.
pub(in crate::recorder) fn fill(snapshot: &mut Snapshot, tried: &TriedRegions, passed: bool) {
    let mut regions: Vec<_> = tried.regions.iter().collect();
    regions.sort_by_key(|region| region.start);
    let mut extra = Extra::default();
    let mut total = 0u64;
    for region in regions {
        let last = snapshot.regions.last().map_or(0, |last| last.end);
        if region.start < last || region.end < region.start {
            snapshot.missing = snapshot.missing.saturating_add(1);
            continue;
        }
        let cut = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let kept = Region {
            start: region.start,
            end: region.end,
            nr_accesses: cut(region.nr_accesses_samples),
            age: Some(cut(region.age_aggr_intervals)),
        };
        total = total.saturating_add(kept.len());
        snapshot.regions.push(kept);
        // Without filters DAMON does not count it, and says 0.
        extra
            .filter_passed
            .push(region.sz_filter_passed_bytes.filter(|_| passed));
        extra
            .probe_hits
            .push(region.probe_hits.iter().copied().map(cut).collect());
    }
    if extra.filter_passed.iter().all(Option::is_none) {
        extra.filter_passed.clear();
    }
    if extra.probe_hits.iter().all(Vec::is_empty) {
        extra.probe_hits.clear();
    }
    extra.total_bytes = Some(tried.total_bytes).filter(|told| *told != total);
    if extra != Extra::default() {
        snapshot.extra = Some(Box::new(extra));
    }
}
