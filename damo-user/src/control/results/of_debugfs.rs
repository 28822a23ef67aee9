//! What DAMON's debugfs files say of its work.

use super::{ContextResults, KdamondResults, Results, SchemeResults, Stats};
use crate::control::debugfs::{Debugfs, SchemeStats};
use crate::control::sysfs::FileError;

/// Reads results from debugfs, where they are always fresh: a kdamond for each
/// context.
///
/// # Errors
/// A file cannot be read, or says something unknown.
pub fn read_debugfs_results(debugfs: &Debugfs) -> Result<Results, FileError> {
    let scheme = |stats: SchemeStats| SchemeResults {
        stats: Some(Stats {
            nr_tried: Some(stats.nr_tried),
            sz_tried_bytes: Some(stats.sz_tried),
            nr_applied: stats.nr_applied,
            sz_applied_bytes: stats.sz_applied,
            qt_exceeds: stats.qt_exceeds,
            ..Stats::default()
        }),
        tried_regions: None,
    };
    let stats = debugfs.stats()?.into_iter();
    let kdamonds = stats
        .zip(debugfs.tids()?)
        .map(|(schemes, pid)| KdamondResults {
            state: Some(if pid.is_some() { "on" } else { "off" }.to_owned()),
            pid,
            cpu_usage: None,
            contexts: vec![ContextResults {
                schemes: schemes.into_iter().map(scheme).collect(),
            }],
        });
    Ok(Results {
        kdamonds: kdamonds.collect(),
    })
}
