//! Opening a record, whatever its format: by content, never by name.

mod events;
mod footprints;
mod grouping;
mod ingest;
mod json;
mod layer;
mod legacy;
mod perf_data;
mod perf_script;
mod script_line;
mod sniff;
mod timeline;
mod unwrap;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::model::{ReadError, Record};
use crate::store::{ReadAhead, Reader, Segments};
pub use footprints::{is_side_file, read_side_file, side_file};
use sniff::Format;
use unwrap::Unwrapped;

/// How much of a file decides what it is.
const HEAD: u64 = 64 << 10;

/// The formats that [`open`] reads, for messages.
pub const READABLE: &str = "damo record files, damo 3's json (compressed or not), v1.7.3's binary records, perf.data, and the text of `perf script` or `trace-cmd report`; each of them also within gzip or zstd";

/// How far opening a record has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// So many bytes were read.
    Bytes(u64),
    /// So many events were looked at.
    Events(u64),
}

/// Is told now and then how far opening has come.
pub type Watcher<'a> = &'a mut dyn FnMut(Opening);

/// Opens a record of any format that can be read: [`READABLE`], or a folder of
/// segments; `-` is standard
/// input. What is compressed, or cannot be read twice, is first copied into a
/// temporary file that is as large as what it decompresses to.
///
/// # Errors
/// The file cannot be read, is of another format or is damaged at its beginning.
pub fn open(path: &Path) -> Result<Box<dyn Record>, ReadError> {
    open_watched(path, &mut |_| {})
}

/// As [`open`], for what may take its time.
///
/// # Errors
/// As for [`open`].
pub fn open_watched(path: &Path, watcher: Watcher<'_>) -> Result<Box<dyn Record>, ReadError> {
    Ok(match open_any(path, watcher)? {
        Opened::Own { reader, cut } => with_end(Box::new(ReadAhead(reader)), cut),
        Opened::Segments(segments) => Box::new(segments),
        Opened::Other(record) => record,
    })
}

/// What a path leads to.
pub enum Opened {
    /// damo's own record file.
    Own {
        /// The file, which may be an unpacked one.
        reader: Reader<Arc<File>>,
        /// Whether it is only the beginning of what was compressed.
        cut: bool,
    },
    /// A folder of segments.
    Segments(Segments),
    /// A record in another format.
    Other(Box<dyn Record>),
}

/// As [`open`], for those who look at damo's own files more closely.
///
/// # Errors
/// As for [`open`].
pub fn open_as(path: &Path) -> Result<Opened, ReadError> {
    open_any(path, &mut |_| {})
}

fn open_any(path: &Path, watcher: Watcher<'_>) -> Result<Opened, ReadError> {
    if path.is_dir() {
        return Ok(Opened::Segments(Segments::open(path)?));
    }
    let Unwrapped { file, name, cut } = unwrap::open(path, watcher)?;
    let path = name.as_path();
    let io = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let mut head = Vec::new();
    (&file).take(HEAD).read_to_end(&mut head).map_err(io)?;
    let record: Box<dyn Record> = match sniff::sniff(&head) {
        Format::Own => {
            let reader = Reader::from_source(Arc::new(file), path)?;
            return Ok(Opened::Own { reader, cut });
        }
        Format::Json => Box::new(json::open(path, file, watcher)?),
        Format::ZlibJson => Box::new(json::open_compressed(path, file, watcher)?),
        Format::Legacy(layout) => Box::new(legacy::LegacyRecord::open(path, file, layout)?),
        Format::PerfData => Box::new(perf_data::PerfData::open(path, file, watcher)?),
        Format::Text => Box::new(perf_script::Script::open(path, file, watcher)?),
        // Unwrapped above.
        Format::Compressed(compression) => {
            return Err(unsupported(path, &compression.to_string(), ""));
        }
        Format::Other { looks, hint } => return Err(unsupported(path, &looks, hint)),
    };
    Ok(Opened::Other(with_end(record, cut)))
}

/// Tells of the end that is missing.
fn with_end(record: Box<dyn Record>, cut: bool) -> Box<dyn Record> {
    match cut {
        true => Box::new(unwrap::CutOff { record }),
        false => record,
    }
}

fn unsupported(path: &Path, looks: &str, hint: &str) -> ReadError {
    // Of an empty file it does not matter what could be read.
    let readable = match hint.ends_with('?') {
        true if looks == sniff::EMPTY => String::new(),
        true => format!(" Readable are {READABLE}"),
        false => format!(". Readable are {READABLE}"),
    };
    ReadError::Unsupported {
        path: path.to_owned(),
        what: format!("looks like {looks}; {hint}{readable}"),
    }
}
