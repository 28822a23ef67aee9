//! The least that reading can cost: what the benchmark compares it with.

use std::io;

use super::Reader;
use super::column::Columns;
use super::format::HEADER_LEN;
use super::recover::{Found, Walk};
use super::source::ReadAt;

/// Walks all frames, checks their checksums and decompresses their columns,
/// but decodes no number. Gives each frame's raw columns to `each`, one after
/// the other; returns how many bytes these were.
///
/// # Errors
/// The record cannot be read, or is damaged.
#[doc(hidden)]
pub fn decompress_only<R: ReadAt>(
    record: &mut Reader<R>,
    mut each: impl FnMut(&[u8]),
) -> io::Result<u64> {
    let mut walk = Walk::new(HEADER_LEN as u64, 0);
    let (mut payload, mut columns, mut bytes) = (Vec::new(), Columns::default(), 0);
    while let Some(found) = walk.next(&mut record.source, &mut payload, |_| true)? {
        let Found::Frame(_, header) = found else {
            return Err(io::Error::other("the record is damaged"));
        };
        columns
            .read(&payload, header.columns, header.raw_len)
            .map_err(|corrupt| io::Error::other(corrupt.0))?;
        each(columns.raw());
        bytes += u64::from(header.raw_len);
    }
    Ok(bytes)
}
