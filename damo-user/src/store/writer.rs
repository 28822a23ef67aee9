//! Writes a record, frame by frame, never touching what it wrote.

mod frames;

use std::collections::BTreeMap;

use crate::model::{Gap, Item, Known, LossCause, Meta, Note, Region, Snapshot, TargetInfo};

use super::about::{Options, Places, file_header};
use super::append::{Appender, Stats, WriteError, write_failed};
use super::format::{FrameHeader, kind, limit};
use super::frame::DataFrame;
use super::index::Index;
use super::notes::{self, Pending};
use super::sink::Sink;

/// A frame is written when it is full, or so old.
const FRAME_NS: u64 = 1_000_000_000;
/// Time between two fdatasyncs.
const SYNC_NS: u64 = 5_000_000_000;
/// Regions that a frame holds at most, so that it stays below
/// [`limit::PAYLOAD`] even if nothing can be compressed.
const FRAME_REGIONS: usize = 16_384;

/// Writes one record file. docs/FORMAT.md has the rules; in short: a frame is
/// one write, whole or taken back; what cannot be written becomes a gap.
pub struct Writer<S: Sink> {
    file: Appender<S>,
    meta: Meta,
    /// Where its targets are.
    places: Places,
    /// Targets became known since the last META frame.
    meta_stale: bool,
    frame: DataFrame,
    /// By the type of their frame.
    notes: BTreeMap<u8, Pending>,
    index: Index,
    stats: Stats,
    /// What could not be written and is not told in the file yet.
    unwritten: Option<Gap>,
    now_ns: u64,
    opened_ns: u64,
    synced_ns: Option<u64>,
    finished: bool,
}

impl<S: Sink> Writer<S> {
    /// Starts a record in `sink`, which must be new and empty.
    ///
    /// # Errors
    /// Header and `meta` cannot be written.
    pub fn new(sink: S, meta: &Meta) -> Result<Self, WriteError> {
        Self::with_options(sink, meta, Options::default())
    }

    /// As [`Writer::new`], saying what the file header holds.
    ///
    /// # Errors
    /// As for [`Writer::new`].
    pub fn with_options(sink: S, meta: &Meta, options: Options) -> Result<Self, WriteError> {
        let mut writer = Writer {
            file: Appender::new(sink)?,
            meta: Meta::default(),
            places: Places::default(),
            meta_stale: false,
            frame: DataFrame::default(),
            notes: BTreeMap::new(),
            index: Index::default(),
            stats: Stats::default(),
            unwritten: None,
            now_ns: 0,
            opened_ns: 0,
            synced_ns: None,
            finished: false,
        };
        writer.file.latest_ns = meta.mono_ns;
        let header = file_header(meta, options).map_err(write_failed)?;
        header.encode(&mut writer.file.out);
        writer.file.write_out()?;
        writer.meta(meta)?;
        Ok(writer)
    }

    /// Gives the sink back, whether or not the record was finished.
    pub fn into_sink(self) -> S {
        self.file.into_sink()
    }

    /// Where the bytes go.
    pub fn sink_mut(&mut self) -> &mut S {
        self.file.sink_mut()
    }

    /// What was kept and lost so far.
    pub fn stats(&self) -> Stats {
        Stats {
            bytes: self.file.bytes,
            frames: self.file.frames,
            ..self.stats
        }
    }

    /// What the record says about itself by now.
    pub fn told(&self) -> &Meta {
        &self.meta
    }

    /// What could not be written and is told nowhere in the file: whoever takes
    /// it counts it.
    pub fn take_unwritten(&mut self) -> Option<Gap> {
        let gap = self.unwritten.take()?;
        let events = gap.events.unwrap_or(0);
        self.stats.lost = self.stats.lost.saturating_sub(events);
        Some(gap)
    }

    /// Adds a snapshot; its frame is written when it is full. One that breaks
    /// the format's rules (regions that overlap or go down, or more than
    /// 524288 of them) becomes a gap of cause `Unwritten` in its place, with its
    /// regions and those missing from it as events: what a kernel reports must
    /// not end a recording.
    ///
    /// # Errors
    /// `Io` if a full frame could not be written; `Invalid` after the end.
    pub fn snapshot(&mut self, snapshot: &Snapshot) -> Result<(), WriteError> {
        let count = snapshot.regions.len();
        if !keeps_the_rules(snapshot) {
            return self.gap(&Gap {
                target: Some(snapshot.target),
                start_ns: snapshot.start_ns,
                end_ns: snapshot.end_ns,
                events: Some((count as u64).saturating_add(snapshot.missing.into())),
                cause: LossCause::Unwritten,
            });
        }
        self.open()?;
        self.stats.snapshots += 1;
        self.stats.samples += count as u64;
        self.stats.lost = self.stats.lost.saturating_add(u64::from(snapshot.missing));
        let mut result = Ok(());
        if self.frame.samples() + count > FRAME_REGIONS {
            result = self.flush();
            self.begin();
        }
        let mut from = 0;
        while count - from > FRAME_REGIONS {
            self.frame.push(snapshot, from, from + FRAME_REGIONS);
            from += FRAME_REGIONS;
            result = result.and(self.flush_notes());
            if let Err(error) = self.flush_samples() {
                // Without this part the ones to come cannot be read.
                self.stats.snapshots -= 1;
                let rest = (count - from) as u64;
                self.stats.samples -= rest;
                self.stats.lost = self.stats.lost.saturating_add(rest);
                self.not_written(snapshot.start_ns, snapshot.end_ns, rest);
                return Err(error);
            }
        }
        self.frame.push(snapshot, from, count);
        result.and(self.flush_if_full())
    }

    /// Adds an item, whatever it is.
    ///
    /// # Errors
    /// As for [`Writer::snapshot`].
    pub fn item(&mut self, item: &Item) -> Result<(), WriteError> {
        match item {
            Item::Snapshot(snapshot) => self.snapshot(snapshot),
            Item::Gap(gap) => self.gap(gap),
            Item::Note(note) => self.note(note),
        }
    }

    /// Adds a note. Notes of one kind stay in order; they are written with the
    /// next frame of samples, before it.
    ///
    /// # Errors
    /// As for [`Writer::snapshot`].
    pub fn note(&mut self, note: &Note) -> Result<(), WriteError> {
        if let Known::Clock(wall_ns) = note.what {
            return self.clock(note.time_ns, wall_ns);
        }
        self.open()?;
        let kind = notes::kind_of(&note.what);
        let pending = self.notes.entry(kind).or_default();
        pending.push(note);
        match pending.is_full() {
            true => self.flush_notes(),
            false => Ok(()),
        }
    }

    /// Adds a gap.
    ///
    /// # Errors
    /// As for [`Writer::snapshot`].
    pub fn gap(&mut self, gap: &Gap) -> Result<(), WriteError> {
        self.open()?;
        self.frame.push_gap(gap);
        self.stats.lost = self.stats.lost.saturating_add(gap.events.unwrap_or(0));
        self.flush_if_full()
    }

    /// Tells of a target that was not known at the start.
    ///
    /// # Errors
    /// It could not be written.
    pub fn target(&mut self, target: &TargetInfo) -> Result<(), WriteError> {
        self.unfinished()?;
        self.places.merge(&mut self.meta.targets, target);
        self.meta_stale = true;
        self.json_frame(kind::TARGET, target)
    }

    /// Tells what both clocks showed at one moment.
    ///
    /// # Errors
    /// It could not be written.
    pub fn clock(&mut self, mono_ns: u64, wall_ns: u64) -> Result<(), WriteError> {
        self.unfinished()?;
        self.file.payload.clear();
        notes::encode_clock(mono_ns, wall_ns, &mut self.file.payload).map_err(write_failed)?;
        let header = FrameHeader {
            kind: kind::CLOCK,
            first_ns: mono_ns,
            last_ns: mono_ns,
            ..FrameHeader::default()
        };
        self.index.note_time(mono_ns);
        self.file.put_frame(header)
    }

    /// Replaces what the record says about itself; targets told before stay.
    ///
    /// # Errors
    /// It could not be written.
    pub fn meta(&mut self, meta: &Meta) -> Result<(), WriteError> {
        self.unfinished()?;
        let mut merged = meta.clone();
        merged.targets.clone_from(&self.meta.targets);
        for target in &meta.targets {
            self.places.merge(&mut merged.targets, target);
        }
        self.meta = merged;
        self.write_meta()
    }

    /// Replaces what the record says about itself, targets included.
    ///
    /// # Errors
    /// It could not be written.
    pub fn replace_meta(&mut self, meta: Meta) -> Result<(), WriteError> {
        self.unfinished()?;
        self.places = Places::of(&meta.targets);
        self.meta = meta;
        self.write_meta()
    }

    /// To be called regularly: writes a frame that is 1 s old, and syncs
    /// every 5 s. Everything up to 1 s ago then survives a SIGKILL, if the
    /// caller ticks often enough.
    ///
    /// # Errors
    /// The frame could not be written, or the file not be synced.
    pub fn tick(&mut self, now_ns: u64) -> Result<(), WriteError> {
        self.now_ns = now_ns;
        let old = now_ns.saturating_sub(self.opened_ns) >= FRAME_NS;
        let flushed = if old {
            self.opened_ns = now_ns;
            self.flush()
        } else {
            Ok(())
        };
        let synced_ns = *self.synced_ns.get_or_insert(now_ns);
        if !self.file.dirty || now_ns.saturating_sub(synced_ns) < SYNC_NS {
            return flushed;
        }
        // Even after a failure the next attempt is 5 s away.
        self.synced_ns = Some(now_ns);
        flushed.and(self.file.sync())
    }

    fn unfinished(&self) -> Result<(), WriteError> {
        if self.finished {
            return Err(WriteError::Invalid("the record is finished"));
        }
        Ok(())
    }

    /// Before a snapshot or a gap is added.
    fn open(&mut self) -> Result<(), WriteError> {
        self.unfinished()?;
        if self.frame.is_empty() && self.notes.is_empty() {
            self.opened_ns = self.now_ns;
        }
        self.begin();
        Ok(())
    }
}

/// The rules that a reader relies on.
fn keeps_the_rules(snapshot: &Snapshot) -> bool {
    let mut end = 0;
    let ascends = |region: &Region| {
        let ascends = end <= region.start && region.start <= region.end;
        end = region.end;
        ascends
    };
    snapshot.regions.len() as u64 <= limit::REGIONS && snapshot.regions.iter().all(ascends)
}
