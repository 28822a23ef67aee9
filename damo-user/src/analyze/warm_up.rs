//! The first snapshots of each target, which most reports leave out: DAMON has
//! not found the regions yet.

use std::collections::HashMap;

use super::PerTarget;
use crate::model::TargetKey;

/// Counts each target's snapshots, and tells which are left out.
#[derive(Debug, Default)]
pub struct WarmUp {
    exclude: u64,
    seen: PerTarget<u64>,
    /// What is left out of those that are too short for `exclude`.
    short: HashMap<TargetKey, u64>,
}

impl WarmUp {
    /// Leaves out the first `exclude` snapshots of each target.
    pub fn new(exclude: u64) -> WarmUp {
        WarmUp {
            exclude,
            ..WarmUp::default()
        }
    }

    /// To be called with the target of each snapshot: whether it is left out.
    pub fn leaves_out(&mut self, target: TargetKey) -> bool {
        let seen = self.seen.entry(target, || 0);
        *seen += 1;
        let exclude = match self.short.is_empty() {
            true => self.exclude,
            false => *self.short.get(&target).unwrap_or(&self.exclude),
        };
        *seen <= exclude
    }

    /// After a pass in which all snapshots of some targets were left out: for
    /// another pass, in which it is the first half of theirs alone. `None` if
    /// there is no such target.
    pub fn adapted(&self) -> Option<WarmUp> {
        let all_out = self.seen.iter().filter(|(_, seen)| *seen <= self.exclude);
        let short: HashMap<TargetKey, u64> = all_out.map(|(key, seen)| (*key, seen / 2)).collect();
        (!short.is_empty()).then(|| WarmUp {
            exclude: self.exclude,
            seen: PerTarget::default(),
            short,
        })
    }

    /// Of how many targets less is left out, and how much of them at most.
    pub fn shortened(&self) -> Option<(usize, u64)> {
        let most = self.short.values().max()?;
        Some((self.short.len(), *most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_short_target_is_left_out() {
        let key = |target_id| TargetKey {
            kdamond: 1,
            target_id,
        };
        let pass = |warm_up: &mut WarmUp| {
            let targets = [[7; 5].as_slice(), &[8; 20], &[9; 21], &[4]].concat();
            let left = targets
                .into_iter()
                .filter(|id| !warm_up.leaves_out(key(*id)));
            left.fold(HashMap::new(), |mut counts, id| {
                *counts.entry(id).or_insert(0) += 1;
                counts
            })
        };
        let mut first = WarmUp::new(20);
        assert_eq!(pass(&mut first), HashMap::from([(9, 1)]));
        let mut second = first.adapted().unwrap();
        assert_eq!(
            pass(&mut second),
            HashMap::from([(9, 1), (7, 3), (8, 10), (4, 1)])
        );
        assert_eq!(second.shortened(), Some((3, 10)));
        assert!(WarmUp::new(0).adapted().is_none());
    }
}
