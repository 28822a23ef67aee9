//! One pass over a record: frames to items, with gaps where damage is.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;

use crate::model::{Detail, Gap, Item, LossCause, ReadError, Snapshot, touches};

use super::column::Columns;
use super::decode::{Decoded, decode};
use super::fetch::{Fetch, holds_items, is_outside};
use super::format::{FrameHeader, flag, kind};
use super::reader::refused;
use super::recover::Found;
use super::{extra, notes};

/// A snapshot of which the rest is in the next DATA frame.
struct Partial {
    snapshot: Snapshot,
    lacking: u64,
}

/// One pass: what it comes upon, as items.
pub(super) struct Pass<F> {
    fetch: F,
    path: PathBuf,
    header_damaged: bool,
    detail: Detail,
    columns: Columns,
    queue: VecDeque<Item>,
    partial: Option<Partial>,
    /// What alone is wanted.
    time: Option<Range<u64>>,
    /// Latest time seen.
    latest_ns: Option<u64>,
    done: bool,
}

impl<F: Fetch> Iterator for Pass<F> {
    type Item = Result<Item, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.queue.pop_front() {
                if self.time.as_ref().is_none_or(|time| touches(&item, time)) {
                    return Some(Ok(item));
                }
                continue;
            }
            if self.done {
                return None;
            }
            if let Err(error) = self.advance() {
                self.done = true;
                return Some(Err(error));
            }
        }
    }
}

impl<F: Fetch> Pass<F> {
    /// `time`: what alone is wanted, as `fetch` knows.
    pub fn new(fetch: F, path: PathBuf, time: Option<Range<u64>>) -> Self {
        Pass {
            fetch,
            path,
            header_damaged: false,
            detail: Detail::All,
            columns: Columns::default(),
            queue: VecDeque::new(),
            partial: None,
            time,
            latest_ns: None,
            done: false,
        }
    }

    /// Begins with a gap for a damaged file header.
    pub fn with_damaged_header(mut self, damaged: bool) -> Self {
        self.header_damaged = damaged;
        self
    }

    /// Looks at this much of regions.
    pub fn with(mut self, detail: Detail) -> Self {
        self.detail = detail;
        self
    }

    /// What lies before is not later than `latest_ns`.
    pub fn after(mut self, latest_ns: Option<u64>) -> Self {
        self.latest_ns = latest_ns;
        self
    }

    fn advance(&mut self) -> Result<(), ReadError> {
        let step = self
            .fetch
            .next(&mut self.columns)
            .map_err(|error| refused(&self.path, error))?;
        let found = step.as_ref().map(|step| step.found);
        if std::mem::take(&mut self.header_damaged) {
            let ns = if let Some(Found::Frame(_, header)) = found {
                header.first_ns
            } else {
                0
            };
            self.queue.push_back(damage(ns, ns, Some(0)));
        }
        match found {
            // A snapshot's parts are all outside, or none.
            Some(Found::Frame(_, header))
                if is_outside(&header, self.time.as_ref()) && holds_items(&header) =>
            {
                if header.kind == kind::DATA {
                    self.give_up_partial();
                }
                self.latest_ns = self.latest_ns.max(Some(header.last_ns));
            }
            Some(Found::Frame(_, header)) if step.is_some_and(|step| !step.intact) => {
                self.lost_frame(&header);
            }
            Some(Found::Frame(offset, header)) => self.frame(offset, &header)?,
            Some(Found::Damage {
                lost: Some(lost), ..
            }) => self.lost_frame(&lost),
            Some(Found::Damage { next, .. }) => {
                let next_ns = next.map(|header| header.first_ns);
                let start_ns = self.latest_ns.or(next_ns).unwrap_or(0);
                self.queue.push_back(damage(
                    start_ns,
                    next_ns.unwrap_or(start_ns).max(start_ns),
                    None,
                ));
            }
            None => self.end(),
        }
        Ok(())
    }

    fn frame(&mut self, offset: u64, header: &FrameHeader) -> Result<(), ReadError> {
        match header.kind {
            kind::DATA => match decode(header, &self.columns, self.detail) {
                Ok(decoded) => self.join(header, decoded),
                Err(_) => self.lost_frame(header),
            },
            kind::END => self.end(),
            kind::META | kind::TARGET | kind::INDEX => {}
            number if notes::is_one(number) => match notes::decode(header, &self.columns) {
                Ok(notes) => self.queue.extend(notes.into_iter().map(Item::Note)),
                Err(_) => self.lost_frame(header),
            },
            unknown if header.has(flag::CRITICAL) => {
                return Err(ReadError::Unsupported {
                    path: self.path.clone(),
                    what: format!(
                        "the frame of type {unknown} at offset {offset} needs a later damo: install one"
                    ),
                });
            }
            _ => {}
        }
        self.latest_ns = self.latest_ns.max(Some(header.last_ns));
        Ok(())
    }

    /// A frame that cannot be read, but whose header can.
    fn lost_frame(&mut self, header: &FrameHeader) {
        self.latest_ns = self.latest_ns.max(Some(header.last_ns));
        self.queue.push_back(damage(
            header.first_ns,
            header.last_ns,
            Some(header.weight()),
        ));
    }

    /// No more frames.
    fn end(&mut self) {
        self.done = true;
        self.give_up_partial();
    }

    /// Queues a frame's items, with a split snapshot's parts put together.
    fn join(&mut self, header: &FrameHeader, decoded: Decoded) {
        let Decoded {
            mut items,
            lacking,
            first_nr_regions,
        } = decoded;
        if header.has(flag::CONTINUES) {
            let part = items.iter_mut().find_map(|item| match item {
                Item::Snapshot(_) => Some(item),
                Item::Gap(_) | Item::Note(_) => None,
            });
            if let Some(slot) = part {
                self.continue_with(slot, first_nr_regions);
            }
        } else {
            self.give_up_partial();
        }
        let is_snapshot = |item: &mut Item| matches!(item, Item::Snapshot(_));
        if lacking > 0
            && let Some(Item::Snapshot(snapshot)) = items.pop_if(is_snapshot)
        {
            self.partial = Some(Partial { snapshot, lacking });
        }
        self.queue.extend(items);
    }

    /// Replaces a later part by the snapshot so far, or by a gap if what was
    /// before it is lost.
    fn continue_with(&mut self, slot: &mut Item, nr_regions: u64) {
        let Item::Snapshot(part) = slot else { return };
        // The first part's number was checked against the limit.
        let fits = |partial: &mut Partial| {
            let so_far = &partial.snapshot;
            partial.lacking == nr_regions
                && (so_far.target, so_far.start_ns, so_far.end_ns)
                    == (part.target, part.start_ns, part.end_ns)
                && so_far.regions.last().map(|region| region.end)
                    <= part.regions.first().map(|region| region.start)
        };
        match self.partial.take_if(fits) {
            Some(mut partial) => {
                let (first, extra) = (partial.snapshot.regions.len(), part.extra.take());
                partial.snapshot.regions.append(&mut part.regions);
                let regions = partial.snapshot.regions.len();
                extra::join(&mut partial.snapshot.extra, first, extra, regions);
                *part = partial.snapshot;
            }
            None => {
                *slot = incomplete(part);
                self.give_up_partial();
            }
        }
    }

    fn give_up_partial(&mut self) {
        if let Some(partial) = self.partial.take() {
            self.queue.push_back(incomplete(&partial.snapshot));
        }
    }
}

fn damage(start_ns: u64, end_ns: u64, events: Option<u64>) -> Item {
    Item::Gap(Gap {
        target: None,
        start_ns,
        end_ns,
        events,
        cause: LossCause::Damaged,
    })
}

/// What stands for a part of a snapshot whose other parts are lost.
fn incomplete(part: &Snapshot) -> Item {
    Item::Gap(Gap {
        target: Some(part.target),
        start_ns: part.start_ns,
        end_ns: part.end_ns,
        events: Some((part.regions.len() as u64).saturating_add(u64::from(part.missing))),
        cause: LossCause::Damaged,
    })
}
