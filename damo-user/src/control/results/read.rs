//! Results from DAMON's files.

use rustix::io::Errno;

use super::{
    ContextResults, KdamondResults, Results, SchemeResults, Stats, TriedRegion, TriedRegions,
};
use crate::control::others;
use crate::control::params::dir::{Dir, each};
use crate::control::sysfs::{FileError, Tree};

type Result<T> = std::result::Result<T, FileError>;

/// Reads what DAMON's files say of its work; changes nothing.
///
/// # Errors
/// A file cannot be read, or says something that is not known.
pub fn read_results(tree: &Tree) -> Result<Results> {
    let kdamonds = each(tree, "kdamonds", |dir| {
        Ok(KdamondResults {
            state: Some(dir.text("state")?.trim().to_owned()),
            pid: match dir.file("pid") {
                Some(path) => others::tid(tree, &path)?,
                None => None,
            },
            cpu_usage: None,
            contexts: dir.each("contexts", |dir| {
                let unit = dir.number("addr_unit", 1)?;
                let schemes = dir.each("schemes", |dir| scheme(&dir, unit))?;
                Ok(ContextResults { schemes })
            })?,
        })
    })?;
    Ok(Results { kdamonds })
}

fn scheme(dir: &Dir<'_>, addr_unit: u64) -> Result<SchemeResults> {
    let stat = |name: &str| dir.maybe(&format!("stats/{name}"));
    Ok(SchemeResults {
        stats: Some(Stats {
            nr_tried: stat("nr_tried")?,
            sz_tried_bytes: stat("sz_tried")?,
            nr_applied: stat("nr_applied")?,
            sz_applied_bytes: stat("sz_applied")?,
            sz_ops_filter_passed_bytes: stat("sz_ops_filter_passed")?,
            qt_exceeds: stat("qt_exceeds")?,
            nr_snapshots: stat("nr_snapshots")?,
        }),
        tried_regions: match dir.file("tried_regions") {
            Some(_) => Some(tried_regions(dir, addr_unit)?),
            None => None,
        },
    })
}

/// The kernel numbers the folders as it likes, and takes them away whenever
/// somebody asks it for others.
fn tried_regions(dir: &Dir<'_>, addr_unit: u64) -> Result<TriedRegions> {
    let regions: Vec<TriedRegion> = match dir.each("tried_regions", |dir| region(&dir)) {
        Ok(regions) => regions.into_iter().flatten().collect(),
        Err(error) if error.errno() == Some(Errno::NOENT) => Vec::new(),
        Err(error) => return Err(error),
    };
    let sum = regions.iter().fold(0u64, |sum, region| {
        sum.saturating_add(region.end.saturating_sub(region.start))
    });
    // In the context's address unit, whatever it is called.
    let total = dir.maybe("tried_regions/total_bytes")?.unwrap_or(sum);
    Ok(TriedRegions {
        total_bytes: total.saturating_mul(addr_unit),
        regions,
    })
}

/// What each scheme of a kdamond has tried, all of it in bytes.
pub(in crate::control) fn read_tried(tree: &Tree, kdamond: usize) -> Result<Vec<TriedRegions>> {
    let context = format!("kdamonds/{kdamond}/contexts/0");
    let file = format!("{context}/addr_unit");
    let unit = match tree.exists(&file) {
        true => tree.read_number(file)?,
        false => 1,
    };
    let mut schemes = each(tree, &format!("{context}/schemes"), |dir| {
        tried_regions(&dir, unit)
    })?;
    for region in schemes.iter_mut().flat_map(|tried| &mut tried.regions) {
        let passed = region.sz_filter_passed_bytes.as_mut();
        let numbers = [&mut region.start, &mut region.end];
        for number in numbers.into_iter().chain(passed) {
            *number = number.saturating_mul(unit);
        }
    }
    Ok(schemes)
}

/// A region; `None` if it is gone.
fn region(dir: &Dir<'_>) -> Result<Option<TriedRegion>> {
    let numbers = ["start", "end", "nr_accesses", "age"].map(|file| dir.maybe(file));
    let [start, end, nr_accesses, age] = numbers;
    let (Some(start), Some(end), Some(nr_accesses), Some(age)) =
        (gone(start)?, gone(end)?, gone(nr_accesses)?, gone(age)?)
    else {
        return Ok(None);
    };
    Ok(Some(TriedRegion {
        start,
        end,
        nr_accesses_samples: nr_accesses,
        age_aggr_intervals: age,
        sz_filter_passed_bytes: gone(dir.maybe("sz_filter_passed"))?,
        probe_hits: dir.each("probes", |dir| dir.number("hits", 0))?,
    }))
}

/// What went away between looking and reading is not there.
fn gone(read: Result<Option<u64>>) -> Result<Option<u64>> {
    match read {
        Err(error) if error.errno() == Some(Errno::NOENT) => Ok(None),
        other => other,
    }
}
