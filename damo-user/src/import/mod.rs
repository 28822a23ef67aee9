//! Opening a record, whatever its format: by content, never by name.

mod events;
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
use sniff::Format;
use unwrap::Unwrapped;

/// How much of a file decides what it is.
const HEAD: u64 = 64 << 10;

/// The formats that [`open`] reads, for messages.
pub const READABLE: &str = "damo record files, damo 3's json (compressed or not), v1.7.3's binary records, perf.data, and the text of `perf script` or `trace-cmd report`; each of them also within gzip or zstd";

/// Opens a record of any format that can be read: [`READABLE`], or a folder of
/// segments; `-` is standard
/// input. What is compressed, or cannot be read twice, is first copied into a
/// temporary file that is as large as what it decompresses to.
///
/// # Errors
/// The file cannot be read, is of another format or is damaged at its beginning.
pub fn open(path: &Path) -> Result<Box<dyn Record>, ReadError> {
    if path.is_dir() {
        return Ok(Box::new(ReadAhead(Segments::open(path)?)));
    }
    let Unwrapped { file, name, cut } = unwrap::open(path)?;
    let record = open_plain(&name, file)?;
    Ok(match cut {
        true => Box::new(unwrap::CutOff { record }),
        false => record,
    })
}

fn open_plain(path: &Path, file: File) -> Result<Box<dyn Record>, ReadError> {
    let io = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let mut head = Vec::new();
    (&file).take(HEAD).read_to_end(&mut head).map_err(io)?;
    match sniff::sniff(&head) {
        Format::Own => {
            let reader = Reader::from_source(Arc::new(file), path)?;
            Ok(Box::new(ReadAhead(reader)))
        }
        Format::Json => Ok(Box::new(json::open(path, file)?)),
        Format::ZlibJson => Ok(Box::new(json::open_compressed(path, file)?)),
        Format::Legacy(layout) => Ok(Box::new(legacy::LegacyRecord::open(path, file, layout)?)),
        Format::PerfData => Ok(Box::new(perf_data::PerfData::open(path, file)?)),
        Format::Text => Ok(Box::new(perf_script::Script::open(path, file)?)),
        // Unwrapped above.
        Format::Compressed(compression) => Err(unsupported(path, &compression.to_string(), "")),
        Format::Other { looks, hint } => Err(unsupported(path, &looks, hint)),
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
