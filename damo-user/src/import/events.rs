//! A record of region events, whatever they are written in: one [`Record`] for
//! text and for perf.data.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};

use super::grouping::{Group, RegionEvent, RegionGrouping};
use super::timeline::{Spans, Timeline};
use super::{Opening, Watcher};
use crate::model::{
    About, Gap, Item, Items, LossCause, Meta, Note, ReadError, Record, Snapshot, TargetInfo,
    TargetKey,
};

/// More losses than this without a group between them are told as one.
const MAX_LOSSES: usize = 1024;
/// Events between two words about how far opening has come.
const TOLD_EACH: u64 = 1024;

/// What a tracer's record says next.
#[derive(Debug)]
pub enum Seen {
    /// A `damon_aggregated` event.
    Region(RegionEvent),
    /// damo's mark of when a record of one snapshot ended.
    End {
        /// Of which target.
        target: TargetKey,
        /// When.
        time_ns: u64,
    },
    /// A `damon_aggregated` event that cannot be read.
    Damaged,
    /// The tracer had no room for events.
    Lost {
        /// How many of them were `damon_aggregated`, where that is known.
        events: Option<u64>,
        /// When it told.
        time_ns: u64,
        /// Whether this is about the whole record, and not about what came
        /// after the event before.
        whole: bool,
    },
    /// Something beside the samples.
    Note(Note),
    /// The rest cannot be read.
    CutOff,
}

/// One pass over what a tracer wrote.
pub trait Events {
    /// The next event; `None` at the end.
    ///
    /// # Errors
    /// The operating system's.
    fn next_event(&mut self) -> io::Result<Option<Seen>>;
}

/// Where events come from; each pass starts at the beginning.
pub trait Source: Debug {
    /// What it is called.
    const FORMAT: &'static str;

    /// A pass.
    type Pass<'a>: Events
    where
        Self: 'a;

    /// Starts a pass.
    ///
    /// # Errors
    /// The operating system's.
    fn pass(&self) -> io::Result<Self::Pass<'_>>;
}

/// A record of events.
#[derive(Debug)]
pub struct EventRecord<S> {
    path: PathBuf,
    source: S,
    meta: Meta,
    spans: Spans,
}

impl<S: Source> EventRecord<S> {
    /// Looks once at all events. `meta` is what else is known of the record;
    /// `nothing` says what it is if there are no events in it.
    ///
    /// # Errors
    /// It cannot be read, or there is no `damon_aggregated` event in it.
    pub fn open(
        path: &Path,
        source: S,
        meta: Meta,
        nothing: &str,
        watcher: Watcher<'_>,
    ) -> Result<Self, ReadError> {
        let io = |source| ReadError::Io {
            path: path.to_owned(),
            source,
        };
        let mut spans = Spans::default();
        let mut parts = Parts::new(source.pass().map_err(io)?);
        let mut told = 0;
        while let Some(part) = parts.next_part().map_err(io)? {
            if parts.seen - told >= TOLD_EACH {
                told = parts.seen;
                watcher(Opening::Events(told));
            }
            match part {
                Part::Group(group) => spans.note(group.target, group.end_ns),
                Part::End { target, time_ns } => spans.note(target, time_ns),
                Part::Item(_) => {}
            }
        }
        drop(parts);
        if spans.targets().is_empty() {
            return Err(ReadError::Unsupported {
                path: path.to_owned(),
                what: format!("{nothing}. Readable are {}", super::READABLE),
            });
        }
        let info = |key: &TargetKey| TargetInfo {
            target_id: key.target_id,
            kdamond: key.kdamond,
            ..TargetInfo::default()
        };
        let kdamond = match spans.targets() {
            [first, rest @ ..] if rest.iter().all(|t| t.kdamond == first.kdamond) => {
                Some(first.kdamond).filter(|pid| *pid != 0)
            }
            _ => None,
        };
        Ok(Self {
            path: path.to_owned(),
            source,
            meta: Meta {
                targets: spans.targets().iter().map(info).collect(),
                kdamond,
                ..meta
            },
            spans,
        })
    }
}

impl<S: Source> Record for EventRecord<S> {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn about(&self) -> About {
        About {
            format: S::FORMAT,
            ..About::default()
        }
    }

    fn items(&mut self) -> Result<Items<'_>, ReadError> {
        let io = |source| ReadError::Io {
            path: self.path.clone(),
            source,
        };
        Ok(Box::new(Pass {
            path: &self.path,
            parts: Parts::new(self.source.pass().map_err(io)?),
            timeline: Timeline::new(&self.spans),
        }))
    }
}

/// What a record consists of.
enum Part {
    Group(Group),
    End { target: TargetKey, time_ns: u64 },
    Item(Item),
}

/// Something that the tracer lost, and that no group misses so far.
struct Loss {
    start_ns: u64,
    end_ns: u64,
    events: Option<u64>,
}

struct Parts<E> {
    events: E,
    /// `None` once the events have ended.
    grouping: Option<RegionGrouping>,
    parts: VecDeque<Part>,
    /// Events that cannot be read, and that no group misses so far.
    damaged: u64,
    losses: VecDeque<Loss>,
    /// Regions that groups miss for no reason that is known so far.
    unexplained: u64,
    cut_off: bool,
    first_ns: Option<u64>,
    time_ns: u64,
    /// Events so far.
    seen: u64,
}

impl<E: Events> Parts<E> {
    fn new(events: E) -> Self {
        Self {
            events,
            grouping: Some(RegionGrouping::default()),
            parts: VecDeque::new(),
            damaged: 0,
            losses: VecDeque::new(),
            unexplained: 0,
            cut_off: false,
            first_ns: None,
            time_ns: 0,
            seen: 0,
        }
    }

    fn next_part(&mut self) -> io::Result<Option<Part>> {
        loop {
            if let Some(part) = self.parts.pop_front() {
                return Ok(Some(part));
            }
            if self.grouping.is_none() {
                return Ok(None);
            }
            match self.events.next_event()? {
                Some(seen) => self.take(seen),
                None => self.finish(),
            }
        }
    }

    fn take(&mut self, seen: Seen) {
        self.seen += 1;
        match seen {
            Seen::Damaged => self.damaged += 1,
            Seen::CutOff => self.cut_off = true,
            Seen::Note(note) => self.parts.push_back(Part::Item(Item::Note(note))),
            Seen::End { target, time_ns } => {
                self.time_ns = time_ns;
                self.parts.push_back(Part::End { target, time_ns });
            }
            Seen::Lost {
                events,
                time_ns,
                whole,
            } => self.lose(events, time_ns, whole),
            Seen::Region(event) => {
                self.time_ns = event.time_ns;
                self.first_ns.get_or_insert(event.time_ns);
                let Some(mut grouping) = self.grouping.take() else {
                    return;
                };
                grouping.add(&event, |group| self.push(group));
                self.grouping = Some(grouping);
            }
        }
    }

    fn lose(&mut self, mut events: Option<u64>, time_ns: u64, whole: bool) {
        let mut start_ns = self.time_ns;
        if whole {
            start_ns = self.first_ns.unwrap_or(start_ns);
            let explained = std::mem::take(&mut self.unexplained);
            events = events.map(|events| events.saturating_sub(explained));
        }
        let end_ns = time_ns.max(start_ns);
        let many = self.losses.len() >= MAX_LOSSES;
        if let Some(last) = self.losses.back_mut().filter(|_| many) {
            last.end_ns = last.end_ns.max(end_ns);
            let both = last.events.zip(events);
            last.events = both.map(|(a, b)| a.saturating_add(b));
            return;
        }
        self.losses.push_back(Loss {
            start_ns,
            end_ns,
            events,
        });
    }

    /// An event that was lost or cannot be read is a region that its group
    /// misses. Only what no group misses must be told apart.
    fn push(&mut self, group: Group) {
        let mut missing = u64::from(group.missing);
        for events in self.losses.iter_mut().filter_map(|l| l.events.as_mut()) {
            let explained = missing.min(*events);
            *events -= explained;
            missing -= explained;
        }
        let explained = missing.min(self.damaged);
        self.damaged -= explained;
        self.unexplained = self.unexplained.saturating_add(missing - explained);
        // A group that began after a loss is the last that may miss some of it.
        self.push_losses(group.end_ns);
        if group.missing == 0 {
            self.push_damaged();
        }
        self.parts.push_back(Part::Group(group));
    }

    fn push_losses(&mut self, until_ns: u64) {
        while let Some(loss) = self.losses.pop_front_if(|loss| loss.end_ns <= until_ns) {
            if loss.events != Some(0) {
                self.push_gap(loss.start_ns, loss.end_ns, loss.events, LossCause::RingFull);
            }
        }
    }

    fn push_damaged(&mut self) {
        let events = std::mem::take(&mut self.damaged);
        if events > 0 {
            self.push_gap(self.time_ns, self.time_ns, Some(events), LossCause::Damaged);
        }
    }

    fn push_gap(&mut self, start_ns: u64, end_ns: u64, events: Option<u64>, cause: LossCause) {
        self.parts.push_back(Part::Item(Item::Gap(Gap {
            target: None,
            start_ns,
            end_ns,
            events,
            cause,
        })));
    }

    fn finish(&mut self) {
        let Some(grouping) = self.grouping.take() else {
            return;
        };
        for group in grouping.finish() {
            self.push(group);
        }
        self.push_losses(u64::MAX);
        self.push_damaged();
        if self.cut_off {
            self.push_gap(self.time_ns, self.time_ns, None, LossCause::Damaged);
        }
    }
}

/// One pass over a record's items.
struct Pass<'a, E> {
    path: &'a Path,
    parts: Parts<E>,
    timeline: Timeline<'a>,
}

impl<E: Events> Iterator for Pass<'_, E> {
    type Item = Result<Item, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let part = match self.parts.next_part() {
                Ok(part) => part?,
                Err(source) => {
                    self.parts.grouping = None;
                    return Some(Err(ReadError::Io {
                        path: self.path.to_owned(),
                        source,
                    }));
                }
            };
            return Some(Ok(match part {
                Part::End { .. } => continue,
                Part::Item(item) => item,
                Part::Group(group) => Item::Snapshot(Snapshot {
                    target: group.target,
                    start_ns: self.timeline.start_of(group.target, group.end_ns),
                    end_ns: group.end_ns,
                    intervals: None,
                    missing: group.missing,
                    regions: group.regions,
                    extra: None,
                }),
            }));
        }
    }
}
