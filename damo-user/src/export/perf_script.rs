//! The peer's perf_script form: a line for each region, as `perf script`
//! prints it, but of a made-up process.
//!
//! It tells when aggregations ended, in microseconds, and neither intervals nor
//! kdamonds nor gaps. A snapshot that is alone gets a mark behind it, by which
//! readers find out how long it was. Ages that are not known are left out (the
//! peer writes `None`, on which its own reader fails), and so is the id of
//! regions of all targets: it is 0.

use std::io::{BufWriter, Write};

use super::peer::{snapshots, snapshots_by_target, survey};
use super::{ExportError, Exported, Filter};
use crate::model::{Record, Region, Snapshot};

/// Writes `record` as text of `perf script`, one target after the other.
///
/// # Errors
/// The record cannot be read, or `out` not be written.
pub fn write_perf_script(
    record: &mut dyn Record,
    filter: &Filter,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let mut out = BufWriter::new(out);
    let (targets, losses) = survey(record, filter)?;
    let mut exported = Exported {
        losses,
        ..Exported::default()
    };
    let mut left_out = false;
    let mut parts = snapshots_by_target(record, filter, &targets);
    for target in &targets {
        let id = target.key.target_id;
        for snapshot in parts.next_target()?.into_iter().flat_map(snapshots) {
            let snapshot = snapshot?;
            let nr_regions = snapshot.regions.len();
            // The form has a line for each region, and none for a snapshot.
            left_out |= nr_regions == 0;
            for region in &snapshot.regions {
                event(&mut out, snapshot.end_ns, id, nr_regions)?;
                write_region(&mut out, region)?;
            }
            if nr_regions > 0 && target.snapshots == 1 {
                write_mark(&mut out, &snapshot, id)?;
            }
            exported.snapshots += u64::from(nr_regions > 0);
            exported.samples += nr_regions as u64;
        }
    }
    out.flush()?;
    if left_out && exported.snapshots == 0 {
        return Err(std::io::Error::other(
            "perf script's text has a line for each region, and no snapshot has any; choose another format",
        )
        .into());
    }
    Ok(exported)
}

/// A line up to its region.
fn event(out: &mut dyn Write, end_ns: u64, id: u64, nr_regions: usize) -> std::io::Result<()> {
    // Rounded as a float is, as the peer does.
    let seconds = end_ns as f64 / 1e9;
    write!(
        out,
        "kdamond.x xxxx xxxx {seconds:.6}: damon:damon_aggregated: target_id={id} nr_regions={nr_regions} "
    )
}

fn write_region(out: &mut dyn Write, region: &Region) -> std::io::Result<()> {
    let Region {
        start,
        end,
        nr_accesses,
        age,
    } = region;
    match age {
        Some(age) => writeln!(out, "{start}-{end}: {nr_accesses} {age}"),
        None => writeln!(out, "{start}-{end}: {nr_accesses}"),
    }
}

/// Says how long a lone snapshot was: as long as to this mark.
fn write_mark(out: &mut dyn Write, snapshot: &Snapshot, id: u64) -> std::io::Result<()> {
    let end_ns = snapshot.end_ns.saturating_add(snapshot.duration_ns());
    event(out, end_ns, id, 1)?;
    writeln!(out, "0-0: -1 -1")
}
