//! Whether a file is what docs/FORMAT.md says, to the last number.

use std::collections::HashMap;
use std::io;

use crate::model::{Detail, Item, Meta, Snapshot, TargetInfo, TargetKey};

use super::about::parse_json;
use super::column::Columns;
use super::decode::decode;
use super::format::{FrameHeader, HEADER_LEN, flag, kind, limit};
use super::index::{End, Index};
use super::recover::{Found, Walk};
use super::source::{ReadAt, Source};
use super::{JSON_COLUMN, Reader, Stats, notes};

/// Faults that are told one by one; more are counted.
const TOLD: usize = 100;

/// Frames whose place is kept to check the index against.
const FRAMES: usize = 1 << 18;

/// What is wrong at one place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where in the file, in bytes.
    pub offset: u64,
    /// What.
    pub what: String,
}

/// What a look at every byte of a file has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The first faults, in order.
    pub faults: Vec<Fault>,
    /// All of them.
    pub nr_faults: u64,
    /// Whether the file has its end: a recorder that was killed writes none.
    pub closed: bool,
    /// What is really there: whole snapshots, samples, frames; and what frames
    /// say was lost.
    pub found: Stats,
}

/// Reads all of a record and checks it against the format's rules.
///
/// # Errors
/// The file cannot be read.
pub fn verify<R: ReadAt>(record: &mut Reader<R>) -> io::Result<Verdict> {
    let header_is_damaged = record.header().is_none();
    let mut check = Check {
        source: &mut record.source,
        verdict: Verdict::default(),
        columns: Columns::default(),
        split: None,
        frames: HashMap::new(),
        data: Vec::new(),
        latest_ns: 0,
        first_is_meta: None,
    };
    if header_is_damaged {
        check.fault(0, "the file header is damaged");
    }
    check.walk()?;
    Ok(check.verdict)
}

struct Check<'a, R> {
    source: &'a mut Source<R>,
    verdict: Verdict,
    columns: Columns,
    /// Of a snapshot that goes on: whose, its times and what is lacking.
    split: Option<(TargetKey, u64, u64, u64)>,
    /// Frames by offset: type and number.
    frames: HashMap<u64, (u8, u64)>,
    /// First time of each frame that has times, and the latest time before it.
    data: Vec<(u64, u64, u64)>,
    latest_ns: u64,
    first_is_meta: Option<bool>,
}

impl<R: ReadAt> Check<'_, R> {
    fn fault(&mut self, offset: u64, what: impl Into<String>) {
        self.verdict.nr_faults += 1;
        if self.verdict.faults.len() < TOLD {
            let what = what.into();
            self.verdict.faults.push(Fault { offset, what });
        }
    }

    fn walk(&mut self) -> io::Result<()> {
        let mut walk = Walk::new(HEADER_LEN as u64, 0);
        let mut payload = Vec::new();
        let mut at = HEADER_LEN as u64;
        while let Some(found) = walk.next(self.source, &mut payload, |_| true)? {
            match found {
                Found::Damage { lost, .. } => {
                    let what = match lost {
                        Some(header) => format!(
                            "a frame of {} samples is cut short or its checksum does not hold",
                            header.samples
                        ),
                        None => {
                            "no valid frame: bytes are damaged, missing or left over".to_owned()
                        }
                    };
                    self.fault(at, what);
                    self.split = None;
                }
                Found::Frame(offset, header) => {
                    self.frame(offset, &header, &payload);
                    at = offset + header.frame_len();
                    if header.kind == kind::END {
                        self.end(offset, at);
                        break;
                    }
                }
            }
        }
        if self.split.is_some() {
            self.fault(at, "a snapshot that goes on has no other part");
        }
        Ok(())
    }

    fn frame(&mut self, offset: u64, header: &FrameHeader, payload: &[u8]) {
        let read = self.columns.read(payload, header.columns, header.raw_len);
        if read.is_err() {
            return self.fault(offset, "the frame's columns cannot be decompressed");
        }
        if self.first_is_meta.is_none() {
            let is_meta = header.kind == kind::META;
            self.first_is_meta = Some(is_meta);
            if !is_meta {
                self.fault(offset, "the first frame is not META");
            }
        }
        match header.kind {
            kind::DATA => self.data(offset, header),
            kind::META => self.json::<Meta>(offset),
            kind::TARGET => self.json::<TargetInfo>(offset),
            kind::INDEX => self.index(offset),
            number if notes::is_one(number) => self.notes(offset, header),
            _ => {}
        }
        if header.kind != kind::DATA && header.snapshots | header.samples | header.gaps != 0 {
            self.fault(offset, "a frame without samples counts some");
        }
        if self.frames.len() < FRAMES {
            self.frames.insert(offset, (header.kind, header.seq));
            if matches!(header.kind, kind::DATA) || notes::is_one(header.kind) {
                self.data.push((offset, header.first_ns, self.latest_ns));
            }
        }
        if header.kind != kind::END {
            self.verdict.found.frames += 1;
            self.verdict.found.bytes = offset + header.frame_len();
        }
        self.latest_ns = self.latest_ns.max(header.last_ns);
    }

    fn data(&mut self, offset: u64, header: &FrameHeader) {
        let decoded = match decode(header, &self.columns, Detail::All) {
            Ok(decoded) => decoded,
            Err(fault) => {
                self.split = None;
                return self.fault(offset, format!("the frame breaks a rule: {}", fault.0));
            }
        };
        let times = || decoded.items.iter().map(Item::times);
        let first_ns = times().map(|(start, _)| start).min().unwrap_or(0);
        let last_ns = times().map(|(_, end)| end).max().unwrap_or(0);
        if (first_ns, last_ns) != (header.first_ns, header.last_ns) {
            self.fault(offset, "the header's times are not those of the items");
        }
        let lost = decoded.items.iter().fold(0u64, |sum, item| {
            sum.saturating_add(match item {
                Item::Snapshot(snapshot) => u64::from(snapshot.missing),
                Item::Gap(gap) => gap.events.unwrap_or(0),
                Item::Note(_) => 0,
            })
        });
        if lost != header.lost {
            self.fault(offset, "the header's losses are not those of the items");
        }
        let snapshots = || {
            decoded.items.iter().filter_map(|item| match item {
                Item::Snapshot(snapshot) => Some(snapshot),
                _ => None,
            })
        };
        let key = |it: &Snapshot| (it.target, it.start_ns, it.end_ns);
        let first = snapshots().next().map(key);
        let split = self.split.take();
        let continues = header.has(flag::CONTINUES);
        let fits = match (split, first) {
            (None, _) => !continues,
            (Some((target, start_ns, end_ns, lacking)), Some(first)) => {
                continues
                    && first == (target, start_ns, end_ns)
                    && lacking == decoded.first_nr_regions
            }
            (Some(_), None) => false,
        };
        if !fits {
            self.fault(offset, "the parts of a split snapshot do not fit");
        }
        if let Some((target, start_ns, end_ns)) = snapshots()
            .next_back()
            .map(key)
            .filter(|_| decoded.lacking > 0)
        {
            self.split = Some((target, start_ns, end_ns, decoded.lacking));
        }
        let found = &mut self.verdict.found;
        found.snapshots += header.whole_snapshots();
        found.samples += u64::from(header.samples);
        found.lost = found.lost.saturating_add(lost);
    }

    fn notes(&mut self, offset: u64, header: &FrameHeader) {
        match notes::decode(header, &self.columns) {
            Err(fault) => self.fault(offset, format!("the frame breaks a rule: {}", fault.0)),
            Ok(notes) => {
                let times = || notes.iter().map(|note| note.time_ns);
                if (times().min(), times().max()) != (Some(header.first_ns), Some(header.last_ns)) {
                    self.fault(offset, "the header's times are not those of the notes");
                }
            }
        }
    }

    fn json<T: serde::de::DeserializeOwned>(&mut self, offset: u64) {
        let json = self.columns.bytes(JSON_COLUMN).ok().flatten();
        let parsed = json.and_then(|json| parse_json::<T>(json, limit::JSON as usize));
        if parsed.is_none() {
            self.fault(offset, "what the record says about itself cannot be read");
        }
    }

    /// Every entry must be a DATA frame's, and keep what it promises.
    fn index(&mut self, offset: u64) {
        let Ok(index) = Index::decode(&self.columns) else {
            return self.fault(offset, "the index cannot be read");
        };
        // What is earliest from each frame on.
        let mut from = vec![u64::MAX; self.data.len() + 1];
        let mut earliest = u64::MAX;
        for (i, (_, first_ns, _)) in self.data.iter().enumerate().rev() {
            earliest = earliest.min(*first_ns);
            if let Some(place) = from.get_mut(i) {
                *place = earliest;
            }
        }
        let complete = self.verdict.nr_faults == 0 && self.frames.len() < FRAMES;
        for entry in &index.entries {
            let frame = self.frames.get(&entry.offset);
            let at = self.data.binary_search_by_key(&entry.offset, |it| it.0);
            let holds = at.is_ok_and(|i| {
                let before = self.data.get(i).map(|it| it.2);
                let from = from.get(i).copied();
                before.is_some_and(|before| entry.before_ns >= before)
                    && from.is_some_and(|from| entry.from_ns <= from)
            });
            if complete && (frame != Some(&(kind::DATA, entry.seq)) || !holds) {
                let what = format!("the index's entry for offset {} is wrong", entry.offset);
                return self.fault(offset, what);
            }
        }
        let meta = self.frames.get(&index.meta_offset);
        if complete && index.meta_offset != 0 && meta.is_none_or(|it| it.0 != kind::META) {
            self.fault(offset, "the index names a META frame that is none");
        }
    }

    fn end(&mut self, offset: u64, file_end: u64) {
        self.verdict.closed = true;
        let Ok(end) = End::decode(&self.columns) else {
            return self.fault(offset, "the totals cannot be read");
        };
        // Without faults before it: those have their own consequences.
        if self.verdict.nr_faults == 0 {
            let found = self.verdict.found;
            // What a full disk kept from being written is told by END alone.
            let lost = end.stats.lost.max(found.lost);
            if end.stats != (Stats { lost, ..found }) {
                let what = format!("the totals are {:?}, but there is {found:?}", end.stats);
                self.fault(offset, what);
            }
            let index = self.frames.get(&end.index_offset).map(|it| it.0);
            if end.index_offset != 0 && index != Some(kind::INDEX) {
                self.fault(offset, "the end names an INDEX frame that is none");
            }
        }
        if file_end < self.source.len() {
            self.fault(file_end, "bytes follow the end");
        }
    }
}
