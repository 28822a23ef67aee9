//! Opening a record, whatever its format: by content, never by name.

mod grouping;
mod legacy;
mod perf_script;
mod script_line;
mod sniff;
mod timeline;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::model::{ReadError, Record};
use sniff::Format;

/// How much of a file decides what it is.
const HEAD: u64 = 64 << 10;

/// The formats that [`open`] reads, for messages.
pub const READABLE: &str = "damo record files, v1.7.3's binary records, and the text of `perf script` or `trace-cmd report`";

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
    let file = File::open(path).map_err(io)?;
    // Every analysis reads more than once, so pipes cannot be read.
    if !file.metadata().map_err(io)?.is_file() {
        return Err(unsupported(
            "not a regular file; save the record to a file first".to_owned(),
        ));
    }
    let mut head = Vec::new();
    (&file).take(HEAD).read_to_end(&mut head).map_err(io)?;
    match sniff::sniff(&head) {
        Format::Own => Ok(Box::new(crate::store::Reader::open(path)?)),
        Format::Legacy(layout) => Ok(Box::new(legacy::LegacyRecord::open(path, file, layout)?)),
        Format::Text => Ok(Box::new(perf_script::ScriptRecord::open(path, file)?)),
        Format::Other { looks, hint } => Err(unsupported(format!(
            "looks like {looks}; {hint}. Readable are {READABLE}"
        ))),
    }
}
