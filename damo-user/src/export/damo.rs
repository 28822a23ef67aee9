//! damo's own format, as docs/FORMAT.md has it.

use super::{ExportError, Exported, Filter};
use crate::model::Record;
use crate::store::{Options, Sink, WriteError, Writer};

/// Writes the wanted part of a record as a record file of its own.
///
/// # Errors
/// The record cannot be read any more, or `out` not be written: what is there
/// then is no whole record.
pub fn write_damo(
    record: &mut dyn Record,
    filter: &Filter,
    out: impl Sink,
) -> Result<Exported, ExportError> {
    let options = Options {
        // That of the recorded machine, which may be another.
        page_shift: 0,
        ..Options::default()
    };
    let mut writer = Writer::with_options(out, record.meta(), options).map_err(failed)?;
    let mut exported = Exported::default();
    for item in filter.items(record)? {
        let item = item?;
        exported.count(&item);
        writer.item(&item).map_err(failed)?;
    }
    let stats = writer.finish().map_err(failed)?;
    // Snapshots that break the format's rules became gaps.
    let refused = stats.lost.saturating_sub(exported.losses.samples());
    exported.losses.unwritten = exported.losses.unwritten.saturating_add(refused);
    exported.losses.stored = stats.samples;
    exported.snapshots = stats.snapshots;
    exported.samples = stats.samples;
    Ok(exported)
}

fn failed(error: WriteError) -> ExportError {
    ExportError::Write(match error {
        WriteError::Io { source, .. } => source,
        invalid @ WriteError::Invalid(_) => std::io::Error::other(invalid),
    })
}
