//! Events in order of time, out of rings that were read one after the other.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// So many events are held back at most (16 MiB); what is more comes in the
/// order of the file, which is that of time for what one CPU did.
pub const MOST: usize = 1 << 17;

/// Sorts by the rule of perf's rounds: an event of one round may be older than
/// others of the same and of the round before, but of none before that.
#[derive(Debug)]
pub struct Order<T> {
    waiting: BinaryHeap<Reverse<Waiting<T>>>,
    count: u64,
    newest_ns: u64,
    newest_of_last_round_ns: u64,
    /// Up to here nothing older can come.
    settled_ns: Option<u64>,
}

impl<T> Default for Order<T> {
    fn default() -> Self {
        Self {
            waiting: BinaryHeap::new(),
            count: 0,
            newest_ns: 0,
            newest_of_last_round_ns: 0,
            settled_ns: None,
        }
    }
}

impl<T> Order<T> {
    /// Takes an event in.
    pub fn push(&mut self, time_ns: u64, event: T) {
        self.newest_ns = self.newest_ns.max(time_ns);
        self.count += 1;
        let place = (time_ns, self.count);
        self.waiting.push(Reverse(Waiting { place, event }));
    }

    /// A round has ended.
    pub fn end_round(&mut self) {
        self.settled_ns = Some(self.newest_of_last_round_ns);
        self.newest_of_last_round_ns = self.newest_ns;
    }

    /// Everything has.
    pub fn end(&mut self) {
        self.settled_ns = Some(u64::MAX);
    }

    /// The oldest event, if nothing older can come.
    pub fn pop(&mut self) -> Option<T> {
        let oldest = self.waiting.peek()?;
        let settled = self.settled_ns.is_some_and(|ns| oldest.0.place.0 <= ns);
        if !settled && self.waiting.len() < MOST {
            return None;
        }
        self.waiting.pop().map(|waiting| waiting.0.event)
    }
}

#[derive(Debug)]
struct Waiting<T> {
    /// Time, and position in the file.
    place: (u64, u64),
    event: T,
}

impl<T> PartialEq for Waiting<T> {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl<T> Eq for Waiting<T> {}

impl<T> PartialOrd for Waiting<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Waiting<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place.cmp(&other.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(order: &mut Order<u64>) -> Vec<u64> {
        std::iter::from_fn(|| order.pop()).collect()
    }

    #[test]
    fn rounds_may_overlap_with_their_neighbours() {
        let mut order = Order::default();
        for time in [1, 2, 2, 3, 4] {
            order.push(time, time);
        }
        order.end_round();
        assert!(all(&mut order).is_empty());
        for time in [3, 4, 5, 5, 6, 7] {
            order.push(time, time);
        }
        order.end_round();
        assert_eq!(all(&mut order), [1, 2, 2, 3, 3, 4, 4]);
        order.push(6, 6);
        order.end();
        assert_eq!(all(&mut order), [5, 5, 6, 6, 7]);
    }

    #[test]
    fn without_rounds_it_does_not_grow_for_ever() {
        let mut order = Order::default();
        let mut seen = 0;
        for time in 0..3 * MOST as u64 {
            order.push(time, time);
            while let Some(oldest) = order.pop() {
                assert_eq!(oldest, seen);
                seen += 1;
            }
        }
        assert_eq!(order.waiting.len(), MOST - 1);
    }
}
