//! `damon_aggregated` events as text: what `perf script`, `trace-cmd report`,
//! tracefs's own `trace` file and damo 3's `perf_script` format print.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use super::grouping::{Group, RegionGrouping};
use super::script_line::{Line, parse};
use super::timeline::{Spans, Timeline};
use crate::model::{
    Gap, Item, Items, LossCause, Meta, ReadError, Record, Snapshot, TargetInfo, TargetKey,
};

const BUFFER: usize = 256 << 10;
/// No tracer writes a longer line: what comes after it is passed over.
const MAX_LINE: u64 = 64 << 10;

/// A record in text form.
#[derive(Debug)]
pub struct ScriptRecord {
    path: PathBuf,
    file: File,
    meta: Meta,
    spans: Spans,
}

impl ScriptRecord {
    /// Opens a text and looks once at all of its events.
    ///
    /// # Errors
    /// It cannot be read, or there is no `damon_aggregated` event in it.
    pub fn open(path: &Path, file: File) -> Result<Self, ReadError> {
        let mut record = Self {
            path: path.to_owned(),
            file,
            meta: Meta::default(),
            spans: Spans::default(),
        };
        let mut spans = Spans::default();
        let mut events = record.groups()?;
        loop {
            match events.next_part() {
                Ok(Some(Part::Group(group))) => spans.note(group.target, group.end_ns),
                Ok(Some(Part::End { target, time_ns })) => spans.note(target, time_ns),
                Ok(Some(Part::Damaged { .. })) => {}
                Ok(None) => break,
                Err(source) => {
                    return Err(ReadError::Io {
                        path: path.to_owned(),
                        source,
                    });
                }
            }
        }
        drop(events);
        if spans.targets().is_empty() {
            let what = format!(
                "looks like text, but no line of it is a damon:damon_aggregated event. Readable are {}",
                super::READABLE
            );
            return Err(ReadError::Unsupported {
                path: path.to_owned(),
                what,
            });
        }
        let info = |key: &TargetKey| TargetInfo {
            target_id: key.target_id,
            kdamond: key.kdamond,
            ..TargetInfo::default()
        };
        record.meta.tool = "perf script or trace-cmd".to_owned();
        record.meta.targets = spans.targets().iter().map(info).collect();
        record.meta.kdamond = match spans.targets() {
            [first, rest @ ..] if rest.iter().all(|t| t.kdamond == first.kdamond) => {
                Some(first.kdamond).filter(|pid| *pid != 0)
            }
            _ => None,
        };
        record.spans = spans;
        Ok(record)
    }

    fn groups(&self) -> Result<Parts<'_>, ReadError> {
        let io = |source| ReadError::Io {
            path: self.path.clone(),
            source,
        };
        let mut input = BufReader::with_capacity(BUFFER, &self.file);
        input.rewind().map_err(io)?;
        Ok(Parts {
            input,
            line: Vec::new(),
            grouping: Some(RegionGrouping::default()),
            parts: VecDeque::new(),
            damaged: 0,
            time_ns: 0,
        })
    }
}

impl Record for ScriptRecord {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn items(&mut self) -> Result<Items<'_>, ReadError> {
        Ok(Box::new(Pass {
            path: &self.path,
            parts: self.groups()?,
            timeline: Timeline::new(&self.spans),
        }))
    }
}

/// What a text consists of.
enum Part {
    Group(Group),
    /// damo's mark of when a record of one snapshot ended.
    End {
        target: TargetKey,
        time_ns: u64,
    },
    /// Lines of events that cannot be read, and that no group misses.
    Damaged {
        lines: u64,
        time_ns: u64,
    },
}

struct Parts<'a> {
    input: BufReader<&'a File>,
    line: Vec<u8>,
    /// `None` once the text has ended.
    grouping: Option<RegionGrouping>,
    parts: VecDeque<Part>,
    damaged: u64,
    time_ns: u64,
}

impl Parts<'_> {
    fn next_part(&mut self) -> io::Result<Option<Part>> {
        loop {
            if let Some(part) = self.parts.pop_front() {
                return Ok(Some(part));
            }
            if self.grouping.is_none() {
                return Ok(None);
            }
            if self.read_line()? {
                self.take_line();
            } else if let Some(grouping) = self.grouping.take() {
                grouping
                    .finish()
                    .into_iter()
                    .for_each(|group| self.push(group));
                self.push_damaged();
            }
        }
    }

    fn read_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        let read = (&mut self.input)
            .take(MAX_LINE)
            .read_until(b'\n', &mut self.line)?;
        if read as u64 == MAX_LINE && self.line.last() != Some(&b'\n') {
            self.input.skip_until(b'\n')?;
        }
        Ok(read > 0)
    }

    fn take_line(&mut self) {
        match parse(&self.line) {
            Line::Other => {}
            Line::Damaged => self.damaged += 1,
            Line::End { target, time_ns } => {
                self.time_ns = time_ns;
                self.parts.push_back(Part::End { target, time_ns });
            }
            Line::Region(event) => {
                self.time_ns = event.time_ns;
                let Some(mut grouping) = self.grouping.take() else {
                    return;
                };
                grouping.add(&event, |group| self.push(group));
                self.grouping = Some(grouping);
            }
        }
    }

    /// A line that cannot be read is a region that its group misses. Only if
    /// no group misses one, it must be told apart.
    fn push(&mut self, group: Group) {
        self.damaged = self.damaged.saturating_sub(u64::from(group.missing));
        if self.damaged > 0 && group.missing == 0 {
            self.push_damaged();
        }
        self.parts.push_back(Part::Group(group));
    }

    fn push_damaged(&mut self) {
        let lines = std::mem::take(&mut self.damaged);
        if lines > 0 {
            self.parts.push_back(Part::Damaged {
                lines,
                time_ns: self.time_ns,
            });
        }
    }
}

/// One pass over a record's items.
struct Pass<'a> {
    path: &'a Path,
    parts: Parts<'a>,
    timeline: Timeline<'a>,
}

impl Iterator for Pass<'_> {
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
                Part::Damaged { lines, time_ns } => Item::Gap(Gap {
                    target: None,
                    start_ns: time_ns,
                    end_ns: time_ns,
                    events: Some(lines),
                    cause: LossCause::Damaged,
                }),
                Part::Group(Group {
                    target,
                    end_ns,
                    missing,
                    regions,
                }) => {
                    let start_ns = self.timeline.start_of(target, end_ns);
                    let intervals = None;
                    Item::Snapshot(Snapshot {
                        target,
                        start_ns,
                        end_ns,
                        intervals,
                        missing,
                        regions,
                        extra: None,
                    })
                }
            }));
        }
    }
}
