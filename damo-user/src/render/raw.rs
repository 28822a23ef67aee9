//! `report raw`: every snapshot of one target.

use std::io::{self, Write};

use super::line::Lines;
use super::{time, write_gap};
use crate::model::{Gap, Item, Snapshot, TargetKey, printable};

/// Bytes of a snapshot's lines that are written at once.
const FULL: usize = 64 << 10;

/// What is printed, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct RawForm {
    /// Bytes and nanoseconds instead of numbers with units.
    pub raw_number: bool,
    /// Only snapshots that start within, both ends included, and gaps that
    /// reach into it; nanoseconds from the target's first snapshot.
    pub duration_ns: Option<(u64, u64)>,
}

/// Prints the snapshots and gaps of one target as they come.
pub struct RawWriter<'a> {
    out: &'a mut dyn Write,
    target: TargetKey,
    all_targets: bool,
    form: RawForm,
    base_ns: u64,
    lines: Lines,
}

/// What 3.x tells beside it.
#[derive(Clone, Debug, Default)]
pub struct RawSource {
    /// Where the snapshots come from.
    pub name: String,
    /// They are of all targets together.
    pub all_targets: bool,
}

impl<'a> RawWriter<'a> {
    /// Prints the head, with where the snapshots come from if that is given. All
    /// other times are relative to `base_ns`, the start of the target's first
    /// snapshot.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn new(
        out: &'a mut dyn Write,
        target: TargetKey,
        base_ns: u64,
        form: RawForm,
        source: Option<&RawSource>,
    ) -> io::Result<Self> {
        let base = time(base_ns, form.raw_number);
        writeln!(out, "base_time_absolute: {base}")?;
        if let Some(source) = source {
            writeln!(out, "data source: {}", printable(&source.name))?;
        }
        writeln!(out)?;
        Ok(Self {
            out,
            target,
            all_targets: source.is_some_and(|source| source.all_targets),
            form,
            base_ns,
            lines: Lines::default(),
        })
    }

    /// Prints an item of a record, unless it belongs to another target.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn write(&mut self, item: &Item) -> io::Result<()> {
        match item {
            Item::Snapshot(snapshot) if snapshot.target == self.target => self.snapshot(snapshot),
            Item::Gap(gap) if gap.target.is_none_or(|target| target == self.target) => {
                self.gap(gap)
            }
            _ => Ok(()),
        }
    }

    fn snapshot(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        let start_ns = snapshot.start_ns.saturating_sub(self.base_ns);
        let wanted = |(from, to)| (from..=to).contains(&start_ns);
        if !self.form.duration_ns.is_none_or(wanted) {
            return Ok(());
        }
        let raw = self.form.raw_number;
        let end_ns = snapshot.end_ns.saturating_sub(self.base_ns);
        let lines = &mut self.lines;
        lines.0.clear();
        for (label, ns) in [
            ("monitoring_start:    ", start_ns),
            ("monitoring_end:      ", end_ns),
            ("monitoring_duration: ", snapshot.duration_ns()),
        ] {
            lines.text(label);
            lines.text_right(&time(ns, raw), 16);
            lines.text("\n");
        }
        lines.text("target_id: ");
        match self.all_targets {
            true => lines.text("None"),
            false => lines.number(snapshot.target.target_id, 0),
        }
        lines.text("\nnr_regions: ");
        lines.number(snapshot.regions.len() as u64, 0);
        lines.text("\n");
        if snapshot.missing > 0 {
            let announced = snapshot.regions.len() as u64 + u64::from(snapshot.missing);
            let lost = format!("# lost: {} of {announced} regions\n", snapshot.missing);
            lines.text(&lost);
        }
        lines.text("# start_addr     end_addr        length  nr_accesses   age\n");
        for region in &snapshot.regions {
            lines.address(region.start);
            lines.text("-");
            lines.address(region.end);
            lines.text(" (");
            lines.size(region.len(), raw, 12);
            lines.text(") ");
            lines.number(region.nr_accesses.into(), 11);
            lines.text(" ");
            match region.age {
                Some(age) => lines.number(age.into(), 5),
                None => lines.text("   -1"),
            }
            lines.text("\n");
            if lines.0.len() > FULL {
                self.out.write_all(&lines.0)?;
                lines.0.clear();
            }
        }
        lines.text("\n");
        self.out.write_all(&lines.0)
    }

    fn gap(&mut self, gap: &Gap) -> io::Result<()> {
        let start_ns = gap.start_ns.saturating_sub(self.base_ns);
        let end_ns = gap.end_ns.saturating_sub(self.base_ns);
        let wanted = |(from, to)| from <= end_ns && start_ns <= to;
        if !self.form.duration_ns.is_none_or(wanted) {
            return Ok(());
        }
        write_gap(self.out, gap, self.base_ns, self.form.raw_number)
    }
}
