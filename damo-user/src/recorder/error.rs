//! Why a recording did not come about, or broke off.

use std::io;
use std::path::PathBuf;

use super::snapshots::SnapshotError;
use crate::control::{ControlError, FileError, NotRestored};
use crate::source::SourceError;
use crate::store::WriteError;
use crate::sys::caller::CallerError;
use crate::sys::output::OutputError;
use crate::watch::WatchError;

/// Why a recording did not come about, or broke off.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The process cannot do asynchronous I/O.
    #[error("cannot wait for events: {0}")]
    Runtime(io::Error),
    /// DAMON's threads cannot be seen, and neither when they come nor when they go.
    #[error(
        "DAMON's threads cannot be seen from within this PID namespace; record from outside of it \
         (containers: --pid=host)"
    )]
    PidNamespace,
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
    /// The record could not be begun.
    #[error("cannot begin the record: {0}")]
    Write(#[from] WriteError),
    /// The thread that writes could not be started.
    #[error("cannot write: {0}")]
    Disk(io::Error),
    /// The disk failed meanwhile: what was written until then is readable.
    #[error(
        "{}: cannot write: {source}; {kept} region samples are kept and {lost} are lost; \
         make room, or write elsewhere with --out",
        path.display()
    )]
    Broken {
        /// The record.
        path: PathBuf,
        /// Region samples in the file.
        kept: u64,
        /// Region samples that DAMON reported beyond those.
        lost: u64,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody has removed the record meanwhile.
    #[error(
        "{}: somebody has removed it while it was being recorded into; {kept} region samples \
         are kept and {lost} are lost; record again, elsewhere with --out",
        path.display()
    )]
    Removed {
        /// The record.
        path: PathBuf,
        /// Region samples in what is there.
        kept: u64,
        /// Region samples that are gone.
        lost: u64,
    },
    /// A signal came before DAMON watched anything.
    #[error("interrupted before the recording began; nothing was recorded or changed")]
    Interrupted,
    /// There can be no snapshots.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The targets.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// There is nothing to record.
    #[error("{0}: nothing to record; name what to watch, or switch DAMON on first (damo start)")]
    NothingRuns(String),
    /// Targets cannot come and go.
    #[error(
        "--follow-command and --cgroup need DAMON's sysfs interface, which Linux 5.18 and later have: through debugfs, DAMON takes no targets while it is on"
    )]
    FollowDebugfs,
    /// Who asked for it is unclear.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// The record is there, and DAMON is not as it was.
    #[error("the record is complete, but {0}")]
    NotRestored(#[from] NotRestored),
    /// The recording failed, and DAMON is not as it was.
    #[error("{error}; and {left}")]
    AndLeft {
        /// What went wrong.
        error: Box<RecordError>,
        /// What could not be put back afterwards.
        left: NotRestored,
    },
}
