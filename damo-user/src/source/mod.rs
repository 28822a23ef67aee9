//! Where live samples come from: the BPF program's ring buffer, decoded and
//! put together into [`Snapshot`](crate::model::Snapshot)s.
//!
//! `bpf` loads, attaches and drains; `layout` finds the fields of the kernel's
//! record; `wire` turns bytes into events (the only place that reads kernel
//! bytes); `assemble` turns events into snapshots and gaps, without any I/O.

mod assemble;
mod bpf;
mod layout;
mod wire;

pub use assemble::Assembler;
pub use bpf::{Counters, Options, SourceError, Tap};
pub use layout::{Field, Layout, LayoutError};
pub use wire::{Aggregated, Event};
