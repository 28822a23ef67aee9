//! Which regions a kdamond's schemes try, freshly asked for: DAMON's results
//! without BPF.
//!
//! The kernel takes up to the longest apply interval of all schemes to answer,
//! and from 6.14 on holds DAMON's lock meanwhile; nothing can end that wait.

use rustix::io::Errno;

use super::interface::state;
use super::results::{TriedRegions, read_tried};
use super::sysfs::{FileError, Tree, retry};
use super::system::System;
use crate::model::Intervals;
use crate::sys::clock;

/// What a kdamond answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// Its schemes' regions.
    Fresh(Fresh),
    /// None of its schemes is active, by their watermarks.
    Inactive,
    /// Somebody held DAMON's lock for as long as we were willing to wait.
    Busy,
    /// It is not on any more. Only `on` and `off` may be sent to it now.
    Ended,
}

/// Regions that schemes try at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// CLOCK_MONOTONIC when the kernel was done, in nanoseconds.
    pub end_ns: u64,
    /// In force, also where DAMON tunes them.
    pub intervals: Intervals,
    /// Of each scheme of the context; addresses and sizes in bytes. Regions of
    /// a scheme come target after target, ascending within each.
    pub schemes: Vec<TriedRegions>,
}

/// Asks kdamond `index` which regions its schemes try, and reads them. It may be
/// anybody's: nothing but results and tuned intervals in DAMON's files changes.
///
/// A kdamond that has ended is sent nothing: on Linux 6.14 to 6.17 a second
/// command to one is a kernel BUG.
///
/// # Errors
/// A file of DAMON's cannot be read or written, or says something odd.
pub fn tried_regions(system: &System, index: usize) -> Result<Tried, FileError> {
    let tree = system.admin();
    let intervals = format!("kdamonds/{index}/contexts/0/monitoring_attrs/intervals");
    let goal = format!("{intervals}/intervals_goal/aggrs");
    if tree.exists(&goal)
        && tree.read_number::<u64>(&goal)? > 0
        && let Some(otherwise) = ask(&tree, index, "update_tuned_intervals")?
    {
        return Ok(otherwise);
    }
    if let Some(otherwise) = ask(&tree, index, "update_schemes_tried_regions")? {
        return Ok(otherwise);
    }
    let end_ns = clock::monotonic_ns();
    // Up to 6.13 a kdamond that ends meanwhile is no error, and tells half.
    if !is_on(&tree, index)? {
        return Ok(Tried::Ended);
    }
    let us = |file: &str| tree.read_number(format!("{intervals}/{file}"));
    Ok(Tried::Fresh(Fresh {
        end_ns,
        intervals: Intervals {
            sample_us: us("sample_us")?,
            aggr_us: us("aggr_us")?,
            update_us: us("update_us")?,
        },
        schemes: read_tried(&tree, index)?,
    }))
}

/// Sends a command to a kdamond that is seen to be on; gives why it did not do
/// it, and nothing if it did.
fn ask(tree: &Tree, index: usize, command: &str) -> Result<Option<Tried>, FileError> {
    let sent = retry(
        tree.patience(),
        || {
            // It may end while somebody else holds the lock.
            if !is_on(tree, index)? {
                return Ok(false);
            }
            tree.write_once(state(index), command).map(|()| true)
        },
        is_busy,
    );
    match sent {
        Ok(true) => Ok(None),
        Ok(false) => Ok(Some(Tried::Ended)),
        Err(error) if is_busy(&error) => Ok(Some(Tried::Busy)),
        // Why it failed is that its targets have ended, if they have.
        Err(error) => match is_on(tree, index) {
            Ok(false) => Ok(Some(Tried::Ended)),
            _ if error.errno() == Some(Errno::CANCELED) => Ok(Some(Tried::Inactive)),
            _ => Err(error),
        },
    }
}

fn is_busy(error: &FileError) -> bool {
    error.errno() == Some(Errno::BUSY)
}

fn is_on(tree: &Tree, index: usize) -> Result<bool, FileError> {
    Ok(tree.exists(state(index)) && tree.read(state(index))? == "on")
}
