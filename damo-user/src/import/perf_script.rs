//! `damon_aggregated` events as text: what `perf script`, `trace-cmd report`,
//! tracefs's own `trace` file and damo 3's `perf_script` format print.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use super::Watcher;
use super::events::{EventRecord, Events, Seen, Source};
use super::script_line::{Line, parse};
use crate::model::{Meta, ReadError};

const BUFFER: usize = 256 << 10;
/// No tracer writes a longer line: what comes after it is passed over.
const MAX_LINE: u64 = 64 << 10;

/// A tracer's text.
#[derive(Debug)]
pub struct Script {
    file: File,
}

impl Script {
    /// Opens a text and looks once at all of its events.
    ///
    /// # Errors
    /// It cannot be read, or there is no `damon_aggregated` event in it.
    pub fn open(
        path: &Path,
        file: File,
        watcher: Watcher<'_>,
    ) -> Result<EventRecord<Self>, ReadError> {
        let meta = Meta {
            tool: "perf script or trace-cmd".to_owned(),
            ..Meta::default()
        };
        let nothing = "looks like text, but no line of it is a damon:damon_aggregated event";
        EventRecord::open(path, Self { file }, meta, nothing, watcher)
    }
}

impl Source for Script {
    const FORMAT: &'static str = "text of perf script or trace-cmd";

    type Pass<'a> = Lines<'a>;

    fn pass(&self) -> io::Result<Lines<'_>> {
        let mut input = BufReader::with_capacity(BUFFER, &self.file);
        input.rewind()?;
        Ok(Lines {
            input,
            line: Vec::new(),
        })
    }
}

/// A text, line by line.
#[derive(Debug)]
pub struct Lines<'a> {
    input: BufReader<&'a File>,
    line: Vec<u8>,
}

impl Lines<'_> {
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
}

impl Events for Lines<'_> {
    fn next_event(&mut self) -> io::Result<Option<Seen>> {
        while self.read_line()? {
            return Ok(Some(match parse(&self.line) {
                Line::Other => continue,
                Line::Damaged => Seen::Damaged,
                Line::End { target, time_ns } => Seen::End { target, time_ns },
                Line::Region(event) => Seen::Region(event),
            }));
        }
        Ok(None)
    }
}
