//! The record file: append-only, in self-contained checksummed frames of
//! zstd-compressed columns. docs/FORMAT.md has every byte and rule.
//!
//! What it promises:
//! - Items come back as they were given, in the order in which they were given.
//! - A frame is one write of at most about 1 MiB: whole, or taken back, or
//!   stepped over. A record whose writer was killed is readable; with
//!   [`Writer::tick`] called often, at most the last second is gone, and after
//!   a power cut at most the last six.
//! - Loss is data: what could not be written becomes a gap in the next frame
//!   that can; what cannot be read becomes a gap of cause `Damaged`. A sample
//!   is counted lost once, in a gap's `events` or a snapshot's `missing`:
//!   seen = stored + lost.
//! - Reading never changes the file, needs the memory of one frame, and
//!   believes no length that it has not checked.
//!
//! A file is "closed" by its END frame alone: nothing is rewritten in place.

mod about;
mod ahead;
mod append;
mod column;
mod compact;
mod decode;
mod decompress;
mod extra;
mod fetch;
mod format;
mod frame;
mod index;
mod items;
mod notes;
mod reader;
mod recordings;
mod recover;
mod segments;
mod sink;
mod source;
mod varint;
mod verify;
mod writer;

pub use about::{Options, new_uuid};
pub use ahead::ReadAhead;
pub use append::{Stats, WriteError};
pub use compact::{CompactError, compact, is_worth_compacting};
#[doc(hidden)]
pub use decompress::decompress_only;
pub use format::{FileHeader, MAGIC, VERSION};
pub use reader::{OwnedItems, Reader};
pub use segments::{Segments, segment_name, segment_number};
pub use sink::Sink;
pub use source::ReadAt;
pub use verify::{Fault, Verdict, verify};
pub use writer::Writer;

use append::JSON_COLUMN;
