//! What the BPF program and user space agree on: the shape of one event in the
//! ring buffer, the program's counters and its settings. And, for user space,
//! the built object itself.
//!
//! Everything here is plain old data in the machine's byte order; it never
//! leaves the machine it was made on.
#![no_std]

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
}

impl Kdamond {
    /// Counts an event and finds out which snapshot it belongs to: a snapshot
    /// is `nr_regions` consecutive events of one target, ascending in address.
    /// Whoever frames events, live or from text, does it by this rule.
    #[inline(always)]
    pub fn follow(&mut self, target_id: u64, nr_regions: u32, start: u64) {
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
