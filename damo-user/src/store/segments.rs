//! A record of several files: a folder of segments that reads as one.
//!
//! A recorder that is started again goes on in its folder with segments of its own, a
//! *recording* each: see [`super::recordings`].

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{
    About, Detail, Gap, Item, Items, LossCause, Meta, ReadError, Record, shifted, touches,
};
use crate::sys::input::open_regular;

use super::format::HEADER_LEN;
use super::reader::{FORMAT, is_recognised, refused};
use super::recordings::{Recordings, merge};
use super::{OwnedItems, Reader, Stats};

/// Segments that are kept in mind: a bound for hostile folders.
const MAX_SEGMENTS: usize = 1 << 20;

/// The name of segment `number` in its folder.
pub fn segment_name(number: u32) -> String {
    format!("segment-{number:08}.damo")
}

/// The number in a segment's name.
pub fn segment_number(name: &str) -> Option<u32> {
    let number = name
        .strip_prefix("segment-")?
        .strip_suffix(".damo")?
        .parse()
        .ok()?;
    (segment_name(number) == name).then_some(number)
}

/// A record in several files. Each is opened when its turn comes: what
/// retention removes meanwhile is passed over.
#[derive(Clone, Debug)]
pub struct Segments {
    folder: PathBuf,
    /// By number, ascending.
    numbers: Vec<u32>,
    meta: Meta,
    recordings: Recordings,
    totals: Stats,
    /// Bytes of all files.
    len: u64,
    clean: bool,
    /// No frame has a later time, if every segment tells.
    end_ns: Option<u64>,
}

impl Segments {
    /// Opens the record in `folder`, and looks once at each of its segments.
    ///
    /// # Errors
    /// There is no segment, one cannot be read, or they are of several records.
    pub fn open(folder: &Path) -> Result<Segments, ReadError> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(folder).map_err(|error| refused(folder, error))? {
            let entry = entry.map_err(|error| refused(folder, error))?;
            let number = entry.file_name().to_str().and_then(segment_number);
            numbers.extend(number.filter(|_| numbers.len() < MAX_SEGMENTS));
        }
        numbers.sort_unstable();
        let mut segments = Segments {
            folder: folder.to_owned(),
            numbers,
            meta: Meta::default(),
            recordings: Recordings::default(),
            totals: Stats::default(),
            len: 0,
            clean: true,
            end_ns: Some(0),
        };
        segments.survey()?;
        Ok(segments)
    }

    fn survey(&mut self) -> Result<(), ReadError> {
        let mut first: Option<Meta> = None;
        let mut there = Vec::with_capacity(self.numbers.len());
        let mut any = false;
        for &number in &self.numbers {
            let reader = match self.segment(number)? {
                Opened::Gone => continue,
                Opened::Broken { is_begun } => {
                    self.clean = false;
                    // One that was never begun is missing only before others.
                    if is_begun || self.numbers.last() != Some(&number) {
                        there.push(number);
                    }
                    continue;
                }
                Opened::There(reader) => reader,
            };
            there.push(number);
            let is_in_place = reader
                .header()
                .is_none_or(|header| header.segment == number);
            if !is_in_place || !self.recordings.add(number, &reader) {
                return Err(ReadError::Unsupported {
                    path: self.folder.join(segment_name(number)),
                    what: "a segment of another record than those around it; \
                           move the segments of each record into a folder of their own"
                        .to_owned(),
                });
            }
            self.totals = self.totals + reader.totals();
            self.clean &= reader.was_clean();
            let end_ns = reader.about().end_ns;
            let end_ns = end_ns.map(|end_ns| self.recordings.on_clock(number, end_ns));
            self.end_ns = self.end_ns.zip(end_ns).map(|(a, b)| a.max(b));
            self.len = self.len.saturating_add(reader.about().bytes.unwrap_or(0));
            any = true;
            if reader.is_told() {
                first.get_or_insert_with(|| reader.meta().clone());
                self.meta = merge(&self.meta, reader.meta());
            }
        }
        self.numbers = there;
        if !any {
            return Err(ReadError::Unsupported {
                path: self.folder.clone(),
                what: "a folder without segments (segment-00000000.damo …) of a record".to_owned(),
            });
        }
        if let Some(first) = first {
            // The first one's clock is the record's.
            (self.meta.wall_ns, self.meta.mono_ns) = (first.wall_ns, first.mono_ns);
            self.meta.boot_id = first.boot_id;
        }
        Ok(())
    }

    /// Opens a segment.
    fn segment(&self, number: u32) -> Result<Opened, ReadError> {
        let path = self.folder.join(segment_name(number));
        let io = |error| refused(&path, error);
        let file = match open_regular(&path) {
            Ok(file) => Arc::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Opened::Gone),
            Err(error) => return Err(io(error)),
        };
        if !is_recognised(Arc::clone(&file)).map_err(io)? {
            let len = file.metadata().map_err(io)?.len();
            return Ok(Opened::Broken {
                is_begun: len >= HEADER_LEN as u64,
            });
        }
        Reader::from_source(file, path).map(|reader| Opened::There(Box::new(reader)))
    }

    /// The numbers of the segments that are there.
    pub fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Sums over all segments.
    pub fn totals(&self) -> Stats {
        self.totals
    }

    /// Whether every segment was closed.
    pub fn was_clean(&self) -> bool {
        self.clean
    }

    /// Identifies the latest recording; `None` if every header is damaged.
    pub fn uuid(&self) -> Option<[u8; 16]> {
        self.recordings.latest()
    }

    /// Only the segments of one recording.
    #[must_use]
    pub fn recording(mut self, uuid: [u8; 16]) -> Segments {
        let recordings = &self.recordings;
        self.numbers
            .retain(|number| recordings.uuid(*number) == Some(uuid));
        self
    }

    fn walk(&self, time: Option<Range<u64>>, detail: Detail) -> Pass {
        Pass {
            segments: self.clone(),
            time,
            next: 0,
            expected: None,
            before: None,
            latest_ns: None,
            ended_ns: None,
            items: None,
            detail,
            broken: false,
        }
    }
}

impl Record for Segments {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn about(&self) -> About {
        let (first, last) = (self.numbers.first(), self.numbers.last());
        About {
            format: FORMAT,
            bytes: Some(self.len),
            closed: Some(self.clean),
            uuid: self.uuid(),
            end_ns: self.end_ns,
            segments: first.copied().zip(last.copied()),
        }
    }

    fn items(&mut self) -> Result<Items<'_>, ReadError> {
        self.items_with(Detail::All)
    }

    fn items_with(&mut self, detail: Detail) -> Result<Items<'_>, ReadError> {
        Ok(Box::new(self.walk(None, detail)))
    }

    fn items_in(&mut self, time: Range<u64>) -> Result<Items<'_>, ReadError> {
        Ok(Box::new(self.walk(Some(time), Detail::All)))
    }
}

/// What a segment's name leads to.
enum Opened {
    /// Nothing: it was removed.
    Gone,
    /// Nothing that can be read; less than a header, unless `is_begun`.
    Broken { is_begun: bool },
    /// A record.
    There(Box<Reader<Arc<File>>>),
}

/// One pass over all segments.
struct Pass {
    segments: Segments,
    time: Option<Range<u64>>,
    /// Index of the next segment.
    next: usize,
    /// The number that it should have.
    expected: Option<u32>,
    /// The one before: its number, and whether it was closed.
    before: Option<(u32, bool)>,
    latest_ns: Option<u64>,
    /// When the segment before ended, if it tells.
    ended_ns: Option<u64>,
    items: Option<OwnedItems>,
    detail: Detail,
    /// The last segments could not be read.
    broken: bool,
}

impl Iterator for Pass {
    type Item = Result<Item, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.items.as_mut().and_then(Iterator::next) {
                if let Ok(item) = &item {
                    self.latest_ns = self.latest_ns.max(Some(item.times().1));
                }
                return Some(item);
            }
            let Some(&number) = self.segments.numbers.get(self.next) else {
                return std::mem::take(&mut self.broken).then(|| Ok(self.last_gap()));
            };
            self.next += 1;
            match self.segments.segment(number) {
                Ok(Opened::There(reader)) if self.is_of_record(&reader, number) => {
                    self.broken = false;
                    self.begin(number, *reader);
                }
                // Another record has taken its place, as good as removed; whether
                // that is a gap is seen at the next.
                Ok(Opened::Gone | Opened::There(_)) => {}
                Ok(Opened::Broken { .. }) => {
                    self.broken = true;
                    self.expected.get_or_insert(number);
                }
                Err(error) => {
                    self.next = usize::MAX;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Pass {
    fn is_of_record(&self, reader: &Reader<Arc<File>>, number: u32) -> bool {
        reader.header().is_none_or(|header| {
            Some(header.uuid) == self.segments.recordings.uuid(number) && header.segment == number
        })
    }

    /// For segments at the end of which nothing can be read.
    fn last_gap(&self) -> Item {
        let at_ns = self.latest_ns.or(self.ended_ns).unwrap_or(0);
        Item::Gap(Gap {
            target: None,
            start_ns: at_ns,
            end_ns: at_ns,
            events: None,
            cause: LossCause::Damaged,
        })
    }

    fn begin(&mut self, number: u32, reader: Reader<Arc<File>>) {
        let recordings = &self.segments.recordings;
        // What a recorder that was killed had not written, another one has not either.
        let before = self.before.replace((number, reader.was_clean()));
        let cut_off = before.is_some_and(|(before, was_closed)| {
            !was_closed && recordings.uuid(before) != recordings.uuid(number)
        });
        let missing = cut_off || self.expected.is_some_and(|expected| number != expected);
        self.expected = number.checked_add(1);
        let later_ns = recordings.later_ns(number);
        let began_ns = shifted(reader.meta().mono_ns, later_ns);
        let ended_ns = reader.about().end_ns.map(|it| shifted(it, later_ns));
        let before_ns = std::mem::replace(&mut self.ended_ns, ended_ns);
        let time = self.time.as_ref().map(|time| {
            let back = |ns| shifted(ns, later_ns.saturating_neg());
            // The end of time is everybody's.
            let end = Some(time.end).filter(|end| *end == u64::MAX);
            back(time.start)..end.unwrap_or_else(|| back(time.end))
        });
        let items = reader.into_items(time, self.detail).map(move |item| {
            let mut item = item?;
            item.shift(later_ns);
            Ok(item)
        });
        let mut items = items.peekable();
        if !missing {
            self.items = Some(Box::new(items));
            return;
        }
        // Of a part in time, not all items are seen.
        let (start_ns, end_ns) = match (&self.time, items.peek()) {
            (None, Some(Ok(item))) => (self.latest_ns, Some(item.times().0)),
            (None, _) => (self.latest_ns, None),
            (Some(_), _) => (before_ns, Some(began_ns)),
        };
        let gap = Item::Gap(Gap {
            target: None,
            start_ns: start_ns.or(end_ns).unwrap_or(0),
            end_ns: end_ns.or(start_ns).unwrap_or(0).max(start_ns.unwrap_or(0)),
            events: None,
            cause: LossCause::Damaged,
        });
        if !self.time.as_ref().is_none_or(|time| touches(&gap, time)) {
            self.items = Some(Box::new(items));
            return;
        }
        self.items = Some(Box::new(std::iter::once(Ok(gap)).chain(items)));
    }
}
