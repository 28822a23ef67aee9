//! Pure folds over snapshots: no I/O, memory bounded by the result.

mod distribution;
mod group;
mod guide;
mod heat;
mod hottest;
mod info;
mod loss;
mod per_target;
mod places;
mod temperature;
mod wss;

pub use distribution::Distribution;
pub use group::Grouping;
pub use guide::{Guide, TargetGuide};
pub use heat::{Heat, HeatError, HeatMap, HeatRule, HeatSpec, HeatUnit, MAX_PIXELS};
pub use hottest::Hottest;
pub use info::{Info, IntervalsFrom, MemoryOver, TargetCounts};
pub use loss::Losses;
pub use per_target::PerTarget;
pub use places::{Place, Places};
pub use temperature::TemperatureSort;
pub use wss::{SortBy, TargetWss, Wss, WssSpec, collapse};
