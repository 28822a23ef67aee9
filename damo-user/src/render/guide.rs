//! `report heats --guide`.

use std::io::{self, Write};

use crate::analyze::TargetGuide;
use crate::model::units::{format_size, format_time};

/// Prints where each target has data.
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
            let size = format_size(region.end.saturating_sub(region.start) as f64);
            writeln!(
                out,
                "region\t{index:2}: {:020}-{:020} ({size})",
                region.start, region.end
            )?;
        }
    }
    Ok(())
}
