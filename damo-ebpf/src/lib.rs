//! What the BPF program and user space agree on: the shape of one event in the
//! ring buffer, the program's counters and its settings. And, for user space,
//! the built object itself.
//!
//! Everything here is plain old data in the machine's byte order; it never
//! leaves the machine it was made on.
#![no_std]

pub mod summary;

/// Bytes of the tracepoint record that are copied: offsets
/// [`RECORD_FROM`]`..`[`RECORD_TO`] of the record that tracefs's `format` describes.
pub const RECORD_BYTES: usize = RECORD_TO - RECORD_FROM;

/// First byte copied. The eight bytes before it hold, for a BPF program, a
/// kernel pointer: they must never leave the kernel.
pub const RECORD_FROM: usize = 8;

/// One past the last byte copied: the end of `age`, identical from 5.17 to 7.3.
pub const RECORD_TO: usize = 48;

/// One event as it lies in the ring buffer.
///
/// `snapshot`, `lost` and `left` let user space put snapshots together exactly,
/// without guessing from times: events with the same `snapshot` belong
/// together, and the difference in `lost` between two events says how many of
/// this kdamond's events did not fit into the ring between them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RingEvent {
    /// CLOCK_MONOTONIC, in nanoseconds.
    pub time_ns: u64,
    /// Thread id of the kdamond, in the initial pid namespace.
    pub kdamond: u32,
    /// Number of the snapshot that the region belongs to, counted per kdamond
    /// from 1 over all its targets; wraps.
    pub snapshot: u32,
    /// This kdamond's events that did not fit into the ring so far; wraps.
    pub lost: u32,
    /// Regions of this snapshot that are still to come after this one.
    pub left: u32,
    /// The record's bytes from [`RECORD_FROM`] on.
    pub record: [u8; RECORD_BYTES],
}

/// Bytes of a tracepoint's record that a [`RingTold`] has room for: the longest
/// that is copied is `damos_stat_after_apply_interval`'s, up to byte 72.
pub const TOLD_BYTES: usize = 64;

/// What else the kernel told, as it lies in the ring buffer among the events:
/// the size of an item says which of the two it is.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RingTold {
    /// CLOCK_MONOTONIC, in nanoseconds.
    pub time_ns: u64,
    /// Thread id of the kdamond; the process's id in FORK and EXEC.
    pub kdamond: u32,
    /// One of [`told`].
    pub kind: u32,
    /// A tracepoint's record from [`RECORD_FROM`] on, or numbers of 8 bytes;
    /// zeros after it.
    pub record: [u8; TOLD_BYTES],
}

/// What a [`RingTold`] is about, and what its bytes are.
pub mod told {
    /// Record of `damon_monitor_intervals_tune`.
    pub const TUNED: u32 = 1;
    /// Record of `damos_esz`.
    pub const QUOTA: u32 = 2;
    /// Record of `damos_stat_after_apply_interval`.
    pub const SCHEME: u32 = 3;
    /// Record of `damos_before_apply`.
    pub const APPLIED: u32 = 4;
    /// Numbers: a [`Context`](super::Context), which has changed.
    pub const CONTEXT: u32 = 5;
    /// Numbers: a target's id, and the id of its process, which has changed.
    pub const TARGET: u32 = 6;
    /// Number: id of the process that a followed process has begun.
    pub const FORK: u32 = 7;
    /// The process has the followed name since its `exec`.
    pub const EXEC: u32 = 8;
    /// The first thread of a followed process has ended.
    pub const EXIT: u32 = 9;
}

/// What the kernel's own structures say of a kdamond's context.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Sampling interval, in microseconds.
    pub sample_us: u64,
    /// Aggregation interval.
    pub aggr_us: u64,
    /// Update interval.
    pub update_us: u64,
    /// Fewest regions.
    pub min_regions: u64,
    /// Most regions.
    pub max_regions: u64,
    /// Operations set: 0 vaddr, 1 fvaddr, 2 paddr.
    pub ops: u64,
    /// Bytes that one unit of an address means; 0 before 6.18, which is 1.
    pub addr_unit: u64,
}

/// The operations set of physical addresses, which has no processes.
pub const OPS_PADDR: u64 = 2;

/// Where things lie in the running kernel's structures, in bytes, by its BTF.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    /// 1 if the rest is known; otherwise nothing is read.
    pub known: u32,
    /// `task_struct.worker_private`.
    pub worker_private: u32,
    /// `kthread.data`.
    pub data: u32,
    /// `damon_ctx.kdamond`.
    pub kdamond: u32,
    /// `damon_ctx.attrs.sample_interval`.
    pub sample: u32,
    /// `damon_ctx.attrs.aggr_interval`.
    pub aggr: u32,
    /// `damon_ctx.attrs.ops_update_interval`.
    pub update: u32,
    /// `damon_ctx.attrs.min_nr_regions`.
    pub min_regions: u32,
    /// `damon_ctx.attrs.max_nr_regions`.
    pub max_regions: u32,
    /// `damon_ctx.ops.id`.
    pub ops: u32,
    /// `damon_ctx.addr_unit`; 0 where there is none.
    pub addr_unit: u32,
    /// `damon_ctx.adaptive_targets`.
    pub targets: u32,
    /// `damon_target.list`.
    pub list: u32,
    /// `damon_target.pid`.
    pub pid: u32,
    /// `pid.numbers[0].nr`.
    pub nr: u32,
}

/// Targets of a context whose processes are looked up.
pub const LOOKED_UP: u64 = 64;

/// Most processes whose forks can be followed at once.
pub const MAX_FOLLOWED: u32 = 65_536;

/// Length of a process's name, with its zero.
pub const NAME_BYTES: usize = 16;

/// What the program does with a kdamond's events.
pub mod mode {
    /// Dropped without being counted.
    pub const IGNORE: u32 = 0;
    /// Counted and copied.
    pub const RECORD: u32 = 1;
}

/// The program's state per kdamond, keyed by thread id in the map `KDAMONDS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Kdamond {
    /// One of [`mode`].
    pub mode: u32,
    /// Number of the current snapshot; see [`RingEvent::snapshot`].
    pub snapshot: u32,
    /// Regions of the current snapshot that are still to come.
    pub left: u32,
    /// Regions that the current snapshot was announced to have.
    pub nr_regions: u32,
    /// Target of the current snapshot.
    pub target_id: u64,
    /// Start address of the latest region.
    pub start: u64,
    /// Events that arrived.
    pub seen: u64,
    /// Events for which the ring had no room. `seen - lost` were submitted.
    pub lost: u64,
    /// Regions that were announced (`nr_regions`) and never arrived.
    pub unseen: u64,
    /// Times that user space was notified.
    pub wakeups: u64,
    /// What else arrived: items of [`RingTold`].
    pub told: u64,
    /// Of those, what did not fit into the ring.
    pub told_lost: u64,
    /// The context, as it was told last.
    pub context: Context,
}

impl Kdamond {
    /// Counts an event and finds out which snapshot it belongs to: a snapshot
    /// is `nr_regions` consecutive events of one target, ascending in address.
    ///
    /// It must be told of every event, lost ones too: it knows no time. So it
    /// is no rule for text, from which lines may be missing.
    ///
    /// Gives whether a snapshot begins with it.
    #[inline(always)]
    pub fn follow(&mut self, target_id: u64, nr_regions: u32, start: u64) -> bool {
        let continues = self.left > 0
            && self.target_id == target_id
            && self.nr_regions == nr_regions
            && self.start < start;
        if !continues {
            self.unseen += u64::from(self.left);
            self.snapshot = self.snapshot.wrapping_add(1);
            self.target_id = target_id;
            self.nr_regions = nr_regions;
            self.left = nr_regions;
        }
        self.left = self.left.saturating_sub(1);
        self.start = start;
        self.seen += 1;
        !continues
    }
}

/// Most kdamonds that can be told apart at once.
pub const MAX_KDAMONDS: u32 = 256;

/// The built program, as `cargo xtask build-ebpf` made it from this source.
/// Kept in the repository so that `damo` builds without LLVM or `rust-src`.
#[cfg(not(target_arch = "bpf"))]
pub static OBJECT: &[u8] = &ALIGNED.0;

/// An ELF file is read in place, so it has to be aligned like one.
#[cfg(not(target_arch = "bpf"))]
#[repr(C, align(32))]
struct Aligned<Bytes: ?Sized>(Bytes);

#[cfg(not(target_arch = "bpf"))]
static ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!("../object/damo.o"));

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows events of target, number of regions and start; gives after each
    /// the snapshot's number and the regions still to come.
    fn follow<const N: usize>(
        kdamond: &mut Kdamond,
        events: [(u64, u32, u64); N],
    ) -> [(u32, u32); N] {
        events.map(|(target_id, nr_regions, start)| {
            kdamond.follow(target_id, nr_regions, start);
            (kdamond.snapshot, kdamond.left)
        })
    }

    #[test]
    fn a_snapshot_has_as_many_events_as_announced() {
        let mut kdamond = Kdamond::default();
        // The second begins above the first's end: only the number tells them apart.
        let events = [(7, 2, 10), (7, 2, 20), (7, 2, 30), (7, 2, 40), (8, 1, 50)];
        let expected = [(1, 1), (1, 0), (2, 1), (2, 0), (3, 0)];
        assert_eq!(follow(&mut kdamond, events), expected);
        assert_eq!((kdamond.seen, kdamond.unseen), (5, 0));
    }

    #[test]
    fn what_cannot_go_on_is_another_snapshot_and_the_rest_was_not_seen() {
        for (odd, left) in [
            ((8, 4, 30), 3), // another target
            ((7, 5, 30), 4), // another number of regions
            ((7, 4, 20), 3), // not above the one before
            ((7, 4, 10), 3), // below it
        ] {
            let mut kdamond = Kdamond::default();
            follow(&mut kdamond, [(7, 4, 10), (7, 4, 20)]);
            assert_eq!(follow(&mut kdamond, [odd]), [(2, left)], "{odd:?}");
            assert_eq!((kdamond.seen, kdamond.unseen), (3, 2), "{odd:?}");
        }
    }

    #[test]
    fn odd_numbers_do_no_harm() {
        let mut kdamond = Kdamond {
            snapshot: u32::MAX,
            ..Kdamond::default()
        };
        // No regions announced, and yet there is one: a snapshot of its own.
        let events = [(0, 0, 0), (0, 0, 0), (0, u32::MAX, 0), (0, 1, u64::MAX)];
        let expected = [(0, 0), (1, 0), (2, u32::MAX - 1), (3, 0)];
        assert_eq!(follow(&mut kdamond, events), expected);
        assert_eq!((kdamond.seen, kdamond.unseen), (4, u64::from(u32::MAX) - 1));
    }
}
