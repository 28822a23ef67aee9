//! `damo record_info` and `damo verify`.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::Outcome;
use super::watch::{Watch, not_opened};
use crate::analyze::{Info, Losses};
use crate::import::{self, Opened};
use crate::model::{Item, Record, printable};
use crate::render::{RecordInfo, info_json, loss_line, write_info};
use crate::store::{self, ReadAt, Reader, Segments, Verdict, segment_name};
use crate::sys::tell::tell;

/// What is in a record: of which host and targets, how much, and what is missing
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Record to read
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "damon.data",
        conflicts_with = "file"
    )]
    input: PathBuf,
    /// Record to read; the same as --input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print bytes and nanoseconds without units
    #[arg(long = "raw_numbers", visible_alias = "raw_number")]
    raw_numbers: bool,
    /// Print json
    #[arg(long)]
    json: bool,
}

/// Runs `damo record_info`.
///
/// # Errors
/// The record cannot be read.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let path = args.file.as_ref().unwrap_or(&args.input);
    let mut record = Watch::open(path)?;
    let mut info = Info::default();
    for item in record.items()? {
        info.add(&item?);
    }
    record.finish();
    let lost = info.losses.any();
    let mut about = record.about();
    // Of what is compressed, too, it is the file that takes room.
    let len = || std::fs::metadata(path).ok().filter(|it| it.is_file());
    about.bytes = about.bytes.or_else(|| len().map(|it| it.len()));
    let info = RecordInfo {
        about,
        meta: record.meta().clone(),
        info,
    };
    match args.json {
        true => writeln!(out, "{}", serde_json::to_string_pretty(&info_json(info))?)?,
        false => write_info(out, info, args.raw_numbers)?,
    }
    // What is missing was told in its line.
    Ok(if lost { Outcome::Lost } else { Outcome::Done })
}

/// Read every byte of records and check it against the format's rules
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 whole, and nothing was lost while it was recorded; 3 whole, but
the record says that something was lost; 1 damaged, or not to be read.")]
pub struct VerifyArgs {
    /// Records, in any format that can be read
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Runs `damo verify`.
///
/// # Errors
/// A file is damaged or cannot be read; all are looked at nevertheless.
pub fn verify(args: &VerifyArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let (mut bad, mut lost) = (0usize, false);
    for path in &args.files {
        match look(path, out) {
            Ok(Found::Whole { lost: some }) => lost |= some,
            Ok(Found::Damaged) => bad += 1,
            Err(error) => {
                bad += 1;
                out.flush()?;
                tell(format_args!("damo: {error:#}"));
            }
        }
    }
    match bad {
        0 if lost => Ok(Outcome::Lost),
        0 => Ok(Outcome::Done),
        bad => anyhow::bail!(
            "{bad} of {} records are damaged or cannot be read",
            args.files.len()
        ),
    }
}

enum Found {
    Whole { lost: bool },
    Damaged,
}

fn look(path: &Path, out: &mut dyn Write) -> anyhow::Result<Found> {
    match import::open_as(path).map_err(|error| not_opened(path, error))? {
        Opened::Own { mut reader, cut } => look_at_own(path, &mut reader, cut, out),
        Opened::Segments(segments) => look_at_segments(path, &segments, out),
        Opened::Other(mut record) => look_at_foreign(path, &mut *record, out),
    }
}

fn look_at_segments(
    folder: &Path,
    segments: &Segments,
    out: &mut dyn Write,
) -> anyhow::Result<Found> {
    let (mut damaged, mut lost) = (false, false);
    for (i, &number) in segments.numbers().iter().enumerate() {
        let before = i.checked_sub(1).and_then(|i| segments.numbers().get(i));
        if before.is_some_and(|before| before.checked_add(1) != Some(number)) {
            damaged = true;
            let folder = shown(folder);
            writeln!(out, "{folder}: segments before {number} are missing")?;
        }
        let path = folder.join(segment_name(number));
        let found = match Reader::open(&path) {
            Ok(mut reader) => look_at_own(&path, &mut reader, false, out)?,
            Err(error) => {
                writeln!(out, "{}", printable(&error.to_string()))?;
                Found::Damaged
            }
        };
        match found {
            Found::Whole { lost: some } => lost |= some,
            Found::Damaged => damaged = true,
        }
    }
    Ok(match damaged {
        true => Found::Damaged,
        false => Found::Whole { lost },
    })
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}

/// A file of our own format, to the last number.
fn look_at_own<R: ReadAt>(
    path: &Path,
    reader: &mut Reader<R>,
    cut: bool,
    out: &mut dyn Write,
) -> anyhow::Result<Found> {
    let Verdict {
        faults,
        nr_faults,
        closed,
        found,
    } = store::verify(reader)?;
    let file = shown(path);
    for fault in &faults {
        writeln!(out, "{file}: at offset {}: {}", fault.offset, fault.what)?;
    }
    let open = match closed {
        true => "",
        false => "; not closed: its recorder was killed, or still writes",
    };
    let counts = format!(
        "{} frames, {} snapshots, {} region samples, {} lost",
        found.frames,
        found.snapshots,
        found.samples,
        reader.lost().max(found.lost)
    );
    if cut {
        writeln!(
            out,
            "{file}: DAMAGED: cut off while it was compressed; before that are {counts}"
        )?;
        return Ok(Found::Damaged);
    }
    if nr_faults > 0 {
        writeln!(
            out,
            "{file}: DAMAGED in {nr_faults} places; intact are {counts}{open}"
        )?;
        return Ok(Found::Damaged);
    }
    writeln!(out, "{file}: ok: {counts}{open}")?;
    Ok(Found::Whole {
        lost: reader.lost().max(found.lost) > 0,
    })
}

/// Other formats have no checksums: what can be read of them is all there is.
fn look_at_foreign(
    path: &Path,
    record: &mut dyn Record,
    out: &mut dyn Write,
) -> anyhow::Result<Found> {
    let mut losses = Losses::default();
    let mut snapshots = 0u64;
    for item in record.items()? {
        let item = item?;
        losses.add(&item);
        snapshots += u64::from(matches!(item, Item::Snapshot(_)));
    }
    if let Some(damage) = record.damage() {
        writeln!(out, "{}", printable(&damage.to_string()))?;
    }
    let format = record.about().format;
    let file = shown(path);
    let counts = format!("{snapshots} snapshots, {} region samples", losses.stored);
    if losses.damaged > 0 || losses.uncounted_gaps > 0 {
        let what = loss_line(&losses).unwrap_or_default();
        writeln!(out, "{file}: DAMAGED ({format}): {counts}; {what}")?;
        return Ok(Found::Damaged);
    }
    writeln!(
        out,
        "{file}: ok ({format}, which has no checksums): {counts}, {} lost",
        losses.samples()
    )?;
    Ok(Found::Whole { lost: losses.any() })
}
