//! Pure folds over snapshots: no I/O, memory bounded by the result.

pub mod access;
mod distribution;
mod group;
mod guide;
mod heat;
mod info;
mod loss;
mod per_target;
mod wss;

pub use distribution::Distribution;
pub use group::Grouping;
pub use guide::{Guide, TargetGuide};
pub use heat::{Heat, HeatError, HeatMap, HeatSpec, MAX_PIXELS};
pub use info::{Info, IntervalsFrom, MemoryOver, TargetCounts};
pub use loss::Losses;
pub use per_target::PerTarget;
pub use wss::{SortBy, TargetWss, Wss, WssSpec, collapse};
