//! DAMON's terms as plain data: no I/O, no system calls.

mod intervals;
mod meta;
mod record;
mod snapshot;
pub mod units;

pub use intervals::Intervals;
pub use meta::{Meta, Ops, TargetInfo};
pub use record::{Items, ReadError, Record};
pub use snapshot::{Gap, Item, LossCause, Region, Snapshot, TargetKey};
