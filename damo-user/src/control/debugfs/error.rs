//! Why there is no plan, and what could not be put back.

use crate::control::params::ParamError;
use crate::control::sysfs::FileError;

/// Why parameters cannot be written to debugfs.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// DAMON would refuse them, or its debugfs files have no place for them.
    #[error(transparent)]
    Param(#[from] ParamError),
    /// What is there cannot be seen.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why a kdamond is still on.
#[derive(Debug, thiserror::Error)]
pub enum OffError {
    /// The kernel stops the contexts one after the other, up to one that has
    /// ended by itself.
    #[error(
        "the process of an earlier context has ended, and this kernel then does not stop those after it: kdamond thread {} runs until its processes end, too",
        .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
    )]
    Stuck(Vec<u32>),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Something that is not as it was.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// DAMON runs, and takes no value.
    #[error("DAMON is on, so that its former parameters could not be put back")]
    Running,
    /// DAMON takes no process that has ended for a target.
    #[error(
        "{file} had the process {pid}, which has ended: DAMON does not take it for a target again"
    )]
    Ended {
        /// The file, below DAMON's folder.
        file: String,
        /// The process.
        pid: u32,
    },
    /// A file.
    #[error("DAMON's parameters are not as they were: {0}")]
    File(#[from] FileError),
    /// Everything was written, and yet this context is different.
    #[error("DAMON's parameters are not as they were: {file} is '{found}', was '{saved}'")]
    Differs {
        /// The file, below DAMON's folder.
        file: String,
        /// What was saved.
        saved: String,
        /// What is there.
        found: String,
    },
}

/// All that could not be put back; the rest is.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct NotBack(pub Vec<Lost>);
