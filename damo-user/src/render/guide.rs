//! Where each target has data: `report heats --guide` and `report heatmap --guide`.

use std::io::{self, Write};
use std::ops::Range;

use super::table::{Table, TableForm, Value};
use super::{size, time};
use crate::analyze::TargetGuide;
use crate::model::units::{format_size, format_size_accurate, format_time};
use crate::model::{Origin, TargetKey};

/// Prints where each target has data, as v1.7.3 does.
///
/// # Errors
/// `out` cannot be written.
pub fn write_guide(out: &mut dyn Write, guides: &[TargetGuide]) -> io::Result<()> {
    for guide in guides {
        let time = &guide.time;
        writeln!(out, "target_id:{}", guide.target.target_id)?;
        let length = format_time(time.end.saturating_sub(time.start));
        writeln!(out, "time: {}-{} ({length})", time.start, time.end)?;
        for (index, region) in guide.regions.iter().enumerate() {
            let size = format_size(length_of(region) as f64);
            writeln!(
                out,
                "region\t{index:2}: {:020}-{:020} ({size})",
                region.start, region.end
            )?;
        }
    }
    Ok(())
}

/// Prints where a target has data, as 3.x does; indices that are not known are
/// left out.
///
/// # Errors
/// `out` cannot be written.
pub fn write_guide_3(
    out: &mut dyn Write,
    guide: &TargetGuide,
    origin: &Origin,
    raw: bool,
) -> io::Result<()> {
    if let Some(index) = origin.kdamond_idx {
        writeln!(out, "kdamond_idx: {index}")?;
    }
    if let Some(index) = origin.context_idx {
        writeln!(out, "context_idx: {index}")?;
    }
    if let Some(index) = origin.scheme_idx {
        writeln!(out, "scheme_idx: {index}")?;
    }
    if !origin.all_targets {
        writeln!(out, "target_id: {}", guide.target.target_id)?;
    }
    let (start, end) = (guide.since_ns, guide.time.end);
    let length = time(end.saturating_sub(start), raw);
    writeln!(
        out,
        "time: [{}, {}) ({length})",
        time(start, raw),
        time(end, raw)
    )?;
    let address = |address: u64| match raw {
        true => address.to_string(),
        false => format_size_accurate(address as f64),
    };
    for (index, region) in guide.regions.iter().enumerate() {
        let (start, end) = (address(region.start), address(region.end));
        let size = size(length_of(region), raw);
        writeln!(out, "region\t{index:2}: [{start}, {end}) ({size})")?;
    }
    Ok(())
}

/// Prints each region as a row; `start_ns` says from when on a target has data.
///
/// # Errors
/// `out` cannot be written.
pub fn write_guide_table<'a>(
    out: &mut dyn Write,
    guides: impl Iterator<Item = (TargetKey, u64, &'a TargetGuide)>,
    form: TableForm,
) -> io::Result<()> {
    let columns = [
        "kdamond",
        "target_id",
        "start_ns",
        "end_ns",
        "region",
        "start_address",
        "end_address",
        "bytes",
    ];
    let mut table = Table::begin(out, form, &columns)?;
    for (target, start_ns, guide) in guides {
        for (index, region) in (0..).zip(&guide.regions) {
            table.row(&[
                Value::Number(target.kdamond.into()),
                Value::Exact(target.target_id),
                Value::Exact(start_ns),
                Value::Exact(guide.time.end),
                Value::Number(index),
                Value::Exact(region.start),
                Value::Exact(region.end),
                Value::Number(length_of(region)),
            ])?;
        }
    }
    table.finish()
}

fn length_of(region: &Range<u64>) -> u64 {
    region.end.saturating_sub(region.start)
}
