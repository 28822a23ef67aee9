//! Records in other formats: what `damo convert` writes.
//!
//! Every format is written to a writer that the caller has opened. Those that tell
//! items in order of time are written in one pass and keep one frame in memory; the
//! peer's, which tell one target after the other, read some targets at a time
//! (`by_target`).

mod by_target;
mod columns;
mod csv;
mod damo;
mod filter;
mod json;
mod json_form;
mod json_head;
mod ndjson;
#[cfg(feature = "parquet")]
mod parquet;
mod peer;
mod perf_script;
mod rows;
mod wall;

use std::io;

use crate::analyze::Losses;
use crate::model::ReadError;

pub use self::csv::write_csv;
pub use self::damo::write_damo;
#[cfg(feature = "parquet")]
pub use self::parquet::write_parquet;
pub use by_target::{ByTarget, Whose, weight};
pub use columns::{COLUMNS, Column, Kind};
pub use filter::{Filter, Kept, keep_wanted};
pub use json::{JsonList, write_json, write_json_compressed};
pub use json_form::JsonForm;
pub use ndjson::write_ndjson;
pub use perf_script::write_perf_script;

/// What was written, and what the record lacks of what was to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Snapshots.
    pub snapshots: u64,
    /// Regions of them.
    pub samples: u64,
    /// What is missing.
    pub losses: Losses,
}

/// Why a record was not exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The record.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Where it was to go.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}
