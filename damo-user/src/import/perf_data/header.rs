//! What a perf.data says about itself, before or after its records, or in them.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use bytes::Buf;

use super::Stop;
use super::attr::{Attr, Attrs};
use super::records::{Records, kind};
use super::tracing::Formats;
use crate::model::Meta;

/// Header of a pipe: magic and its own length.
const PIPE: u64 = 16;
/// Most events, and most ids of all events: 16 MiB.
const MAX_ATTRS: u64 = 4096;
const MAX_IDS: u64 = 2 << 20;
/// Longest `perf_event_attr`, and longest text about the machine.
const MAX_ATTR: u64 = 4096;
const MAX_TEXT: u64 = 64 << 10;
/// A section of the file: offset and length.
const SECTION: u64 = 16;

/// Numbers of features.
mod feature {
    pub const TRACING_DATA: u32 = 1;
    pub const HOSTNAME: u32 = 3;
    pub const OSRELEASE: u32 = 4;
    pub const VERSION: u32 = 5;
    pub const ARCH: u32 = 6;
    pub const CMDLINE: u32 = 11;
}

/// What is known before the first sample is read.
#[derive(Debug)]
pub struct Header {
    /// Where the records are.
    pub data: Range<u64>,
    /// Whether the file is as long as it says.
    pub whole: bool,
    pub attrs: Attrs,
    pub formats: Formats,
    pub meta: Meta,
}

impl Header {
    pub fn read(file: &File) -> Result<Header, Stop> {
        let len = file.metadata()?.len();
        let mut pieces = Pieces { file, len };
        let start = pieces.get(0, PIPE)?;
        let header_len = (&mut start.get(8..).unwrap_or_default())
            .try_get_u64_ne()
            .unwrap_or(0);
        match header_len {
            PIPE => pieces.pipe(),
            _ => pieces.file(),
        }
    }

    fn new(found: Found, data: Range<u64>, whole: bool) -> Result<Header, Stop> {
        let Found {
            attrs,
            formats,
            mut meta,
        } = found;
        let Some(formats) = formats else {
            let hint = "it has no tracepoint's events, or perf was killed before it wrote how to read them";
            return Err(Stop::Unsupported(format!(
                "looks like perf.data, but {hint}"
            )));
        };
        let attrs = Attrs::new(attrs, &formats)
            .map_err(|why| Stop::Unsupported(format!("looks like perf.data, but {why}")))?;
        meta.event_format.clone_from(&formats.text);
        Ok(Header {
            data,
            whole,
            attrs,
            formats,
            meta,
        })
    }
}

/// What is collected on the way.
#[derive(Default)]
struct Found {
    attrs: Vec<(Attr, Vec<u64>)>,
    formats: Option<Formats>,
    meta: Meta,
}

impl Found {
    fn text(&mut self, number: u32, bytes: &[u8]) {
        match number {
            feature::HOSTNAME => self.meta.hostname = string(&mut &*bytes).unwrap_or_default(),
            feature::OSRELEASE => self.meta.kernel = string(&mut &*bytes).unwrap_or_default(),
            feature::ARCH => self.meta.machine = string(&mut &*bytes).unwrap_or_default(),
            feature::VERSION => {
                let version = string(&mut &*bytes).unwrap_or_default();
                self.meta.tool = format!("perf {version}");
            }
            feature::CMDLINE => self.meta.command = strings(bytes),
            _ => {}
        }
    }
}

/// A text that is padded with zeros, after its length.
fn string(bytes: &mut &[u8]) -> Option<String> {
    let len = usize::try_from(bytes.try_get_u32_ne().ok()?).ok()?;
    let (text, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    Some(String::from_utf8_lossy(text).into_owned())
}

/// Texts, after their number.
fn strings(mut bytes: &[u8]) -> Vec<String> {
    let count = bytes.try_get_u32_ne().unwrap_or(0);
    (0..count).map_while(|_| string(&mut bytes)).collect()
}

/// Pieces of a file, each within it and not longer than makes sense.
struct Pieces<'a> {
    file: &'a File,
    len: u64,
}

impl Pieces<'_> {
    fn get(&self, offset: u64, len: u64) -> Result<Vec<u8>, Stop> {
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(Stop::Damaged(offset, "the file ends too early"));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn section(&self, mut bytes: &[u8]) -> Result<(u64, u64), Stop> {
        let mut word = || bytes.try_get_u64_ne().unwrap_or(0);
        Ok((word(), word()))
    }

    fn file(&mut self) -> Result<Header, Stop> {
        let bytes = self.get(0, 104)?;
        let part = |at: usize| bytes.get(at..).unwrap_or_default();
        let (entry_len, _) = self.section(part(16))?;
        let (attrs_at, attrs_len) = self.section(part(24))?;
        let (data_at, data_len) = self.section(part(40))?;
        let mut found = Found {
            attrs: self.attrs(attrs_at, attrs_len, entry_len)?,
            ..Found::default()
        };
        let data_end = data_at.checked_add(data_len);
        let data_end = data_end.ok_or(Stop::Damaged(40, "the records do not end"))?;
        let whole = data_end <= self.len && data_len > 0;
        // The sections of all features, in the order of their bits.
        let mut at = data_end;
        for number in 0..256u32 {
            let byte = part(72 + number as usize / 8).first().copied().unwrap_or(0);
            if byte >> (number % 8) & 1 == 0 {
                continue;
            }
            // They were written last: a file without them was cut off.
            let Ok(section) = self.get(at, SECTION) else {
                break;
            };
            at += SECTION;
            let (offset, len) = self.section(&section)?;
            if number == feature::TRACING_DATA {
                found.formats = Some(self.formats(offset, len)?);
            } else if len <= MAX_TEXT
                && let Ok(bytes) = self.get(offset, len)
            {
                found.text(number, &bytes);
            }
        }
        let data = data_at..data_end.min(self.len).max(data_at);
        Header::new(found, data, whole)
    }

    fn attrs(&self, at: u64, len: u64, entry: u64) -> Result<Vec<(Attr, Vec<u64>)>, Stop> {
        let count = len.checked_div(entry).unwrap_or(0);
        if !(64 + SECTION..=MAX_ATTR).contains(&entry) || !(1..=MAX_ATTRS).contains(&count) {
            return Err(Stop::Damaged(
                16,
                "the events' attributes are not as perf writes them",
            ));
        }
        let bytes = self.get(at, count * entry)?;
        let mut ids_left = MAX_IDS;
        let mut attrs = Vec::new();
        for bytes in bytes.chunks_exact(usize::try_from(entry).unwrap_or(1)) {
            let damaged = || Stop::Damaged(at, "an event's attributes cannot be read");
            let (attr, size) = Attr::parse(bytes).ok_or_else(damaged)?;
            let (ids_at, ids_len) = self.section(bytes.get(size..).ok_or_else(damaged)?)?;
            ids_left = ids_left.checked_sub(ids_len / 8).ok_or_else(damaged)?;
            attrs.push((attr, words(&self.get(ids_at, ids_len)?)));
        }
        Ok(attrs)
    }

    fn formats(&self, offset: u64, len: u64) -> Result<Formats, Stop> {
        let mut input = BufReader::new(self.file);
        input.seek(SeekFrom::Start(offset.min(self.len)))?;
        Formats::read(input.take(len)).map_err(|stop| match stop {
            Stop::Damaged(at, what) => Stop::Damaged(offset.saturating_add(at), what),
            stop => stop,
        })
    }

    /// A pipe's records tell everything, before the first sample.
    fn pipe(&mut self) -> Result<Header, Stop> {
        let mut records = Records::new(self.file, PIPE..self.len)?;
        let mut found = Found::default();
        let mut ids_left = MAX_IDS as usize;
        loop {
            let offset = records.offset();
            // Damage is met again, and told, when the samples are read.
            match records.advance() {
                Ok(true) => {}
                Ok(false) | Err(Stop::Damaged(..) | Stop::Unsupported(_)) => break,
                Err(error @ Stop::Io(_)) => return Err(error),
            }
            let damaged = || Stop::Damaged(offset, "an event's attributes cannot be read");
            let (number, _, mut body) = records.current();
            match number {
                kind::HEADER_ATTR => {
                    let (attr, size) = Attr::parse(body).ok_or_else(damaged)?;
                    let ids = words(body.get(size..).ok_or_else(damaged)?);
                    ids_left = ids_left.checked_sub(1 + ids.len()).ok_or_else(damaged)?;
                    found.attrs.push((attr, ids));
                }
                kind::HEADER_FEATURE => {
                    let number = body.try_get_u64_ne().unwrap_or(0);
                    found.text(u32::try_from(number).unwrap_or(0), body);
                }
                kind::HEADER_TRACING_DATA => {
                    let data = records.data();
                    found.formats = Some(self.formats(data.start, data.end - data.start)?);
                }
                kind::SAMPLE | kind::FINISHED_ROUND => break,
                _ => {}
            }
        }
        Header::new(found, PIPE..self.len, true)
    }
}

fn words(bytes: &[u8]) -> Vec<u64> {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().map(|word| u64::from_ne_bytes(*word)).collect()
}
