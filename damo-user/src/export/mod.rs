//! Records in other formats: what `damo convert` writes.
//!
//! Every format is written in one pass over the items per target or in all, to
//! a writer that the caller has opened; memory is that of one frame.

mod filter;

use std::io;

use crate::model::ReadError;

pub use filter::Filter;

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
