//! The tracing data of a perf.data: among others, the events' `format` texts.

use std::io::{self, BufRead, Read};

use super::Stop;
use crate::source::{Field, Layout};

const MAGIC: &[u8; 10] = b"\x17\x08\x44tracing";
/// Longest name of a group of events.
const MAX_NAME: u64 = 4096;
/// Longest text of a format: far more than any has.
const MAX_FORMAT: u64 = 256 << 10;

/// How our events are read, each with its number.
#[derive(Debug, Default)]
pub struct Formats {
    /// `damon_aggregated`.
    pub aggregated: Option<(u64, Layout)>,
    /// `damon_monitor_intervals_tune`: `sample_us`.
    pub tuned: Option<(u64, Field)>,
    /// The first one's text.
    pub text: String,
}

impl Formats {
    /// Reads as far as needed: what comes after the formats is large.
    pub fn read(input: impl BufRead) -> Result<Formats, Stop> {
        let mut reader = Reader { input, offset: 0 };
        reader.formats().map_err(|stop| match stop {
            Stop::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                reader.damaged("the events' formats end too early")
            }
            stop => stop,
        })
    }

    fn take(&mut self, text: String) -> Result<(), Stop> {
        let line = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
        let id = line("ID: ").and_then(|id| id.trim().parse().ok());
        let (Some(name), Some(id)) = (line("name: "), id) else {
            return Ok(());
        };
        let unsupported = |error| {
            let what = format!("its events cannot be decoded: {error}");
            Stop::Unsupported(what)
        };
        match name.trim() {
            "damon_aggregated" => {
                let layout = Layout::anywhere(&text).map_err(unsupported)?;
                self.aggregated = Some((id, layout));
                self.text = text;
            }
            "damon_monitor_intervals_tune" => {
                // Not worth refusing a record for.
                let field = Field::find(&text, "sample_us").ok().flatten();
                self.tuned = field.map(|field| (id, field));
            }
            _ => {}
        }
        Ok(())
    }
}

struct Reader<R> {
    input: R,
    offset: u64,
}

impl<R: BufRead> Reader<R> {
    fn formats(&mut self) -> Result<Formats, Stop> {
        if &self.bytes()? != MAGIC {
            return Err(self.damaged("the events' formats do not begin as they should"));
        }
        self.name()?; // version
        let [big_endian, _long_size, _page @ ..] = self.bytes::<6>()?;
        if (big_endian != 0) != cfg!(target_endian = "big") {
            return Err(self.damaged("the events' formats are in another byte order"));
        }
        // header_page and header_event
        for _ in 0..2 {
            self.name()?;
            self.skip_long()?;
        }
        for _ in 0..self.count()? {
            self.skip_long()?;
        }
        let mut formats = Formats::default();
        for _ in 0..self.count()? {
            let ours = self.name()? == b"damon";
            for _ in 0..self.count()? {
                if !ours {
                    self.skip_long()?;
                    continue;
                }
                let len = u64::from_ne_bytes(self.bytes()?);
                if len > MAX_FORMAT {
                    return Err(self.damaged("an event's format is longer than it can be"));
                }
                let mut text = Vec::new();
                (&mut self.input).take(len).read_to_end(&mut text)?;
                self.passed(text.len() as u64, len)?;
                formats.take(String::from_utf8_lossy(&text).into_owned())?;
            }
        }
        Ok(formats)
    }

    fn damaged(&self, what: &'static str) -> Stop {
        Stop::Damaged(self.offset, what)
    }

    fn passed(&mut self, read: u64, wanted: u64) -> Result<(), Stop> {
        self.offset += read;
        match read == wanted {
            true => Ok(()),
            false => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        self.offset += N as u64;
        Ok(bytes)
    }

    fn count(&mut self) -> Result<u32, Stop> {
        self.bytes().map(u32::from_ne_bytes)
    }

    fn name(&mut self) -> Result<Vec<u8>, Stop> {
        let mut name = Vec::new();
        (&mut self.input).take(MAX_NAME).read_until(0, &mut name)?;
        self.offset += name.len() as u64;
        match name.pop() {
            Some(0) => Ok(name),
            _ => Err(self.damaged("a name does not end")),
        }
    }

    /// Passes over what its length of 8 bytes is written before.
    fn skip_long(&mut self) -> Result<(), Stop> {
        let len = u64::from_ne_bytes(self.bytes()?);
        let skipped = io::copy(&mut (&mut self.input).take(len), &mut io::sink())?;
        self.passed(skipped, len)
    }
}
