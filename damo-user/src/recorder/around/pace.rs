//! How often to look at something: once a second, or so seldom that looking
//! takes a hundredth of the time, but once a minute.

/// At most so often.
pub(super) const A_SECOND_NS: u64 = 1_000_000_000;

/// At least so often, whatever it costs.
const LONGEST_NS: u64 = 60 * A_SECOND_NS;

/// What looking costs is at most this part of the time.
const PART: u64 = 100;

/// When looks have taken so long at a stretch, the rest waits for the next
/// time: meanwhile the ring fills.
pub(super) const SLICE_NS: u64 = 20_000_000;

/// When something is to be looked at again.
#[derive(Default)]
pub(super) struct Pace {
    due_ns: u64,
}

impl Pace {
    pub fn is_due(&self, now_ns: u64) -> bool {
        now_ns >= self.due_ns
    }

    /// It was looked at, at the cost of `cost_ns`, as one of `among` that share
    /// their part of the time.
    pub fn took(&mut self, now_ns: u64, cost_ns: u64, among: u64) {
        let rest = cost_ns.saturating_mul(PART).saturating_mul(among);
        self.due_ns = now_ns.saturating_add(rest.clamp(A_SECOND_NS, LONGEST_NS));
    }
}
