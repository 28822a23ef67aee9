//! Pure folds over snapshots: no I/O, memory bounded by the result.

mod group;
mod guide;
mod heat;
mod loss;
mod per_target;
mod wss;

pub use group::Grouping;
pub use guide::{Guide, TargetGuide};
pub use heat::{Heat, HeatError, HeatMap, HeatSpec, MAX_PIXELS};
pub use loss::Losses;
pub use per_target::PerTarget;
pub use wss::{SortBy, TargetWss, Wss, WssSpec, collapse};
