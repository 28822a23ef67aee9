//! Summaries instead of snapshots: what the BPF program has counted of each
//! target, read so often, and written as its difference from the time before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use damo_ebpf::summary::{PAGE, Summary};

use crate::model::{Figure, Known, Note, Summed, TargetKey};
use crate::source::{SourceError, Summaries};

/// Reads summaries, and says what was counted since the last time.
#[derive(Debug)]
pub struct Summarizer {
    every_ns: u64,
    /// When to read next.
    due_ns: u64,
    /// What the next summaries begin with.
    since_ns: u64,
    /// As they were read last.
    before: BTreeMap<TargetKey, Box<Summary>>,
    /// Whose processes are gone, and are still counted.
    gone: BTreeSet<TargetKey>,
    /// Whose processes are others now, and are not counted yet.
    back: BTreeSet<TargetKey>,
    /// What the kernel told last of each scheme, and of tuned intervals.
    held: BTreeMap<(u8, u32, u32, u32), Note>,
    totals: Totals,
}

/// What was written so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Whole snapshots that were counted.
    pub snapshots: u64,
    /// Regions that were counted.
    pub regions: u64,
}

impl Summarizer {
    /// Begins now.
    pub fn new(every: Duration, now_ns: u64) -> Summarizer {
        let every_ns = u64::try_from(every.as_nanos()).unwrap_or(u64::MAX);
        Summarizer {
            every_ns,
            due_ns: now_ns.saturating_add(every_ns),
            since_ns: now_ns,
            before: BTreeMap::new(),
            gone: BTreeSet::new(),
            back: BTreeSet::new(),
            held: BTreeMap::new(),
            totals: Totals::default(),
        }
    }

    /// Whether it is time to read.
    pub fn is_due(&self, now_ns: u64) -> bool {
        now_ns >= self.due_ns
    }

    /// When it was read last.
    pub fn since_ns(&self) -> u64 {
        self.since_ns
    }

    /// What was written so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Keeps a note back that only its latest state is wanted of; gives others
    /// back.
    pub fn hold(&mut self, note: Note) -> Option<Note> {
        let of = match &note.what {
            Known::Tuned(it) => (0, it.kdamond, 0, 0),
            Known::Scheme(it) => (1, it.kdamond, it.context, it.scheme),
            Known::Quota(it) => (2, it.kdamond, it.context, it.scheme),
            _ => return Some(note),
        };
        self.held.insert(of, note);
        None
    }

    /// The process of a target is gone: DAMON goes on reporting its memory as
    /// idle, which is of nobody.
    pub fn gone(&mut self, target: TargetKey) {
        self.back.remove(&target);
        self.gone.insert(target);
    }

    /// A target has a process from now on, perhaps another one.
    pub fn back(&mut self, target: TargetKey) {
        self.gone.remove(&target);
        self.back.insert(target);
    }

    /// Has the program know who is gone, and who is back.
    ///
    /// # Errors
    /// The maps cannot be written.
    pub fn mark(&mut self, summaries: &mut Summaries) -> Result<(), SourceError> {
        for target in std::mem::take(&mut self.back) {
            if summaries.get(target)?.is_some_and(|it| it.left_out != 0) {
                summaries.remove(target)?;
                self.before.remove(&target);
            }
        }
        for target in std::mem::take(&mut self.gone) {
            // One of which nothing was counted yet may still come.
            if summaries.leave_out(target)?.is_none() {
                self.gone.insert(target);
            }
        }
        Ok(())
    }

    /// Reads everything that is of kdamonds that `takes` takes, and gives `out`
    /// what was counted since the last time. Gives how many regions were left out.
    ///
    /// # Errors
    /// The maps cannot be read.
    pub fn read(
        &mut self,
        now_ns: u64,
        summaries: &mut Summaries,
        takes: impl Fn(u32) -> Option<bool>,
        out: &mut impl FnMut(Note),
    ) -> Result<u64, SourceError> {
        let mut left_out = 0u64;
        for target in summaries.keys()? {
            match takes(target.kdamond) {
                Some(true) => {
                    if let Some(now) = summaries.get(target)? {
                        left_out = left_out.saturating_add(self.tell(target, now, now_ns, out));
                    }
                }
                Some(false) => summaries.remove(target)?,
                // Whether it is wanted will be known soon.
                None => {}
            }
        }
        std::mem::take(&mut self.held)
            .into_values()
            .for_each(&mut *out);
        self.step(now_ns);
        Ok(left_out)
    }

    /// What comes next begins now.
    fn step(&mut self, now_ns: u64) {
        self.since_ns = now_ns;
        self.due_ns = self.due_ns.saturating_add(self.every_ns);
        if self.due_ns <= now_ns {
            // Nobody looked for a while: the machine was asleep.
            self.due_ns = now_ns.saturating_add(self.every_ns);
        }
    }

    /// Reads what there is of a kdamond for the last time, as [`Self::read`] does.
    ///
    /// # Errors
    /// The maps cannot be read or written.
    pub fn finish(
        &mut self,
        tid: u32,
        now_ns: u64,
        summaries: &mut Summaries,
        out: &mut impl FnMut(Note),
    ) -> Result<u64, SourceError> {
        let mut left_out = 0u64;
        for target in summaries.keys()? {
            if target.kdamond != tid {
                continue;
            }
            if let Some(now) = summaries.get(target)? {
                left_out = left_out.saturating_add(self.tell(target, now, now_ns, out));
            }
            summaries.remove(target)?;
            self.before.remove(&target);
        }
        self.held
            .extract_if(.., |(_, kdamond, ..), _| *kdamond == tid)
            .for_each(|(_, note)| out(note));
        self.gone.retain(|target| target.kdamond != tid);
        self.back.retain(|target| target.kdamond != tid);
        Ok(left_out)
    }

    /// Tells of a target what was counted since the last time; gives how many
    /// regions were left out.
    fn tell(
        &mut self,
        target: TargetKey,
        now: Box<Summary>,
        now_ns: u64,
        out: &mut impl FnMut(Note),
    ) -> u64 {
        let before = self.before.get(&target).map(Box::as_ref);
        // Counts only grow: what is less is another's, who has the same place.
        let before = before.filter(|it| it.regions <= now.regions && it.left_out <= now.left_out);
        let since = before.unwrap_or(NOTHING);
        let regions = now.regions - since.regions;
        let snapshots = now.snapshots.saturating_sub(since.snapshots);
        let left_out = now.left_out.saturating_sub(since.left_out.max(1));
        if regions > 0 || snapshots > 0 {
            self.totals.snapshots = self.totals.snapshots.saturating_add(snapshots);
            self.totals.regions = self.totals.regions.saturating_add(regions);
            let length_ns = now_ns.saturating_sub(self.since_ns);
            rows(since, &now, length_ns, &mut |figure, step, value| {
                out(Note {
                    time_ns: now_ns,
                    what: Known::Summed(Summed {
                        target,
                        figure,
                        step,
                        value,
                    }),
                });
            });
        }
        self.before.insert(target, now);
        left_out
    }
}

/// What every count begins with.
static NOTHING: &Summary = &Summary {
    snapshots: 0,
    regions: 0,
    left_out: 0,
    working_set: 0,
    whole: 0,
    rates: [0; damo_ebpf::summary::RATES],
    idle: [0; damo_ebpf::summary::IDLE.steps()],
    sizes: [0; damo_ebpf::summary::SIZES.steps()],
};

/// What was counted between two looks, number by number; zeros are left out.
fn rows(before: &Summary, now: &Summary, length_ns: u64, out: &mut impl FnMut(Figure, u32, u64)) {
    let mut tell = |figure, step, value| {
        if value > 0 {
            out(figure, step, value);
        }
    };
    tell(Figure::Length, 0, length_ns);
    let counts = |of: fn(&Summary) -> u64| of(now).wrapping_sub(of(before));
    tell(Figure::Snapshots, 0, counts(|it| it.snapshots));
    tell(Figure::Regions, 0, counts(|it| it.regions));
    for (figure, before, now) in [
        (Figure::Rate, &before.rates[..], &now.rates[..]),
        (Figure::Idle, &before.idle[..], &now.idle[..]),
    ] {
        for (step, (before, now)) in (0..).zip(before.iter().zip(now)) {
            tell(figure, step, pages(*before, *now));
        }
    }
    for (step, (before, now)) in (0..).zip(before.sizes.iter().zip(&now.sizes)) {
        tell(Figure::WorkingSet, step, now.wrapping_sub(*before).into());
    }
}

/// Whole pages between two sums of bytes, which may have begun anew at 2^64;
/// what is less than a page counts with the next one.
fn pages(before: u64, now: u64) -> u64 {
    (before % PAGE).saturating_add(now.wrapping_sub(before)) / PAGE
}

#[cfg(test)]
mod tests;
