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
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RingEvent {
    /// CLOCK_MONOTONIC, in nanoseconds.
    pub time_ns: u64,
    /// Thread id of the kdamond, in the initial pid namespace.
    pub kdamond: u32,
    /// Always zero; room for the kind of event when there is a second one.
    pub kind: u32,
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
#[derive(Clone, Copy, Default)]
pub struct Kdamond {
    /// One of [`mode`].
    pub mode: u32,
    /// Regions of the current snapshot that are still to come.
    pub left: u32,
    /// Target of the current snapshot.
    pub target_id: u64,
    /// Events that arrived.
    pub seen: u64,
    /// Events for which the ring had no room. `seen - lost` were submitted.
    pub lost: u64,
    /// Times that user space was notified.
    pub wakeups: u64,
}

/// Most kdamonds that can be told apart at once.
pub const MAX_KDAMONDS: u32 = 256;
