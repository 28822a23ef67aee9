//! Pure folds over snapshots: no I/O, memory bounded by the result.

pub mod access;
mod distribution;
mod footprint;
mod group;
mod guide;
mod heat;
mod info;
mod loss;
mod mappings;
mod moments;
mod nr_regions;
mod per_target;
mod series;
mod summary;
mod threshold;
mod times;
mod warm_up;
mod wss;

pub use distribution::Distribution;
pub use footprint::{Footprint, FootprintMetric};
pub use group::{Group, Grouping};
pub use guide::{Guide, TargetGuide};
pub use heat::{Heat, HeatError, HeatMap, HeatSpec, MAX_PIXELS};
pub use info::{Info, IntervalsFrom, MemoryOver, TargetCounts};
pub use loss::Losses;
pub use mappings::{By, MappingKind, MappingUse, Mappings, Place, Usage};
pub use moments::Moments;
pub use nr_regions::{NrRegions, TargetNrRegions};
pub use per_target::PerTarget;
pub use series::{Exactness, Room, Series, SeriesSpec, SortBy};
pub use summary::{Digest, Summaries, working_set_of};
pub use threshold::{AccessThreshold, InUse};
pub use times::{TargetTimes, Times};
pub use warm_up::WarmUp;
pub use wss::{Whose, Wss, WssOf, WssSpec, collapse};
