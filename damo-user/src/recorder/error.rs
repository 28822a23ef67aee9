//! Why a recording did not come about, or broke off.

use std::io;

use crate::control::{ControlError, FileError, NotRestored};
use crate::source::SourceError;
use crate::store::WriteError;
use crate::sys::caller::CallerError;
use crate::sys::child::ChildError;
use crate::sys::output::OutputError;
use crate::sys::process::ProcessError;

/// Why a recording did not come about, or broke off.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The process cannot do asynchronous I/O.
    #[error("cannot wait for events: {0}")]
    Runtime(io::Error),
    /// DAMON could not be set up or switched on.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// DAMON's files cannot be read any more.
    #[error(transparent)]
    File(#[from] FileError),
    /// The tracepoint could not be tapped.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The output file could not be made.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The record could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The last bytes could not be written.
    #[error("cannot write the record to its end: {0}")]
    Disk(io::Error),
    /// The command could not be started.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// A process to watch is not there.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Who asked for it is unclear.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// The record is there, and DAMON is not as it was.
    #[error("the record is complete, but {0}")]
    NotRestored(#[from] NotRestored),
}
