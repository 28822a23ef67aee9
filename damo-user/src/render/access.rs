//! `report access`: snapshots as text, in the forms of the peer's 3.x.

mod boxes;
mod keys;
mod numbers;
mod rows;
mod styles;
mod tables;
mod template;
mod values;

use std::io::{self, Write};

pub use boxes::{Align, BoxLook, BoxValue};
pub use keys::{RecordKey, RegionKey, SnapshotKey};
pub use rows::AccessTable;
pub use styles::{Formats, Known, Style};
pub use template::Keyword;
use template::Template;
pub use values::total_bytes;
use values::{Shown, push_record};

use super::Palette;
use super::color::RESET;
use crate::analyze::access::{
    Access, Bins, Scale, SortKey, Survey, Weights, measure, sort_regions,
};
use crate::model::{Intervals, Snapshot};

/// Characters that values take at least, unless asked for otherwise.
const LEAST_CHARS: [(&str, usize); 8] = [
    ("<index>", 3),
    ("<start address>", 12),
    ("<end address>", 11),
    ("<size>", 11),
    ("<access rate>", 5),
    ("<access hz>", 6),
    ("<age>", 13),
    ("<filters passed type>", 10),
];

/// How a report is to look.
#[derive(Clone, Debug)]
pub struct Look {
    /// Bytes, nanoseconds and microseconds instead of numbers with units.
    pub raw: bool,
    /// What makes a region hot.
    pub weights: Weights,
    /// The order of regions: keys, one after the other, and whether the highest
    /// is first.
    pub sort: Vec<(SortKey, bool)>,
    /// Which percentiles, ascending.
    pub percentiles: Vec<i64>,
    /// How histograms are divided.
    pub bins: Bins,
    /// Each bin of a histogram has what is in those before it.
    pub cumulate: bool,
    /// The snapshot as one line.
    pub strip: StripLook,
    /// A region as a box.
    pub boxes: BoxLook,
    /// The colours of boxes in styles that choose them.
    pub emotion: Option<Palette>,
    /// Values' fewest characters, beside [what is usual](Look::least_chars).
    pub least_chars: Vec<(String, usize)>,
    /// As the peer prints it, its mistakes included.
    pub compat: bool,
}

/// How a snapshot is drawn as one line.
#[derive(Clone, Copy, Debug)]
pub struct StripLook {
    /// In columns.
    pub width: u32,
    /// Gaps are as wide as they are.
    pub in_place: bool,
    /// The colours.
    pub palette: Option<Palette>,
}

impl Default for Look {
    fn default() -> Look {
        Look {
            raw: false,
            weights: Weights::default(),
            sort: vec![(SortKey::Address, false)],
            percentiles: vec![0, 1, 25, 50, 75, 99, 100],
            bins: Bins::Linear(10),
            cumulate: false,
            strip: StripLook {
                width: 80,
                in_place: false,
                palette: None,
            },
            boxes: BoxLook::default(),
            emotion: None,
            least_chars: Vec::new(),
            compat: false,
        }
    }
}

impl Look {
    /// How many characters a value takes at least.
    pub fn least_chars(&self, name: &str) -> usize {
        let is = |known: &str| known == name;
        let mut asked = self.least_chars.iter().filter(|(known, _)| is(known));
        let usual = LEAST_CHARS.iter().find(|(known, _)| is(known));
        let usual = usual.map(|(_, least)| *least);
        let least = match self.compat {
            // To the peer the first one counts, and what is usual comes first.
            true => usual.or_else(|| asked.next().map(|(_, least)| *least)),
            false => asked.next_back().map(|(_, least)| *least).or(usual),
        };
        least.unwrap_or(0)
    }
}

/// What DAMON tunes its intervals for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TuningGoal {
    /// How many of the possible accesses are to be seen, in percent.
    pub access_percent: f64,
    /// In so many aggregations.
    pub aggrs: u64,
    /// The shortest sampling interval.
    pub min_sample_us: u64,
    /// The longest one.
    pub max_sample_us: u64,
}

/// What a report says of a record: of one target, or of one scheme's regions.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessRecord {
    /// Number of the kdamond; -1 for DAMON_STAT's.
    pub kdamond_idx: i32,
    /// Number of the context.
    pub context_idx: u32,
    /// Number of the scheme.
    pub scheme_idx: Option<u32>,
    /// The target; `None` for all of a context.
    pub target_id: Option<u64>,
    /// Start of the first snapshot, in nanoseconds of the record's clock.
    pub start_ns: u64,
    /// End of the last one.
    pub end_ns: u64,
    /// What the record says of its intervals.
    pub intervals: Intervals,
    /// What DAMON tunes them for, if it does.
    pub goal: Option<TuningGoal>,
    /// Where the snapshots come from.
    pub source: String,
    /// The scheme's filters on pages, as text.
    pub page_filters: Vec<String>,
    /// Whether the scheme has filters at all.
    pub filters: bool,
}

impl AccessRecord {
    /// How counts of one of its snapshots are to be read.
    pub fn scale(&self, snapshot: &Snapshot, compat: bool) -> Option<Scale> {
        scale(snapshot, self.intervals, self.goal.is_some(), compat)
    }
}

/// How counts of a snapshot of a record are to be read; `compat`: as the peer does.
pub fn scale(
    snapshot: &Snapshot,
    intervals: Intervals,
    tuned: bool,
    compat: bool,
) -> Option<Scale> {
    let scale = Scale::of(snapshot, Some(intervals), tuned)?;
    Some(match compat {
        true => Scale {
            whole_percents: true,
            age_unit_us: intervals.aggr_us,
            ..scale
        },
        false => scale,
    })
}

/// Prints records, snapshot by snapshot.
pub struct AccessWriter<'a> {
    out: &'a mut dyn Write,
    look: Look,
    formats: Formats,
    record_head: Template<RecordKey>,
    snapshot_head: Template<SnapshotKey>,
    region: Template<RegionKey>,
    snapshot_tail: Template<SnapshotKey>,
    record_tail: Template<RecordKey>,
    /// Whether a snapshot of the record was printed.
    begun: bool,
    regions: Vec<Access>,
    values: Vec<(i64, u64)>,
    text: String,
}

impl<'a> AccessWriter<'a> {
    /// `formats` are complete.
    pub fn new(out: &'a mut dyn Write, look: Look, formats: Formats) -> AccessWriter<'a> {
        let least = |name: &str| look.least_chars(name);
        let text = |format: &Option<String>| format.clone().unwrap_or_default();
        AccessWriter {
            record_head: Template::parse(&text(&formats.record_head), &least),
            snapshot_head: Template::parse(&text(&formats.snapshot_head), &least),
            region: Template::parse(&text(&formats.region), &least),
            snapshot_tail: Template::parse(&text(&formats.snapshot_tail), &least),
            record_tail: Template::parse(&text(&formats.record_tail), &least),
            out,
            look,
            formats,
            begun: false,
            regions: Vec::new(),
            values: Vec::new(),
            text: String::new(),
        }
    }

    /// Whether the extremes of all regions are to be known beforehand.
    pub fn needs_extremes(&self) -> bool {
        let of_boxes = |key| matches!(key, SnapshotKey::RegionBoxDescription);
        self.region.has(|key| key == RegionKey::Box)
            || self.snapshot_head.has(of_boxes)
            || self.snapshot_tail.has(of_boxes)
    }

    /// Whether a record's end is to be known before its snapshots are shown.
    pub fn needs_end(&self) -> bool {
        !self.record_head.is_empty()
    }

    /// Prints what stands before a record.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn begin(&mut self, record: &AccessRecord) -> io::Result<()> {
        self.begun = false;
        self.around(record, true)
    }

    /// Prints what stands behind it.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn end(&mut self, record: &AccessRecord) -> io::Result<()> {
        self.around(record, false)
    }

    fn around(&mut self, record: &AccessRecord, head: bool) -> io::Result<()> {
        let template = if head {
            &self.record_head
        } else {
            &self.record_tail
        };
        let (look, formats) = (&self.look, &self.formats);
        self.text.clear();
        template.fill(&mut self.text, |key, into| {
            push_record(into, key, record, look, formats);
        });
        line(self.out, &self.text, template.is_empty())
    }

    /// Prints a snapshot of the record that was begun.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn snapshot(
        &mut self,
        record: &AccessRecord,
        snapshot: &Snapshot,
        scale: &Scale,
        survey: &Survey,
    ) -> io::Result<()> {
        if self.begun && !self.formats.is_total_only() {
            self.out.write_all(b"\n")?;
        }
        self.begun = true;
        let mut regions = std::mem::take(&mut self.regions);
        measure(snapshot, scale, &mut regions);
        let shown = Shown {
            snapshot,
            regions: &regions,
            scale,
            record,
            look: &self.look,
            survey,
        };
        let (out, text, values) = (&mut *self.out, &mut self.text, &mut self.values);
        whole(out, text, &self.snapshot_head, shown, values)?;
        if !self.region.is_empty() {
            let mut ordered = std::borrow::Cow::Borrowed(regions.as_slice());
            if self.look.sort != [(SortKey::Address, false)] {
                sort_regions(ordered.to_mut(), &self.look.sort, &self.look.weights);
            }
            for (index, region) in ordered.iter().enumerate() {
                text.clear();
                self.region.fill(text, |key, into| {
                    shown.push_region(into, key, index, region);
                });
                line(out, text, false)?;
            }
        }
        whole(out, text, &self.snapshot_tail, shown, values)?;
        self.regions = regions;
        Ok(())
    }
}

/// Prints a head or a tail of a snapshot.
fn whole(
    out: &mut dyn Write,
    text: &mut String,
    template: &Template<SnapshotKey>,
    shown: Shown<'_>,
    values: &mut Vec<(i64, u64)>,
) -> io::Result<()> {
    text.clear();
    template.fill(text, |key, into| shown.push(into, key, values));
    line(out, text, template.is_empty())
}

fn line(out: &mut dyn Write, text: &str, none: bool) -> io::Result<()> {
    if none {
        return Ok(());
    }
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")
}

/// Text in the colours of a level.
fn colored(text: &str, palette: Option<Palette>, level: u8) -> String {
    match palette {
        Some(palette) => format!("{}{text}{RESET}", palette.escape(level)),
        None => text.to_owned(),
    }
}

/// All levels, each in its colours.
fn samples(palette: Option<Palette>) -> String {
    let escape = |level| palette.map_or(String::new(), |palette| palette.escape(level));
    let mut text: String = (0..10)
        .map(|level| format!("{}{level}", escape(level)))
        .collect();
    if palette.is_some() {
        text.push_str(RESET);
    }
    text
}
