//! Opening a record, whatever its format: by content, never by name.

mod grouping;
mod ingest;
mod json;
mod legacy;
mod perf_script;
mod script_line;
mod sniff;
mod timeline;

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use crate::model::{ReadError, Record};
use crate::store::{ReadAhead, Reader, Segments};
use sniff::Format;

/// How much of a file decides what it is.
const HEAD: u64 = 64 << 10;

/// The formats that [`open`] reads, for messages.
pub const READABLE: &str = "damo record files, damo 3's json (compressed or not), v1.7.3's binary records, and the text of `perf script` or `trace-cmd report`";

/// Opens a record of any format that can be read: [`READABLE`].
///
/// # Errors
/// The file cannot be read, is of another format or is damaged at its beginning.
pub fn open(path: &Path) -> Result<Box<dyn Record>, ReadError> {
    let io = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let unsupported = |what: String| ReadError::Unsupported {
        path: path.to_owned(),
        what,
    };
    // Every analysis reads more than once, so pipes cannot be read.
    let regular = |metadata: Metadata| match metadata.is_file() {
        true => Ok(()),
        false => Err(unsupported(
            "not a regular file; save the record to a file first".to_owned(),
        )),
    };
    let metadata = fs::metadata(path).map_err(io)?;
    if metadata.is_dir() {
        return Ok(Box::new(ReadAhead(Segments::open(path)?)));
    }
    regular(metadata)?;
    // Asked again of what was opened: it may be another by now, and opening a
    // pipe would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty());
    let file = File::from(file.map_err(|errno| io(errno.into()))?);
    regular(file.metadata().map_err(io)?)?;
    let mut head = Vec::new();
    (&file).take(HEAD).read_to_end(&mut head).map_err(io)?;
    match sniff::sniff(&head) {
        Format::Own => {
            let reader = Reader::from_source(Arc::new(file), path)?;
            Ok(Box::new(ReadAhead(reader)))
        }
        Format::Legacy(layout) => Ok(Box::new(legacy::LegacyRecord::open(path, file, layout)?)),
        Format::Json => Ok(Box::new(json::open(path, file)?)),
        Format::ZlibJson => Ok(Box::new(json::open_compressed(path, file)?)),
        Format::Text => Ok(Box::new(perf_script::ScriptRecord::open(path, file)?)),
        Format::Other { looks, hint } => Err(unsupported(format!(
            "looks like {looks}; {hint}. Readable are {READABLE}"
        ))),
    }
}
