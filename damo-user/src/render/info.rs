//! What is in a record, as text or json.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::ops::Range;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{loss_line, size, time};
use crate::analyze::{Info, IntervalsFrom, MemoryOver, TargetCounts, TargetGuide};
use crate::model::units::{format_number, format_size, format_size_accurate};
use crate::model::{About, Intervals, KnownTargets, Meta, TargetKey, printable};

/// A record's description, put together.
pub struct RecordInfo {
    /// What file it is.
    pub about: About,
    /// What it says of itself.
    pub meta: Meta,
    /// What is in it.
    pub info: Info,
}

type Target = (TargetKey, TargetCounts, Option<TargetGuide>);

/// Prints a line for each fact that is known; sizes and times as plain numbers
/// of bytes and nanoseconds if `raw`.
///
/// # Errors
/// `out` cannot be written.
pub fn write_info(out: &mut dyn Write, record: RecordInfo, raw: bool) -> io::Result<()> {
    let RecordInfo { about, meta, info } = record;
    let mut line = |name: &str, text: &str| match text {
        "" => Ok(()),
        text => writeln!(out, "{:<12} {}", format!("{name}:"), printable(text)),
    };
    let bytes = about.bytes.unwrap_or(0);
    let closed = match about.closed {
        Some(false) => ", not closed (its recorder was killed, or still writes)",
        _ => "",
    };
    line(
        "format",
        &format!("{}, {}{closed}", about.format, size(bytes, raw)),
    )?;
    if let Some((first, last)) = about.segments {
        line("segments", &format!("{first} to {last}"))?;
    }
    line("recorded by", &meta.tool)?;
    line("command", &shown(&meta.command))?;
    line("host", &meta.hostname)?;
    line("kernel", [&*meta.kernel, &*meta.machine].join(" ").trim())?;
    line("boot id", &meta.boot_id)?;
    if let Some(ops) = meta.ops {
        line("operations", ops.keyword())?;
    }
    if let Some((min, max)) = meta.nr_regions {
        line("nr_regions", &format!("{min} to {max}"))?;
    }
    line("filters", &meta.filters.join(" "))?;
    let span = info.time.clone().unwrap_or(0..0);
    line("began", &wall(&meta, span.start).unwrap_or_default())?;
    let length = time(span.end.saturating_sub(span.start), raw);
    let of = |ns| time(ns, raw);
    let clock = format!(
        "{length} ({} to {} of the record's clock)",
        of(span.start),
        of(span.end)
    );
    line("duration", &clock)?;
    line("snapshots", &format_number(info.snapshots))?;
    let samples = info.losses.stored;
    line(
        "samples",
        &format!("{}{}", format_number(samples), per_sample(bytes, samples)),
    )?;
    if let Some(every_ns) = meta.summary_ns {
        let (snapshots, regions) = info.summed;
        let text = format!(
            "every {}, of {} snapshots, {} region samples in all",
            of(every_ns),
            format_number(snapshots),
            format_number(regions)
        );
        line("summary", &text)?;
    }
    let lost = loss_line(&info.losses).unwrap_or_else(|| "nothing".to_owned());
    line("lost", &lost)?;
    for change in &info.intervals {
        let text = format!(
            "{}, from {} on",
            intervals(change.intervals, raw),
            of(change.from_ns)
        );
        line("intervals", &text)?;
    }
    let more = info
        .nr_intervals
        .saturating_sub(info.intervals.len() as u64);
    if more > 0 {
        line("intervals", &format!("and {more} changes more"))?;
    }
    let notes: Vec<String> = info
        .notes
        .iter()
        .map(|(kind, n)| format!("{n} {kind}"))
        .collect();
    line("notes", &notes.join(", "))?;
    let memory = info.memory.clone();
    let known = meta.known_targets();
    for target in info.targets() {
        write_target(out, &known, &target, raw)?;
        if let Some(memory) = memory_of(&known, target.0, &memory) {
            write_memory(out, memory, raw)?;
        }
    }
    Ok(())
}

fn write_target(
    out: &mut dyn Write,
    known: &KnownTargets<'_>,
    target: &Target,
    raw: bool,
) -> io::Result<()> {
    let (key, counts, guide) = target;
    let (fewest, most) = counts.regions;
    write!(out, "target {}", key.target_id)?;
    if key.kdamond != 0 {
        write!(out, " of kdamond {}", key.kdamond)?;
    }
    let known = known.get(*key);
    if let Some(pid) = known.and_then(|known| known.pid) {
        let comm = known.and_then(|known| known.comm.as_deref()).unwrap_or("?");
        write!(out, ", process {pid} ({})", printable(comm))?;
    }
    writeln!(
        out,
        ": {} snapshots of {fewest} to {most} regions",
        format_number(counts.snapshots)
    )?;
    for (i, region) in guide.iter().flat_map(|guide| &guide.regions).enumerate() {
        let at = |address: u64| match raw {
            true => address.to_string(),
            false => format_size_accurate(address as f64),
        };
        let length = size(region.end.saturating_sub(region.start), raw);
        let (start, end) = (at(region.start), at(region.end));
        writeln!(out, "  region {i:2}: [{start}, {end}) ({length})")?;
    }
    Ok(())
}

fn memory_of(
    known: &KnownTargets<'_>,
    target: TargetKey,
    memory: &BTreeMap<u32, MemoryOver>,
) -> Option<MemoryOver> {
    memory.get(&known.get(target)?.pid?).copied()
}

fn write_memory(out: &mut dyn Write, memory: MemoryOver, raw: bool) -> io::Result<()> {
    let of = |bytes| size(bytes, raw);
    writeln!(
        out,
        "  memory: at last {} resident (at most {}), {} mapped",
        of(memory.last.resident_bytes),
        of(memory.most_resident_bytes),
        of(memory.last.virtual_bytes),
    )
}

/// The same as json: names with units; addresses, ids and times as strings,
/// since many readers take numbers for floating point ones.
pub fn info_json(record: RecordInfo) -> Value {
    let RecordInfo { about, meta, info } = record;
    let span = info.time.clone().unwrap_or(0..0);
    let losses = info.losses;
    let began = wall(&meta, span.start);
    let changes: Vec<Value> = info.intervals.iter().map(change_json).collect();
    let (snapshots, nr_intervals, notes) = (info.snapshots, info.nr_intervals, info.notes.clone());
    let (memory, summed) = (info.memory.clone(), info.summed);
    let samples = losses.stored;
    let bytes_per_sample = (samples > 0)
        .then(|| about.bytes.map(|bytes| bytes as f64 / samples as f64))
        .flatten();
    let known = meta.known_targets();
    let targets: Vec<Value> = info
        .targets()
        .iter()
        .map(|it| target_json(&known, it, memory_of(&known, it.0, &memory)))
        .collect();
    json!({
        "format": about.format,
        "bytes": about.bytes,
        "closed": about.closed,
        "segments": about.segments.map(|(first, last)| json!({"first": first, "last": last})),
        "uuid": about.uuid.map(hex),
        "recorded_by": meta.tool,
        "command": meta.command,
        "host": meta.hostname,
        "kernel": meta.kernel,
        "machine": meta.machine,
        "boot_id": meta.boot_id,
        "operations": meta.ops.map(|ops| ops.keyword()),
        "nr_regions": meta.nr_regions.map(|(min, max)| json!({"min": min, "max": max})),
        "filters": meta.filters,
        "began": began,
        "start_ns": span.start.to_string(),
        "end_ns": span.end.to_string(),
        "duration_ns": span.end.saturating_sub(span.start).to_string(),
        "snapshots": snapshots,
        "samples": samples,
        "bytes_per_sample": bytes_per_sample,
        "summary": meta.summary_ns.map(|every_ns| json!({
            "every_ns": every_ns.to_string(),
            "snapshots": summed.0,
            "samples": summed.1,
        })),
        "lost": {
            "samples": losses.samples(),
            "incomplete": losses.incomplete,
            "ring_full": losses.ring_full,
            "unseen": losses.unseen,
            "damaged": losses.damaged,
            "unwritten": losses.unwritten,
            "gaps_of_unknown_size": losses.uncounted_gaps,
        },
        "nr_intervals": nr_intervals,
        "intervals": changes,
        "notes": notes,
        "targets": targets,
    })
}

fn change_json(change: &IntervalsFrom) -> Value {
    json!({
        "kdamond": change.target.kdamond,
        "target_id": change.target.target_id.to_string(),
        "from_ns": change.from_ns.to_string(),
        "intervals": change.intervals,
    })
}

fn target_json(known: &KnownTargets<'_>, target: &Target, memory: Option<MemoryOver>) -> Value {
    let (key, counts, guide) = target;
    let known = known.get(*key);
    let range = |range: &Range<u64>| json!({"start": range.start.to_string(), "end": range.end.to_string()});
    let regions: Vec<Value> = guide
        .iter()
        .flat_map(|guide| &guide.regions)
        .map(range)
        .collect();
    json!({
        "kdamond": key.kdamond,
        "target_id": key.target_id.to_string(),
        "pid": known.and_then(|known| known.pid),
        "comm": known.and_then(|known| known.comm.as_deref()),
        "snapshots": counts.snapshots,
        "samples": counts.samples,
        "regions_min": counts.regions.0,
        "regions_max": counts.regions.1,
        "address_ranges": regions,
        "memory": memory.map(|memory| json!({
            "resident_bytes": memory.last.resident_bytes,
            "resident_bytes_max": memory.most_resident_bytes,
            "shared_bytes": memory.last.shared_bytes,
            "virtual_bytes": memory.last.virtual_bytes,
        })),
    })
}

/// When the record's clock showed `ns`, if that is known.
fn wall(meta: &Meta, ns: u64) -> Option<String> {
    let known = meta.wall_ns > 0;
    // What was recorded may have begun before the recorder noted the time.
    let at = i128::from(meta.wall_ns) + i128::from(ns) - i128::from(meta.mono_ns);
    let at = Duration::from_nanos(u64::try_from(at).ok().filter(|_| known)?);
    let at = SystemTime::UNIX_EPOCH.checked_add(at)?;
    Some(humantime::format_rfc3339_seconds(at).to_string())
}

fn intervals(intervals: Option<Intervals>, raw: bool) -> String {
    let Some(it) = intervals else {
        return "not known".to_owned();
    };
    let of = |us: u64| time(us.saturating_mul(1000), raw);
    let (sample, aggr, update) = (of(it.sample_us), of(it.aggr_us), of(it.update_us));
    format!("sample {sample}, aggregation {aggr}, update {update}")
}

fn per_sample(bytes: u64, samples: u64) -> String {
    if bytes == 0 || samples == 0 {
        return String::new();
    }
    let each = bytes as f64 / samples as f64;
    match each < 1024.0 {
        true => format!(", {each:.2} bytes each"),
        false => format!(", {} each", format_size(each)),
    }
}

/// A command line, as a shell would take it.
fn shown(command: &[String]) -> String {
    shlex::try_join(command.iter().map(String::as_str)).unwrap_or_else(|_| command.join(" "))
}

fn hex(uuid: [u8; 16]) -> String {
    uuid.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
