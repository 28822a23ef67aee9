//! Full frames instead of those that were written each second.

use crate::model::{ReadError, Record};

use super::source::ReadAt;
use super::{Options, Reader, Sink, Stats, WriteError, Writer};

/// Samples per frame below which a record is worth writing anew: half of what
/// a full frame holds.
const WORTH: u64 = 2048;

/// Frames below which nothing is gained.
const FEWEST: u64 = 8;

/// Why a record was not rewritten. It stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// The record.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The new file.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A mistake of ours, or a file that changes.
    #[error("the rewritten record has other totals than the record: it is not used")]
    Differs,
}

/// Whether a record's frames hold so little that [`compact`] makes it smaller.
pub fn is_worth_compacting<R: ReadAt>(record: &Reader<R>) -> bool {
    let Stats {
        samples, frames, ..
    } = record.totals();
    frames > FEWEST && samples / frames < WORTH
}

/// Writes all of a record into `sink`, in full frames; it is the same record,
/// with the same uuid and segment number. Gives what was written.
///
/// # Errors
/// See [`CompactError`]; what is in `sink` is of no use then.
pub fn compact<R: ReadAt, S: Sink>(record: &mut Reader<R>, sink: S) -> Result<Stats, CompactError> {
    let options = record
        .header()
        .map_or_else(Options::default, |header| Options {
            uuid: Some(header.uuid),
            segment: header.segment,
            page_shift: header.page_shift,
        });
    let before = record.totals();
    let mut writer = Writer::with_options(sink, &record.meta().clone(), options)?;
    for item in record.items()? {
        writer.item(&item?)?;
    }
    let after = writer.finish()?;
    let same = |stats: Stats| (stats.snapshots, stats.samples, stats.lost);
    match same(before) == same(after) {
        true => Ok(after),
        false => Err(CompactError::Differs),
    }
}
