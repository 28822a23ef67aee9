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
mod tests {
    use std::io::Cursor;

    use damo_ebpf::summary::Counted;

    use super::*;
    use crate::model::{Intervals, Meta, Tuned};
    use crate::store::{Reader, Writer, compact};

    const TARGET: TargetKey = TargetKey {
        kdamond: 7,
        target_id: 1,
    };

    fn told(summarizer: &mut Summarizer, now: &Summary, now_ns: u64) -> (u64, Vec<Summed>) {
        let mut told = Vec::new();
        let left_out = summarizer.tell(TARGET, Box::new(*now), now_ns, &mut |note| {
            assert_eq!(note.time_ns, now_ns);
            let Known::Summed(summed) = note.what else {
                panic!("{note:?}");
            };
            assert_eq!(summed.target, TARGET);
            told.push(summed);
        });
        summarizer.since_ns = now_ns;
        (left_out, told)
    }

    fn plain(told: &[Summed]) -> Vec<(Figure, u32, u64)> {
        let rows = told.iter().map(|it| (it.figure, it.step, it.value));
        rows.collect()
    }

    #[test]
    fn differences_are_told_and_nothing_between_is_lost() {
        let mut summarizer = Summarizer::new(Duration::from_secs(60), 1000);
        let mut summary = *NOTHING;
        (summary.snapshots, summary.regions) = (2, 5);
        summary.rates[0] = u64::MAX - PAGE / 2;
        summary.idle[9] = 3 * PAGE - 1;
        summary.sizes[4] = u32::MAX;
        let (_, first) = told(&mut summarizer, &summary, 5000);
        let expected = [
            (Figure::Length, 0, 4000),
            (Figure::Snapshots, 0, 2),
            (Figure::Regions, 0, 5),
            (Figure::Rate, 0, (1 << 52) - 1),
            (Figure::Idle, 9, 2),
            (Figure::WorkingSet, 4, u32::MAX.into()),
        ];
        assert_eq!(plain(&first), expected);
        // Sums go around; what was less than a page is told now.
        (summary.snapshots, summary.regions) = (3, 6);
        summary.rates[0] = summary.rates[0].wrapping_add(PAGE);
        summary.idle[9] += 1;
        summary.sizes[4] = summary.sizes[4].wrapping_add(2);
        let (_, second) = told(&mut summarizer, &summary, 6000);
        let expected = [
            (Figure::Length, 0, 1000),
            (Figure::Snapshots, 0, 1),
            (Figure::Regions, 0, 1),
            (Figure::Rate, 0, 1),
            (Figure::Idle, 9, 1),
            (Figure::WorkingSet, 4, 2),
        ];
        assert_eq!(plain(&second), expected);
        assert!(told(&mut summarizer, &summary, 7000).1.is_empty());
        let totals = Totals {
            snapshots: 3,
            regions: 6,
        };
        assert_eq!(summarizer.totals(), totals);
        // Another has its place.
        let mut other = *NOTHING;
        (other.snapshots, other.regions) = (1, 1);
        let (_, third) = told(&mut summarizer, &other, 8000);
        assert_eq!(third.len(), 3);
    }

    /// A process of 140 regions, of which each is used now and then.
    fn minute(summary: &mut Summary, ages: &mut [u64; 140], random: &mut impl FnMut() -> u64) {
        for _ in 0..600 {
            for (index, age) in (0u64..).zip(ages.iter_mut()) {
                let in_use = random() % 1000 < 20 + 600 / (index + 1);
                *age = if in_use { 0 } else { *age + 1 };
                summary.count(&Counted {
                    bytes: (index * 37 % 1000 + 1) * PAGE,
                    nr_accesses: if in_use { 1 + random() % 20 } else { 0 },
                    checks: 20,
                    idle_us: *age * 100_000,
                    begins: index == 0,
                    ends: index == 139,
                });
            }
        }
    }

    #[test]
    fn a_minute_takes_a_few_hundred_bytes() {
        let mut summarizer = Summarizer::new(Duration::from_secs(60), 0);
        let mut summary = *NOTHING;
        let mut writer = Writer::new(Vec::new(), &Meta::default()).unwrap();
        let mut state = 1u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state >> 33
        };
        let mut ages = [0; 140];
        let begun = writer.stats().bytes;
        for number in 1..=10 {
            minute(&mut summary, &mut ages, &mut random);
            let (_, rows) = told(&mut summarizer, &summary, number * 60_000_000_000);
            for summed in rows {
                let what = Known::Summed(summed);
                let time_ns = number * 60_000_000_000;
                writer.note(&Note { time_ns, what }).unwrap();
            }
            writer.flush().unwrap();
        }
        let apart = (writer.stats().bytes - begun) / 10;
        writer.finish().unwrap();
        let file = writer.into_sink();
        let mut reader = Reader::from_source(Cursor::new(file), "x").unwrap();
        let mut full = Vec::new();
        compact(&mut reader, &mut full).unwrap();
        let together = (full.len() as u64 - begun) / 10;
        println!("{apart} bytes each, {together} of a closed file");
        assert!(apart < 1000 && together < 700, "{apart} {together}");
    }

    #[test]
    fn what_is_left_out_is_counted_once() {
        let mut summarizer = Summarizer::new(Duration::from_secs(60), 0);
        let mut summary = *NOTHING;
        (summary.snapshots, summary.regions) = (1, 1);
        assert_eq!(told(&mut summarizer, &summary, 1).0, 0);
        for (now, left_out) in [(1, 0), (4, 3), (4, 0), (5, 1)] {
            summary.left_out = now;
            let (counted, rows) = told(&mut summarizer, &summary, 2);
            assert_eq!((counted, rows.len()), (left_out, 0));
        }
    }

    #[test]
    fn it_is_due_in_step_and_once_after_a_sleep() {
        let mut summarizer = Summarizer::new(Duration::from_nanos(100), 1000);
        for (now_ns, next_ns) in [(1100, 1200), (1250, 1300), (9000, 9100), (9100, 9200)] {
            assert!(summarizer.is_due(now_ns));
            summarizer.step(now_ns);
            assert_eq!(summarizer.since_ns(), now_ns);
            assert!(!summarizer.is_due(next_ns - 1), "{now_ns}");
            assert!(summarizer.is_due(next_ns), "{now_ns}");
        }
    }

    #[test]
    fn of_tuned_intervals_only_the_latest_is_kept() {
        let mut summarizer = Summarizer::new(Duration::from_secs(60), 0);
        let note = |time_ns, kdamond| Note {
            time_ns,
            what: Known::Tuned(Tuned {
                kdamond,
                intervals: Intervals {
                    sample_us: 1,
                    aggr_us: 20,
                    update_us: 1000,
                },
            }),
        };
        for (time_ns, kdamond) in [(1, 7), (2, 8), (3, 7)] {
            assert_eq!(summarizer.hold(note(time_ns, kdamond)), None);
        }
        let clock = Note {
            time_ns: 4,
            what: Known::Clock(5),
        };
        assert_eq!(summarizer.hold(clock.clone()), Some(clock));
        let held: Vec<Note> = summarizer.held.into_values().collect();
        assert_eq!(held, [note(3, 7), note(2, 8)]);
    }
}
