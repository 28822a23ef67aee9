//! What is written of what was put together: not what a filter keeps out, what
//! DAMON says of processes that are gone, or what costs too much. All of it is
//! counted, and the record says so in its place.

use std::collections::HashMap;

use super::Plan;
use super::cpu_budget::Level;
use super::destination::Destination;
use super::merge::merge;
use super::sieve::Sieve;
use super::summary::Summarizer;
use super::targets::Targets;
use crate::model::{
    Gap, Happened, Happening, Item, Known, LossCause, Note, Snapshot, TargetInfo, TargetKey,
};
use crate::source::{SourceError, Summaries};
use crate::store::Stats;
use crate::sys::clock;

/// The way into the record.
pub struct Outlet {
    pub record: Destination,
    pub targets: Targets,
    /// What the program counts, where it passes no regions on.
    pub summary: Option<Summarizer>,
    sieve: Sieve,
    level: Level,
    access: bool,
    /// Snapshots of each target, counted while only some are kept.
    numbers: HashMap<TargetKey, u64>,
    of_gone: Counter,
    of_filters: Counter,
    of_detail: Counter,
}

/// Region samples that were left out, and how many of them were told of.
#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    all: u64,
    told: u64,
}

impl Outlet {
    /// Nothing is written yet.
    pub fn new(record: Destination, targets: Targets, plan: &Plan) -> Outlet {
        Outlet {
            record,
            targets,
            summary: (plan.summary).map(|every| Summarizer::new(every, clock::monotonic_ns())),
            sieve: Sieve::new(plan.filters.clone()),
            level: Level::Full,
            access: plan.access,
            numbers: HashMap::new(),
            of_gone: Counter::default(),
            of_filters: Counter::default(),
            of_detail: Counter::default(),
        }
    }

    /// Writes an item, or leaves it out.
    pub fn item(&mut self, item: Item) {
        match item {
            Item::Snapshot(snapshot) => self.snapshot(snapshot),
            Item::Note(note) => {
                let note = match &mut self.summary {
                    Some(summary) => summary.hold(note),
                    None => Some(note),
                };
                if let Some(note) = note {
                    self.record.item(&Item::Note(note));
                }
            }
            gap @ Item::Gap(_) => self.record.item(&gap),
        }
    }

    /// Reads what the program has counted, and writes it: of all kdamonds that
    /// `takes` takes, or of one for the last time.
    ///
    /// # Errors
    /// The program's maps cannot be read.
    pub fn sum_up(
        &mut self,
        last: Option<u32>,
        now_ns: u64,
        summaries: &mut Summaries,
        takes: impl Fn(u32) -> Option<bool>,
    ) -> Result<(), SourceError> {
        let Some(summary) = &mut self.summary else {
            return Ok(());
        };
        let record = &mut self.record;
        let mut write = |note| record.item(&Item::Note(note));
        self.of_gone.all += match last {
            Some(tid) => summary.finish(tid, now_ns, summaries, &mut write)?,
            None => summary.read(now_ns, summaries, takes, &mut write)?,
        };
        Ok(())
    }

    /// What was kept and lost so far, in the record or in its summaries.
    pub fn stats(&self) -> Stats {
        let mut stats = self.record.stats();
        if let Some(totals) = self.summary.as_ref().map(Summarizer::totals) {
            stats.snapshots = stats.snapshots.saturating_add(totals.snapshots);
            stats.samples = stats.samples.saturating_add(totals.regions);
        }
        stats
    }

    fn snapshot(&mut self, snapshot: Snapshot) {
        let regions = snapshot.regions.len() as u64;
        if self.targets.is_of_gone(&snapshot) {
            self.of_gone.all += regions;
            return self.missing(&snapshot);
        }
        if !self.access {
            self.of_filters.all += regions;
            return self.missing(&snapshot);
        }
        if self.level >= (Level::FewerSnapshots { one_in: 1 }) {
            let number = self.numbers.entry(snapshot.target).or_default();
            let kept = self.level.keeps(*number);
            *number += 1;
            if !kept {
                self.of_detail.all += regions;
                return self.missing(&snapshot);
            }
        }
        let mut snapshot = self.sieve.pass(snapshot);
        if self.level.merges_regions() {
            self.of_detail.all += merge(&mut snapshot);
        }
        self.of_filters.all = self.of_filters.all.max(self.sieve.left_out());
        self.record.item(&Item::Snapshot(snapshot));
    }

    /// What is missing from a snapshot that is left out is lost all the same.
    fn missing(&mut self, snapshot: &Snapshot) {
        if snapshot.missing > 0 {
            self.record.item(&Item::Gap(Gap {
                target: Some(snapshot.target),
                start_ns: snapshot.start_ns,
                end_ns: snapshot.end_ns,
                events: Some(snapshot.missing.into()),
                cause: LossCause::RingFull,
            }));
        }
    }

    /// From now on there is this level of detail.
    pub fn set_level(&mut self, level: Level, now_ns: u64) {
        self.level = level;
        self.numbers.clear();
        self.happened(now_ns, 0, None, Happening::Detail, level.code());
    }

    /// How much detail there is.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Region samples that were left out, by cause.
    pub fn left_out(&self) -> [(&'static str, u64); 3] {
        [
            ("target_gone", self.of_gone.all),
            ("filter", self.of_filters.all),
            ("max_cpu", self.of_detail.all),
        ]
    }

    /// How many region samples the file is to hold, of so many that were seen.
    pub fn expected(&self, seen: u64) -> u64 {
        let rest = seen.saturating_sub(self.of_gone.all.saturating_add(self.of_detail.all));
        self.sieve.expected(rest)
    }

    /// Writes down what was left out since the last time.
    pub fn tell_left_out(&mut self, now_ns: u64) {
        for (counter, what) in [
            (self.of_gone, Happening::DeadOut),
            (self.of_filters, Happening::FilteredOut),
            (self.of_detail, Happening::DetailOut),
        ] {
            let samples = counter.all.saturating_sub(counter.told);
            if samples > 0 {
                self.happened(now_ns, 0, None, what, samples);
            }
        }
        for counter in [&mut self.of_gone, &mut self.of_filters, &mut self.of_detail] {
            counter.told = counter.all;
        }
    }

    /// Writes down what happened.
    pub fn happened(
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

    /// Adds a target, unless it is known.
    pub fn add_target(&mut self, target: TargetInfo) {
        if self
            .targets
            .add(target.clone(), None, clock::monotonic_ns())
        {
            self.record.target(&target);
            if let Some(summary) = &mut self.summary {
                summary.back(target.key());
            }
        }
    }

    /// Another kdamond has taken the place of one, with the same targets. Gives
    /// whether there are any.
    pub fn move_targets(&mut self, from: u32, to: u32) -> bool {
        self.numbers.retain(|key, _| key.kdamond != from);
        let moved = self.targets.move_to(from, to);
        moved.iter().for_each(|target| self.record.target(target));
        !moved.is_empty()
    }

    /// A kdamond is gone, and its targets with it.
    pub fn forget(&mut self, kdamond: u32) {
        self.targets.forget(kdamond);
        self.numbers.retain(|key, _| key.kdamond != kdamond);
    }

    /// All kdamonds are gone, and their targets with them.
    pub fn forget_all(&mut self) {
        self.targets.forget_all();
        self.numbers.clear();
    }

    /// Writes down whose processes are gone, and gives their ids.
    pub fn see_ends(&mut self) -> Vec<u32> {
        let gone = self.targets.look(clock::monotonic_ns());
        for (key, at_ns, _) in &gone {
            let TargetKey { kdamond, target_id } = *key;
            self.happened(*at_ns, kdamond, Some(target_id), Happening::TargetGone, 0);
            if let Some(summary) = &mut self.summary {
                summary.gone(*key);
            }
        }
        gone.into_iter().map(|(.., pid)| pid).collect()
    }
}
