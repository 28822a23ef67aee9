//! `damo convert`: a record of any format, or a part of it, in another format.

mod args;
mod target;

use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::Path;

use anyhow::Result;

pub use args::{Args, Format, PeersArgs};
use args::{Moment, PartArgs};
use target::{Counted, STANDARD, Target};

use super::watch::{Watch, open};
use super::{Outcome, UsageError};
use crate::export::{self, ExportError, Exported, Filter, JsonForm};
use crate::model::{Item, Items, ReadError, Record, units};
use crate::render::loss_line;
use crate::sys::tell::tell;

/// Runs `damo convert`.
///
/// # Errors
/// What was typed cannot be used, the record not be read or the file not be
/// written; no file is left behind then.
pub fn run(args: &Args) -> Result<Outcome> {
    let format = args.format()?;
    let regions = args.part.regions.filters()?;
    let narrowed = regions.any();
    let mut filter = Filter {
        time: None,
        targets: args.part.targets(),
        addresses: regions.addresses,
        pattern: regions.pattern,
    };
    let time = args.part.time()?;
    let mode = args.part.output_permission;
    let target = Target::create(&args.input, &args.output, mode, format.is_binary())?;
    let mut record = open(&args.input)?;
    let is_summary = record.meta().summary_ns.is_some();
    if is_summary && !matches!(format, Format::Damo | Format::Ndjson) {
        return Err(UsageError(format!(
            "{}: a summary, which has no regions: only damo and ndjson hold its numbers; see also damo report summary --format",
            args.input.display()
        ))
        .into());
    }
    let mut end_ns = record.about().end_ns;
    if let Some((start, end)) = time {
        let range = range(&mut *record, start, end, &args.part)?;
        end_ns = Some(range.end).filter(|end| *end < u64::MAX).or(end_ns);
        filter.time = Some(range).filter(|range| *range != (0..u64::MAX));
    }
    let all = filter == Filter::default();
    let mut watch = Watch::new(record, filter, end_ns, "converted");
    let mut out = target.writer()?;
    let written = write(format, JsonForm::File, &mut watch, &mut out);
    watch.finish();
    let exported = written.map_err(|error| failed(&args.output, error))?;
    let cut_away = narrowed && exported.samples == 0;
    let nothing = exported.snapshots == 0 && !all && !exported.losses.any();
    if (nothing && !is_summary) || cut_away {
        anyhow::bail!(
            "{}: nothing of this record is within --time, --address, --target, --sz_region, --access_rate and --age; `damo report heats --guide` prints what it has",
            args.input.display()
        );
    }
    target.keep()?;
    summarize(args, format, &exported, out.bytes, &watch);
    Ok(match exported.losses.any() {
        true => Outcome::Lost,
        false => Outcome::Done,
    })
}

/// Writes what `open` gives into a file: complete, or not at all.
///
/// # Errors
/// As for [`run`].
pub fn into_file<R: Record>(
    input: &Path,
    output: &Path,
    mode: u32,
    format: Format,
    form: JsonForm,
    open: impl FnOnce() -> Result<R>,
) -> Result<Outcome> {
    let target = Target::create(input, output, mode, format.is_binary())?;
    let mut record = open()?;
    let mut out = target.writer()?;
    let exported =
        write(format, form, &mut record, &mut out).map_err(|error| failed(output, error))?;
    target.keep()?;
    Ok(match loss_line(&exported.losses) {
        Some(line) => {
            tell(format_args!("damo: {line}"));
            Outcome::Lost
        }
        None => Outcome::Done,
    })
}

/// Writes the record in a format. The one place that knows all of them.
fn write(
    format: Format,
    form: JsonForm,
    record: &mut dyn Record,
    out: &mut Counted,
) -> Result<Exported, ExportError> {
    // The record gives only what is wanted.
    let all = Filter::default();
    let mut out = BufWriter::with_capacity(256 << 10, out);
    let exported = match format {
        // It makes large writes of its own, and takes back what fails.
        Format::Damo => return export::write_damo(record, &all, out.get_mut()),
        Format::Csv => export::write_csv(record, &all, &mut out),
        Format::Ndjson => export::write_ndjson(record, &all, &mut out),
        #[cfg(feature = "parquet")]
        Format::Parquet => export::write_parquet(record, &all, &mut out),
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => {
            let what = "this damo was built without Parquet (cargo's feature `parquet`)";
            Err(io::Error::new(io::ErrorKind::Unsupported, what).into())
        }
        Format::Json => export::write_json(record, &all, form, &mut out),
        Format::JsonCompressed => export::write_json_compressed(record, &all, form, &mut out),
        Format::PerfScript => export::write_perf_script(record, &all, &mut out),
    };
    // What could not be written must not be tried again when this is dropped.
    match exported {
        Ok(exported) => {
            out.flush()?;
            Ok(exported)
        }
        Err(error) => {
            let _ = out.into_parts();
            Err(error)
        }
    }
}

/// What an error is about: the record names itself, the output does not.
fn failed(output: &Path, error: ExportError) -> anyhow::Error {
    match error {
        ExportError::Read(error) => error.into(),
        // As it is, since a reader that has had enough is no failure.
        ExportError::Write(error) if error.kind() == io::ErrorKind::BrokenPipe => error.into(),
        ExportError::Write(error) if output == Path::new(STANDARD) => {
            anyhow::anyhow!("cannot write to standard output: {error}")
        }
        ExportError::Write(error) => {
            anyhow::anyhow!("{}: cannot write: {error}", output.display())
        }
    }
}

/// The time that was asked for, on the record's clock.
fn range(
    record: &mut dyn Record,
    start: Moment,
    end: Moment,
    part: &PartArgs,
) -> Result<Range<u64>> {
    let needs_end = [start, end]
        .iter()
        .any(|moment| matches!(moment, Moment::BeforeEnd(_)));
    let needs_start = [start, end]
        .iter()
        .any(|moment| matches!(moment, Moment::AfterStart(ns) if (1..u64::MAX).contains(ns)));
    let mut first_ns = None;
    if needs_start {
        for item in record.items()? {
            if let Item::Snapshot(snapshot) = item? {
                first_ns = Some(snapshot.start_ns);
                break;
            }
        }
    }
    let mut last_ns = match needs_end {
        true => last_end(record)?,
        false => 0,
    };
    if record.meta().summary_ns.is_some() {
        first_ns = Some(record.meta().mono_ns);
        last_ns = record.about().end_ns.unwrap_or(0);
    }
    let first_ns = first_ns.unwrap_or(0);
    let at = |moment| match moment {
        Moment::At(ns) => ns,
        // Gaps may lie before the first snapshot.
        Moment::AfterStart(0) => 0,
        Moment::AfterStart(ns) => first_ns.saturating_add(ns),
        Moment::BeforeEnd(ns) => last_ns.saturating_sub(ns),
    };
    let range = at(start)..at(end);
    if range.is_empty() {
        let text = part.time_text();
        return Err(UsageError(format!("--time {text} ends before it starts")).into());
    }
    Ok(range)
}

/// When the last snapshot ends. Where the format tells about when that is, the
/// rest is not read.
fn last_end(record: &mut dyn Record) -> Result<u64, ReadError> {
    fn latest(items: Items<'_>) -> Result<Option<u64>, ReadError> {
        let mut last_ns = None;
        for item in items {
            if let Item::Snapshot(snapshot) = item? {
                last_ns = last_ns.max(Some(snapshot.end_ns));
            }
        }
        Ok(last_ns)
    }
    if let Some(end_ns) = record.about().end_ns {
        for seconds in [10, 1000] {
            let from_ns = end_ns.saturating_sub(seconds * 1_000_000_000);
            if let Some(last_ns) = latest(record.items_in(from_ns..u64::MAX)?)? {
                return Ok(last_ns);
            }
        }
    }
    Ok(latest(record.items()?)?.unwrap_or(0))
}

/// What was written, in a line, and what was not.
fn summarize(args: &Args, format: Format, exported: &Exported, bytes: u64, watch: &Watch) {
    let output = match args.output == Path::new(STANDARD) {
        true => "standard output".into(),
        false => args.output.to_string_lossy(),
    };
    tell(format_args!(
        "{output}: {} snapshots, {} region samples, {}, {} lost",
        units::format_number(exported.snapshots),
        units::format_number(exported.samples),
        units::format_size(bytes as f64),
        units::format_number(exported.losses.samples()),
    ));
    let without = watch.without_regions();
    if format == Format::Csv && without > 0 {
        let without = units::format_number(without);
        tell(format_args!(
            "damo: {without} snapshots without regions have no row in csv; parquet and ndjson have them"
        ));
    }
    if let Some(line) = loss_line(&exported.losses) {
        tell(format_args!("damo: {line}"));
    }
}
