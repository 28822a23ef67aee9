//! `--max-cpu`: what the recorder may use of a processor, and which detail it
//! gives up rather than use more. Only numbers: time and use are given.
//!
//! Detail goes in a fixed order, and comes back in the reverse one:
//!
//! 1. side information (mappings, memory, CPU time of targets);
//! 2. borders between adjacent regions that are accessed alike
//!    ([`merge`](super::merge::merge)): sizes by access rate stay exact, ages are
//!    their mean;
//! 3. snapshots: only every second one of each target is kept, then every fourth
//!    and so on. The others' samples count as left out, which is no loss.
//!
//! *Giving up* is quick: use beyond the limit is paid from a credit of ten
//! seconds' worth; when that is gone, detail goes. *Taking back* is slow: half a
//! minute on average must have left room for twice the use, and each time that
//! detail has to go again soon after it came back, the next try waits twice as
//! long.

use std::fmt;

use serde::{Deserialize, Serialize};

const SECOND: u64 = 1_000_000_000;

/// So much of the limit may be saved up, in nanoseconds of wall time.
const CREDIT: u64 = 10 * SECOND;

/// What each new level has to begin with.
const GRACE: u64 = 3 * SECOND;

/// How long there must be room before detail comes back, at first and at most.
const PATIENCE: u64 = 30 * SECOND;
const MOST_PATIENCE: u64 = 64 * PATIENCE;

/// Below this part of the limit there is room for more: the next level may cost
/// twice as much, and a little is left.
const ROOM: f64 = 0.4;

/// The most that snapshots are thinned out.
const FEWEST: u32 = 1 << 12;

/// The most that they are thinned out in one step.
const STEP: u32 = 1 << 4;

/// How much detail is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// All of it.
    #[default]
    Full,
    /// No mappings, memory and CPU time of targets.
    NoSideInformation,
    /// Besides, adjacent regions that are accessed alike are one.
    MergedRegions,
    /// Besides, only some snapshots are kept.
    FewerSnapshots {
        /// One in so many: a power of two, 2 to 4096.
        one_in: u32,
    },
}

impl Level {
    /// Whether mappings, memory and CPU time of targets are recorded.
    pub fn has_side_information(self) -> bool {
        self == Level::Full
    }

    /// Whether adjacent regions that are accessed alike are made one.
    pub fn merges_regions(self) -> bool {
        self >= Level::MergedRegions
    }

    /// Whether the snapshot of this number, counted for each target from 0, is
    /// kept.
    pub fn keeps(self, number: u64) -> bool {
        number.is_multiple_of(self.one_in().into())
    }

    fn one_in(self) -> u32 {
        match self {
            Level::FewerSnapshots { one_in } => one_in,
            _ => 1,
        }
    }

    /// The next one down; by as much as `ratio` of use to limit asks for.
    fn less(self, ratio: f64) -> Level {
        match self {
            Level::Full => Level::NoSideInformation,
            Level::NoSideInformation => Level::MergedRegions,
            Level::MergedRegions | Level::FewerSnapshots { .. } => {
                // Too large a float becomes the largest number.
                let step = (ratio.ceil() as u32).clamp(2, STEP).next_power_of_two();
                Level::FewerSnapshots {
                    one_in: self.one_in().saturating_mul(step).min(FEWEST),
                }
            }
        }
    }

    /// The next one up.
    fn more(self) -> Level {
        match self {
            Level::Full | Level::NoSideInformation => Level::Full,
            Level::MergedRegions => Level::NoSideInformation,
            Level::FewerSnapshots { one_in } if one_in > 2 => {
                Level::FewerSnapshots { one_in: one_in / 2 }
            }
            Level::FewerSnapshots { .. } => Level::MergedRegions,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Level::Full => write!(f, "all detail"),
            Level::NoSideInformation => write!(f, "no side information"),
            Level::MergedRegions => write!(f, "no side information, regions merged"),
            Level::FewerSnapshots { one_in } => write!(
                f,
                "no side information, regions merged, one snapshot in {one_in}"
            ),
        }
    }
}

/// The use of a processor, held against a limit.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Share of one processor.
    limit: f64,
    level: Level,
    /// The tick before.
    last: Option<Use>,
    /// What may be used beyond the limit, in nanoseconds of processor time.
    credit: f64,
    /// Since when it is seen whether there is room.
    mark: Use,
    patience: u64,
    /// Detail came back at `mark`.
    raised: bool,
}

/// A moment, and what was used until then, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Use {
    now_ns: u64,
    cpu_ns: u64,
}

impl Use {
    fn since(self, before: Use) -> Use {
        Use {
            now_ns: self.now_ns.saturating_sub(before.now_ns),
            cpu_ns: self.cpu_ns.saturating_sub(before.cpu_ns),
        }
    }

    fn share(self) -> f64 {
        self.cpu_ns as f64 / self.now_ns.max(1) as f64
    }
}

impl Budget {
    /// `limit`: a share of one processor, such as 0.01; above 0. What was used
    /// before the first tick does not count.
    pub fn new(limit: f64) -> Budget {
        Budget {
            limit,
            level: Level::Full,
            last: None,
            credit: limit * CREDIT as f64,
            mark: Use::default(),
            patience: PATIENCE,
            raised: false,
        }
    }

    /// What is recorded now.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Takes in how much processor time the process has used by now (see
    /// [`cpu_ns`](crate::sys::own::cpu_ns)), on a clock that never goes back; at
    /// most every 100 ms. Gives the new level when it changes.
    pub fn tick(&mut self, now_ns: u64, cpu_ns: u64) -> Option<Level> {
        let used = Use { now_ns, cpu_ns };
        let Some(last) = self.last.replace(used) else {
            self.mark = used;
            return None;
        };
        let step = used.since(last);
        self.credit += self.limit * step.now_ns as f64 - step.cpu_ns as f64;
        self.credit = self.credit.min(self.limit * CREDIT as f64);
        let seen = used.since(self.mark);
        if self.credit < 0.0 {
            if self.raised {
                self.patience = self.patience.saturating_mul(2).min(MOST_PATIENCE);
            }
            return self.change(self.level.less(seen.share() / self.limit), used, false);
        }
        if seen.now_ns < self.patience {
            return None;
        }
        if self.raised {
            // It stayed for as long as it was waited for.
            self.patience = PATIENCE;
        }
        match seen.share() < self.limit * ROOM {
            true => self.change(self.level.more(), used, true),
            false => {
                (self.mark, self.raised) = (used, false);
                None
            }
        }
    }

    fn change(&mut self, level: Level, used: Use, raised: bool) -> Option<Level> {
        let changed = level != self.level;
        self.level = level;
        self.mark = used;
        self.raised = raised && changed;
        if !raised {
            // The debt is the former level's.
            self.credit = self.limit * GRACE as f64;
        }
        changed.then_some(level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks ten times a second at a cost (share of a processor) that depends on
    /// level and time; gives the changes by second, and the mean of the cost.
    fn simulate(
        budget: &mut Budget,
        seconds: u64,
        cost: impl Fn(Level, u64) -> f64,
    ) -> (Vec<(u64, Level)>, f64) {
        let (mut cpu_ns, mut changes) = (0.45 * SECOND as f64, Vec::new());
        let begin = cpu_ns;
        for tick in 0..=seconds * 10 {
            let second = tick / 10;
            changes.extend(
                budget
                    .tick(tick * SECOND / 10, cpu_ns as u64)
                    .map(|level| (second, level)),
            );
            cpu_ns += cost(budget.level(), second) * SECOND as f64 / 10.0;
        }
        (changes, (cpu_ns - begin) / (seconds * SECOND) as f64)
    }

    fn dear(level: Level) -> f64 {
        match level {
            Level::Full => 0.05,
            Level::NoSideInformation => 0.04,
            Level::MergedRegions => 0.03,
            Level::FewerSnapshots { one_in } => 0.001 + 0.03 / f64::from(one_in),
        }
    }

    #[test]
    fn below_the_limit_nothing_changes() {
        let mut budget = Budget::new(0.01);
        let (changes, _) = simulate(&mut budget, 3600, |_, _| 0.009);
        assert_eq!((changes, budget.level()), (vec![], Level::Full));
    }

    #[test]
    fn detail_goes_in_order_until_the_limit_holds() {
        let mut budget = Budget::new(0.01);
        let (changes, mean) = simulate(&mut budget, 3600, |level, _| dear(level));
        let levels: Vec<Level> = changes.iter().map(|(_, level)| *level).collect();
        assert_eq!(
            levels,
            [
                Level::NoSideInformation,
                Level::MergedRegions,
                Level::FewerSnapshots { one_in: 4 },
            ]
        );
        assert!(changes.last().unwrap().0 <= 10, "{changes:?}");
        assert!(mean < 0.01, "{mean}");
    }

    #[test]
    fn a_flood_is_dammed_within_seconds() {
        // Ten times the limit even without a tenth of the snapshots.
        let mut budget = Budget::new(0.01);
        let flood = |level: Level, _| 0.001 + 2.0 / f64::from(level.one_in());
        let (changes, _) = simulate(&mut budget, 60, flood);
        assert_eq!(budget.level(), Level::FewerSnapshots { one_in: 256 });
        assert!(changes.last().unwrap().0 < 10, "{changes:?}");
        // And is not thinned out without end, if that is in vain.
        let (_, _) = simulate(&mut Budget::new(0.01), 60, |_, _| 1.0);
        assert_eq!(
            Level::FewerSnapshots { one_in: FEWEST }.less(9.0),
            Level::FewerSnapshots { one_in: FEWEST }
        );
    }

    #[test]
    fn detail_comes_back_when_there_is_room() {
        let mut budget = Budget::new(0.01);
        let busy = |level, second| match second < 100 {
            true => dear(level),
            false => dear(level) / 50.0,
        };
        let (changes, _) = simulate(&mut budget, 600, busy);
        assert_eq!(budget.level(), Level::Full);
        let back: Vec<_> = changes
            .iter()
            .filter(|(second, _)| *second >= 100)
            .collect();
        // 1 in 4, 1 in 2, all snapshots, all regions, all.
        assert_eq!(back.len(), 4, "{changes:?}");
        assert!(back[0].0 >= 110 && back[3].0 <= 270, "{changes:?}");
    }

    #[test]
    fn a_spike_within_the_credit_costs_nothing_and_a_longer_one_a_level() {
        let spike = |seconds| {
            move |_: Level, now: u64| match now / seconds {
                5 => 0.05,
                _ => 0.002,
            }
        };
        let mut budget = Budget::new(0.01);
        assert_eq!(simulate(&mut budget, 60, spike(2)).0, []);
        let mut budget = Budget::new(0.01);
        let (changes, _) = simulate(&mut budget, 120, spike(3));
        let levels: Vec<Level> = changes.iter().map(|(_, level)| *level).collect();
        assert_eq!(
            levels,
            [Level::NoSideInformation, Level::Full],
            "{changes:?}"
        );
    }

    #[test]
    fn what_does_not_last_is_tried_ever_more_seldom() {
        // Cheap without side information, too dear with it.
        let cost = |level, _| match level {
            Level::Full => 0.02,
            _ => 0.003,
        };
        let mut budget = Budget::new(0.01);
        let (changes, mean) = simulate(&mut budget, 4 * 3600, cost);
        let tries = changes.iter().filter(|(_, level)| *level == Level::Full);
        let tries: Vec<u64> = tries.map(|(second, _)| *second).collect();
        assert!((8..20).contains(&tries.len()), "{tries:?}");
        let waits: Vec<u64> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(
            waits.windows(2).all(|pair| pair[1] + 1 >= pair[0]),
            "{waits:?}"
        );
        assert!(mean < 0.004, "{mean}");
    }

    #[test]
    fn a_pause_is_no_use() {
        let mut budget = Budget::new(0.01);
        budget.tick(0, 0);
        // Stopped for an hour, then at work for a tenth of a second.
        assert_eq!(budget.tick(3600 * SECOND, SECOND / 100), None);
        // Nor is a clock that stands still, or goes back.
        assert_eq!(budget.tick(3600 * SECOND, SECOND / 100), None);
        assert_eq!(budget.tick(3000 * SECOND, 0), None);
        assert_eq!(budget.level(), Level::Full);
    }

    #[test]
    fn levels_say_what_they_keep() {
        let fewer = Level::FewerSnapshots { one_in: 4 };
        let kept: Vec<u64> = (0..10).filter(|number| fewer.keeps(*number)).collect();
        assert_eq!(kept, [0, 4, 8]);
        assert!(fewer.merges_regions() && !fewer.has_side_information());
        assert!(!Level::NoSideInformation.merges_regions());
        assert!(Level::Full.keeps(7) && Level::Full.has_side_information());
        let json = serde_json::to_string(&fewer).unwrap();
        assert_eq!(json, r#"{"fewer_snapshots":{"one_in":4}}"#);
        assert_eq!(serde_json::from_str::<Level>(&json).unwrap(), fewer);
    }
}
