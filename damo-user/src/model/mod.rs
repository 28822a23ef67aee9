//! DAMON's terms as plain data: no I/O, no system calls.

mod intervals;
mod meta;
mod nearest;
mod note;
mod printable;
mod record;
mod snapshot;
mod summed;
pub mod units;

pub use intervals::Intervals;
pub use meta::{KdamondInfo, KnownTargets, Meta, Ops, Origin, TargetInfo};
pub use nearest::similar;
pub use note::{
    Applied, CpuTime, Happened, Happening, Known, Mapping, Note, ProcessMemory, Quota,
    SchemeCounts, SystemMemory, Tuned,
};
pub use printable::printable;
pub use record::{About, Detail, Items, ReadError, Record, touches};
pub use snapshot::{Extra, Gap, Item, LossCause, Region, Snapshot, TargetKey, shifted};
pub use summed::{Figure, Summed};
