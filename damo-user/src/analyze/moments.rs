//! What several targets have at the same moment, added up.

use std::collections::HashMap;

use super::PerTarget;
use crate::model::{Happened, Happening, TargetKey};

/// A target that has told nothing for so many times as long as its last
/// number took is no more.
const PATIENCE: u64 = 10;

/// Adds up the newest number of each target at each moment. A moment ends
/// where a target tells a second number: those of one kdamond tell theirs
/// within microseconds of each other, and those of others keep what they told
/// last.
#[derive(Debug, Default)]
pub struct Moments {
    newest: PerTarget<Newest>,
    /// When targets were gone, or whole kdamonds. Notes may come before what was
    /// told earlier, and even before the first number.
    gone: HashMap<(u32, Option<u64>), u64>,
    /// The moment at hand, counted from 1.
    moment: u64,
    start_ns: u64,
    end_ns: u64,
}

#[derive(Debug, Default)]
struct Newest {
    number: u64,
    span_ns: u64,
    end_ns: u64,
    moment: u64,
}

/// A moment: a sum, and for how long it was true.
pub type Moment = (u64, u64);

impl Moments {
    /// Takes a target's number of a time in; gives the moment that ends thereby.
    pub fn add(
        &mut self,
        target: TargetKey,
        start_ns: u64,
        end_ns: u64,
        number: u64,
    ) -> Option<Moment> {
        let told = self.newest.entry(target, Newest::default).moment;
        let ended = match told == self.moment {
            true => self.end(),
            false => None,
        };
        if self.moment == 0 {
            (self.moment, self.start_ns, self.end_ns) = (1, start_ns, end_ns);
        }
        self.end_ns = self.end_ns.max(end_ns);
        let moment = self.moment;
        let newest = self.newest.entry(target, Newest::default);
        newest.number = number;
        newest.span_ns = end_ns.saturating_sub(start_ns);
        newest.end_ns = end_ns;
        newest.moment = moment;
        ended
    }

    /// Takes in that a target, or a kdamond with all of its targets, is gone.
    pub fn happened(&mut self, time_ns: u64, happened: &Happened) {
        let target_id = match happened.what {
            Happening::TargetGone if happened.target_id.is_some() => happened.target_id,
            Happening::Ended => None,
            _ => return,
        };
        self.gone.insert((happened.kdamond, target_id), time_ns);
    }

    /// Ends the moment at hand, if there is one.
    pub fn end(&mut self) -> Option<Moment> {
        if self.moment == 0 {
            return None;
        }
        let now_ns = self.end_ns;
        let gone = |kdamond: u32, target_id: Option<u64>, end_ns: u64| {
            let gone_ns = self.gone.get(&(kdamond, target_id));
            gone_ns.is_some_and(|gone_ns| (end_ns..=now_ns).contains(gone_ns))
        };
        let there = |(key, newest): &&(TargetKey, Newest)| {
            let silent_ns = now_ns.saturating_sub(newest.end_ns);
            silent_ns <= newest.span_ns.saturating_mul(PATIENCE)
                && !gone(key.kdamond, Some(key.target_id), newest.end_ns)
                && !gone(key.kdamond, None, newest.end_ns)
        };
        let all = self.newest.iter().filter(there);
        let sum = all.map(|(_, it)| it.number).fold(0, u64::saturating_add);
        let span_ns = now_ns.saturating_sub(self.start_ns);
        self.moment += 1;
        self.start_ns = now_ns;
        Some((sum, span_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn key(kdamond: u32, target_id: u64) -> TargetKey {
        TargetKey { kdamond, target_id }
    }

    /// Ends and lengths in milliseconds.
    fn sums(told: &[(TargetKey, u64, u64, u64)], gone: Option<(u64, Happened)>) -> Vec<Moment> {
        let mut moments = Moments::default();
        let mut all = Vec::new();
        if let Some((time, happened)) = &gone {
            moments.happened(time * MS, happened);
        }
        for &(target, length, end, number) in told {
            all.extend(moments.add(target, (end - length) * MS, end * MS, number));
        }
        all.extend(moments.end());
        all.into_iter().map(|(sum, ns)| (sum, ns / MS)).collect()
    }

    #[test]
    fn targets_of_a_kdamond_share_a_moment() {
        let told = [
            (key(1, 0), 100, 100, 5),
            (key(1, 1), 100, 101, 7),
            (key(1, 0), 100, 200, 1),
            (key(1, 1), 100, 201, 2),
            (key(1, 2), 50, 202, 4),
        ];
        assert_eq!(sums(&told, None), [(12, 101), (7, 101)]);
    }

    #[test]
    fn slower_ones_keep_what_they_told_until_they_are_gone() {
        let mut told = vec![(key(2, 0), 200, 200, 10), (key(1, 0), 100, 200, 1)];
        told.extend((0..30).map(|i| (key(1, 0), 100, 300 + i * 100, 1)));
        let all = sums(&told, None);
        let with = all.iter().filter(|(sum, _)| *sum == 11).count();
        // At 200, and each 100 ms up to 2200.
        assert_eq!((with, all.len()), (21, 31));
        assert_eq!(all.last(), Some(&(1, 100)));
        for (what, target_id) in [(Happening::TargetGone, Some(0)), (Happening::Ended, None)] {
            let gone = Happened {
                kdamond: 2,
                target_id,
                what,
                value: 0,
            };
            let all = sums(&told, Some((550, gone)));
            assert_eq!(
                all.iter().filter(|(sum, _)| *sum == 11).count(),
                4,
                "{what:?}"
            );
        }
    }
}
