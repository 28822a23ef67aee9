//! Where live samples come from: the BPF program's ring buffer, decoded and
//! put together into [`Snapshot`](crate::model::Snapshot)s.
//!
//! `bpf` loads, attaches and drains; `btf` and `layout` find out where the kernel
//! keeps what is read; `wire` and `told` turn bytes into events and what else is
//! told (the only places that read kernel bytes); `assemble` turns these into
//! snapshots, gaps and notes, without any I/O; `summaries` reads what the program
//! counts where regions are not wanted.

mod assemble;
mod bpf;
mod btf;
mod layout;
mod summaries;
mod told;
pub mod trace_text;
mod wire;

pub use assemble::Assembler;
pub use bpf::{Arrival, Counters, Options, SourceError, Tap, Wanted};
pub use layout::{Field, Layout, LayoutError};
pub use summaries::Summaries;
pub use told::{Told, What};
pub use wire::{Aggregated, Event};
