//! The two clocks of a record, and one of what it costs.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// CLOCK_MONOTONIC, in nanoseconds: the clock of BPF's `bpf_ktime_get_ns`.
pub fn monotonic_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// CLOCK_REALTIME, in nanoseconds since 1970.
pub fn wall_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Realtime))
}

/// What this thread used of the processors, in nanoseconds.
pub fn thread_cpu_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::ThreadCPUTime))
}

/// A time before the clock's zero counts as zero, one after 2554 as the last.
pub(super) fn nanoseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}
