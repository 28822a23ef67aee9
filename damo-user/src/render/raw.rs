//! `report raw`: every snapshot of one target.

use std::io::{self, Write};

use super::{size, time, write_gap};
use crate::model::{Gap, Item, Snapshot, TargetKey};

/// What is printed, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct RawForm {
    /// Bytes and nanoseconds instead of numbers with units.
    pub raw_number: bool,
    /// Only snapshots that start within, both ends included; nanoseconds from
    /// the record's start.
    pub duration_ns: Option<(u64, u64)>,
}

/// Prints the snapshots of one target as they come. Times are relative to
/// the target's first.
pub struct RawWriter<'a> {
    out: &'a mut dyn Write,
    target: Option<TargetKey>,
    form: RawForm,
    base_ns: Option<u64>,
}

impl<'a> RawWriter<'a> {
    /// Prints nothing yet. `None` is the target that comes first.
    pub fn new(out: &'a mut dyn Write, target: Option<TargetKey>, form: RawForm) -> Self {
        Self {
            out,
            target,
            form,
            base_ns: None,
        }
    }

    /// Prints an item of a record, unless it belongs to another target.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn write(&mut self, item: &Item) -> io::Result<()> {
        match item {
            Item::Snapshot(snapshot) => {
                if *self.target.get_or_insert(snapshot.target) == snapshot.target {
                    self.snapshot(snapshot)?;
                }
            }
            Item::Gap(gap) => {
                if gap.target.is_none() || self.target.is_none() || gap.target == self.target {
                    self.gap(gap)?;
                }
            }
        }
        Ok(())
    }

    fn base(&mut self, start_ns: u64) -> io::Result<u64> {
        if let Some(base_ns) = self.base_ns {
            return Ok(base_ns);
        }
        self.base_ns = Some(start_ns);
        writeln!(
            self.out,
            "base_time_absolute: {}\n",
            time(start_ns, self.form.raw_number)
        )?;
        Ok(start_ns)
    }

    /// Whether something that starts then, relative to the base, is printed.
    fn wants(&self, start_ns: u64) -> bool {
        self.form
            .duration_ns
            .is_none_or(|(from, to)| (from..=to).contains(&start_ns))
    }

    fn snapshot(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        let base_ns = self.base(snapshot.start_ns)?;
        let start_ns = snapshot.start_ns.saturating_sub(base_ns);
        if !self.wants(start_ns) {
            return Ok(());
        }
        let raw = self.form.raw_number;
        let end_ns = snapshot.end_ns.saturating_sub(base_ns);
        let out = &mut *self.out;
        writeln!(
            out,
            "{:<21}{:>16}",
            "monitoring_start:",
            time(start_ns, raw)
        )?;
        writeln!(out, "{:<21}{:>16}", "monitoring_end:", time(end_ns, raw))?;
        writeln!(
            out,
            "{:<21}{:>16}",
            "monitoring_duration:",
            time(snapshot.duration_ns(), raw)
        )?;
        writeln!(out, "target_id: {}", snapshot.target.target_id)?;
        writeln!(out, "nr_regions: {}", snapshot.regions.len())?;
        if snapshot.missing > 0 {
            let announced = snapshot.regions.len() as u64 + u64::from(snapshot.missing);
            writeln!(out, "# lost: {} of {announced} regions", snapshot.missing)?;
        }
        writeln!(
            out,
            "# {:>10} {:>12}  {:>12}  {:>11} {:>5}",
            "start_addr", "end_addr", "length", "nr_accesses", "age"
        )?;
        for region in &snapshot.regions {
            let age = region.age.map_or(-1, i64::from);
            writeln!(
                out,
                "{:012x}-{:012x} ({:>12}) {:11} {:5}",
                region.start,
                region.end,
                size(region.len(), raw),
                region.nr_accesses,
                age
            )?;
        }
        writeln!(out)
    }

    fn gap(&mut self, gap: &Gap) -> io::Result<()> {
        let base_ns = self.base_ns.unwrap_or(0);
        if self.wants(gap.start_ns.saturating_sub(base_ns)) {
            write_gap(self.out, gap, base_ns, self.form.raw_number)?;
        }
        Ok(())
    }
}
