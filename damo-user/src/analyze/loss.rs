//! What is missing from a record, beside what is there.

use crate::model::{Gap, Item, LossCause};

/// Counts of region samples that are missing from a record; with those that
/// are there, they add up to what DAMON is known to have reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Regions of snapshots: what is not lost.
    pub stored: u64,
    /// Regions that incomplete snapshots announced but do not have.
    pub incomplete: u64,
    /// [`LossCause::RingFull`].
    pub ring_full: u64,
    /// [`LossCause::Unseen`].
    pub unseen: u64,
    /// [`LossCause::Damaged`].
    pub damaged: u64,
    /// [`LossCause::Unwritten`].
    pub unwritten: u64,
    /// Gaps that do not say how much they lost.
    pub uncounted_gaps: u64,
}

impl Losses {
    /// Takes an item in.
    pub fn add(&mut self, item: &Item) {
        match item {
            Item::Snapshot(snapshot) => {
                let stored = snapshot.regions.len() as u64;
                self.stored = self.stored.saturating_add(stored);
                self.incomplete = self.incomplete.saturating_add(u64::from(snapshot.missing));
            }
            Item::Gap(gap) => self.add_gap(gap),
            Item::Note(_) => {}
        }
    }

    fn add_gap(&mut self, gap: &Gap) {
        let Some(events) = gap.events else {
            self.uncounted_gaps += 1;
            return;
        };
        let count = match gap.cause {
            LossCause::RingFull => &mut self.ring_full,
            LossCause::Unseen => &mut self.unseen,
            LossCause::Damaged => &mut self.damaged,
            LossCause::Unwritten => &mut self.unwritten,
        };
        *count = count.saturating_add(events);
    }

    /// Takes in those of another record.
    pub fn merge(&mut self, other: &Losses) {
        for (own, other) in [
            (&mut self.stored, other.stored),
            (&mut self.incomplete, other.incomplete),
            (&mut self.ring_full, other.ring_full),
            (&mut self.unseen, other.unseen),
            (&mut self.damaged, other.damaged),
            (&mut self.unwritten, other.unwritten),
            (&mut self.uncounted_gaps, other.uncounted_gaps),
        ] {
            *own = own.saturating_add(other);
        }
    }

    /// How many region samples are known to be missing.
    pub fn samples(&self) -> u64 {
        [
            self.incomplete,
            self.ring_full,
            self.unseen,
            self.damaged,
            self.unwritten,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }

    /// Whether anything is missing.
    pub fn any(&self) -> bool {
        self.samples() > 0 || self.uncounted_gaps > 0
    }
}
