//! The peer's binary record, that damo wrote up to v2.0.2.
//!
//! Little-endian and packed: 16 bytes of magic and an i32 version (neither in
//! version 0), then blocks up to the end of the file: i64 seconds and i64
//! nanoseconds at which the aggregation ended, u32 number of targets; each
//! target an id (i32 in version 1, else u64), u32 number of regions; each
//! region u64 start, u64 end, u32 nr_accesses.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Buf;

use super::timeline::{Spans, Timeline};
use crate::model::{
    About, Gap, Item, Items, LossCause, Meta, ReadError, Record, Region, Snapshot, TargetInfo,
    TargetKey,
};

const MAGIC: &[u8; 16] = b"damon_recfmt_ver";
const REGION_SIZE: u64 = 20;
const BUFFER: usize = 256 << 10;

/// Which version a record is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Without header; 64-bit target ids.
    V0,
    /// With header; 32-bit target ids.
    V1,
    /// With header; 64-bit target ids.
    V2,
}

impl Layout {
    /// The layout that a header tells; `None` without a header, the version
    /// as an error if it is unknown.
    pub fn of_header(head: &[u8]) -> Option<Result<Layout, i32>> {
        let mut version = head.strip_prefix(MAGIC)?;
        Some(match version.try_get_i32_le() {
            Ok(1) => Ok(Layout::V1),
            Ok(2) => Ok(Layout::V2),
            Ok(version) => Err(version),
            Err(_) => Err(0),
        })
    }

    /// Whether a file's first bytes can be a record without a header: its
    /// first block makes sense as far as it is there.
    pub fn fits_headerless(mut head: &[u8]) -> bool {
        let plausible = |head: &mut &[u8]| -> Result<bool, bytes::TryGetError> {
            let block_ok = time(head.try_get_i64_le()?, head.try_get_i64_le()?).is_some();
            let targets = head.try_get_u32_le()?;
            let (_id, regions) = (head.try_get_u64_le()?, head.try_get_u32_le()?);
            let (start, end) = (head.try_get_u64_le()?, head.try_get_u64_le()?);
            let counts_ok = (1..=1 << 16).contains(&targets) && (1..=1 << 24).contains(&regions);
            Ok(block_ok && counts_ok && start < end)
        };
        plausible(&mut head).unwrap_or(false)
    }

    fn header_size(self) -> u64 {
        match self {
            Layout::V0 => 0,
            Layout::V1 | Layout::V2 => 20,
        }
    }
}

/// Nanoseconds of a block's time; `None` if it is none.
fn time(seconds: i64, nanoseconds: i64) -> Option<u64> {
    let nanoseconds = u64::try_from(nanoseconds)
        .ok()
        .filter(|ns| *ns < 1_000_000_000)?;
    u64::try_from(seconds)
        .ok()?
        .checked_mul(1_000_000_000)?
        .checked_add(nanoseconds)
}

/// A binary record.
#[derive(Debug)]
pub struct LegacyRecord {
    path: PathBuf,
    file: File,
    layout: Layout,
    meta: Meta,
    spans: Spans,
}

impl LegacyRecord {
    /// Opens a record and looks once at all of its times.
    ///
    /// # Errors
    /// It cannot be read, or there is not one whole snapshot in it.
    pub fn open(path: &Path, file: File, layout: Layout) -> Result<Self, ReadError> {
        let mut record = Self {
            path: path.to_owned(),
            file,
            layout,
            meta: Meta::default(),
            spans: Spans::default(),
        };
        let mut spans = Spans::default();
        let mut blocks = record.blocks()?;
        let end = loop {
            match blocks.next_target(None) {
                Ok(Some(header)) => spans.note(header.target, header.end_ns),
                Ok(None) => break None,
                Err(Stop::Io(source)) => {
                    return Err(ReadError::Io {
                        path: path.to_owned(),
                        source,
                    });
                }
                Err(Stop::Damaged(what)) => break Some(what),
            }
        };
        if spans.targets().is_empty() {
            let what = end.unwrap_or("there is no snapshot");
            return Err(ReadError::Malformed {
                path: path.to_owned(),
                offset: blocks.offset,
                what: format!("{what}; nothing of this binary record can be read"),
            });
        }
        drop(blocks);
        let info = |key: &TargetKey| TargetInfo {
            target_id: key.target_id,
            kdamond: key.kdamond,
            ..TargetInfo::default()
        };
        record.meta.tool = "damo, binary record".to_owned();
        record.meta.targets = spans.targets().iter().map(info).collect();
        record.spans = spans;
        Ok(record)
    }

    fn blocks(&self) -> Result<Blocks<'_>, ReadError> {
        let io = |source| ReadError::Io {
            path: self.path.clone(),
            source,
        };
        let start = self.layout.header_size();
        let len = self.file.metadata().map_err(io)?.len();
        let mut input = BufReader::with_capacity(BUFFER, &self.file);
        input.seek(SeekFrom::Start(start)).map_err(io)?;
        Ok(Blocks {
            input,
            layout: self.layout,
            offset: start,
            len,
            end_ns: 0,
            targets_left: 0,
        })
    }
}

impl Record for LegacyRecord {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn about(&self) -> About {
        About {
            format: match self.layout {
                Layout::V0 => "damo binary record, version 0",
                Layout::V1 => "damo binary record, version 1",
                Layout::V2 => "damo binary record, version 2",
            },
            bytes: self.file.metadata().ok().map(|metadata| metadata.len()),
            ..About::default()
        }
    }

    fn items(&mut self) -> Result<Items<'_>, ReadError> {
        Ok(Box::new(Pass {
            path: &self.path,
            blocks: self.blocks()?,
            timeline: Timeline::new(&self.spans),
            last_end_ns: 0,
            done: false,
        }))
    }
}

/// Why a walk over the blocks ends early.
enum Stop {
    Io(io::Error),
    Damaged(&'static str),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Io(error)
    }
}

struct TargetHeader {
    target: TargetKey,
    end_ns: u64,
}

/// Walks over a record's blocks, target by target.
struct Blocks<'a> {
    input: BufReader<&'a File>,
    layout: Layout,
    offset: u64,
    len: u64,
    end_ns: u64,
    targets_left: u32,
}

impl Blocks<'_> {
    /// The next bytes; what is cut off by the file's end is damaged.
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        if self.len.saturating_sub(self.offset) < N as u64 {
            return Err(Stop::Damaged("the file ends within a block"));
        }
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        self.offset += N as u64;
        Ok(bytes)
    }

    /// Goes to the next target, past its regions; they are put into `regions`
    /// or left unread. `None` at the end of the file.
    fn next_target(
        &mut self,
        regions: Option<&mut Vec<Region>>,
    ) -> Result<Option<TargetHeader>, Stop> {
        while self.targets_left == 0 {
            if self.offset == self.len {
                return Ok(None);
            }
            let block = self.take::<20>()?;
            let mut block = &block[..];
            self.end_ns = time(block.get_i64_le(), block.get_i64_le())
                .ok_or(Stop::Damaged("a block's time is not one"))?;
            self.targets_left = block.get_u32_le();
        }
        let target_id = match self.layout {
            Layout::V1 => u64::from(u32::from_le_bytes(self.take()?)),
            Layout::V0 | Layout::V2 => u64::from_le_bytes(self.take()?),
        };
        let nr_regions = u32::from_le_bytes(self.take()?);
        let size = u64::from(nr_regions) * REGION_SIZE;
        if size > self.len.saturating_sub(self.offset) {
            return Err(Stop::Damaged(
                "more regions are announced than the file has room for",
            ));
        }
        match regions {
            Some(regions) => self.read_regions(nr_regions, regions)?,
            None => {
                // Below 2^32 times 20.
                self.input.seek_relative(size as i64)?;
                self.offset += size;
            }
        }
        self.targets_left -= 1;
        let target = TargetKey {
            kdamond: 0,
            target_id,
        };
        Ok(Some(TargetHeader {
            target,
            end_ns: self.end_ns,
        }))
    }

    fn read_regions(&mut self, nr_regions: u32, regions: &mut Vec<Region>) -> Result<(), Stop> {
        regions.reserve_exact(nr_regions as usize);
        let mut last_end = 0;
        for _ in 0..nr_regions {
            let bytes = self.take::<{ REGION_SIZE as usize }>()?;
            let mut bytes = &bytes[..];
            let (start, end) = (bytes.get_u64_le(), bytes.get_u64_le());
            if start > end || start < last_end {
                return Err(Stop::Damaged("regions are not in order"));
            }
            last_end = end;
            regions.push(Region {
                start,
                end,
                nr_accesses: bytes.get_u32_le(),
                age: None,
            });
        }
        Ok(())
    }
}

/// One pass over a record's items. A damaged rest becomes one gap.
struct Pass<'a> {
    path: &'a Path,
    blocks: Blocks<'a>,
    timeline: Timeline<'a>,
    last_end_ns: u64,
    done: bool,
}

impl Iterator for Pass<'_> {
    type Item = Result<Item, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let mut regions = Vec::new();
        match self.blocks.next_target(Some(&mut regions)) {
            Ok(Some(TargetHeader { target, end_ns })) => {
                self.last_end_ns = end_ns;
                let start_ns = self.timeline.start_of(target, end_ns);
                let snapshot = Snapshot {
                    target,
                    start_ns,
                    end_ns,
                    intervals: None,
                    missing: 0,
                    regions,
                    extra: None,
                };
                Some(Ok(Item::Snapshot(snapshot)))
            }
            Ok(None) => None,
            Err(Stop::Io(source)) => {
                self.done = true;
                Some(Err(ReadError::Io {
                    path: self.path.to_owned(),
                    source,
                }))
            }
            Err(Stop::Damaged(_)) => {
                self.done = true;
                Some(Ok(Item::Gap(Gap {
                    target: None,
                    start_ns: self.last_end_ns,
                    end_ns: self.blocks.end_ns.max(self.last_end_ns),
                    events: None,
                    cause: LossCause::Damaged,
                })))
            }
        }
    }
}
