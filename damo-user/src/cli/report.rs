//! `damo report`: raw, heats and wss, in v1.7.3's forms.

mod args;

use std::io::{IsTerminal, Write};
use std::ops::Range;
use std::path::Path;

use anyhow::Context;

pub use args::Args;
use args::{ColorArg, HeatsArgs, Kind, PaletteArg, RawArgs, SortArg, WssArgs};

use super::watch::Watch;
use super::{Outcome, UsageError};
use crate::analyze::{
    Guide, Heat, HeatSpec, Losses, PerTarget, SortBy, TargetGuide, Wss, WssSpec, collapse,
};
use crate::export::{ByTarget, Filter, Whose, weight};
use crate::model::{Item, ReadError, Record, Snapshot, TargetKey};
use crate::render::{
    HeatsForm, Palette, RawForm, RawWriter, WssForm, loss_line, write_collapsed_wss, write_gap,
    write_guide, write_heats, write_picture, write_wss,
};
use crate::sys::tell::tell;

/// The two values of an option that takes two.
fn pair<T: Copy>(values: &Option<Vec<T>>) -> Option<(T, T)> {
    match values.as_deref() {
        Some([first, second]) => Some((*first, *second)),
        _ => None,
    }
}

/// Runs `damo report`.
///
/// # Errors
/// The record cannot be read, or nothing of it fits the arguments.
pub fn run(args: Args, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let losses = match args.kind {
        Kind::Raw(args) => raw(&args, out)?,
        Kind::Heats(args) => heats(&args, out)?,
        Kind::Wss(args) => wss(&args, out)?,
        Kind::Damon(args) => return super::status::run(&args, out),
        Kind::RecordInfo(args) => return super::record_info::run(&args, out),
        Kind::Sysinfo(args) => return super::sysinfo::run(&args, out),
    };
    out.flush()?;
    Ok(match loss_line(&losses) {
        Some(line) => {
            tell(format_args!("damo: {line}"));
            Outcome::Lost
        }
        None => Outcome::Done,
    })
}

/// Opens a record to be reported of, and tells what was left out of it on purpose.
fn opened(path: &Path) -> anyhow::Result<Watch> {
    let record = Watch::open(path)?;
    let filters = &record.meta().filters;
    if !filters.is_empty() {
        let filters = filters.join(" ");
        tell(format_args!(
            "damo: recorded with {filters}: other regions are not in the record"
        ));
    }
    Ok(record)
}

/// Gives every item of a record to `take`.
fn for_each(
    record: &mut Watch,
    mut take: impl FnMut(&Item) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for item in record.items()? {
        take(&item?)?;
    }
    record.finish();
    Ok(())
}

/// Gives every snapshot of a record to `take`, and counts what is missing.
fn fold(record: &mut Watch, mut take: impl FnMut(&Snapshot)) -> anyhow::Result<Losses> {
    let mut losses = Losses::default();
    for_each(record, |item| {
        losses.add(item);
        if let Item::Snapshot(snapshot) = item {
            take(snapshot);
        }
        Ok(())
    })?;
    Ok(losses)
}

fn raw(args: &RawArgs, out: &mut dyn Write) -> anyhow::Result<Losses> {
    let duration_ns = pair(&args.duration);
    if let Some((start, end)) = duration_ns.filter(|(start, end)| start > end) {
        return Err(UsageError(format!(
            "--duration {start} ns to {end} ns ends before it starts"
        ))
        .into());
    }
    let form = RawForm {
        raw_number: args.raw_number,
        duration_ns,
    };
    let mut record = opened(&args.input.input)?;
    if std::io::stdout().is_terminal() {
        record.hide();
    }
    let mut losses = Losses::default();
    let Some((first, base_ns)) = first_snapshot(&mut record)? else {
        // Nothing to be relative to, and no target to tell apart.
        for_each(&mut record, |item| {
            losses.add(item);
            match item {
                Item::Gap(gap) => Ok(write_gap(out, gap, 0, args.raw_number)?),
                Item::Snapshot(_) | Item::Note(_) => Ok(()),
            }
        })?;
        return Ok(losses);
    };
    // One target after the other, as v1.7.3 does. The first is printed while
    // the others are being found.
    let mut others = PerTarget::<(u64, u64)>::default();
    let mut of_all = 0;
    let mut writer = RawWriter::new(&mut *out, first, base_ns, form)?;
    for_each(&mut record, |item| {
        losses.add(item);
        match (whose(item), item) {
            (Whose::Of(target), Item::Snapshot(snapshot)) if target != first => {
                let (_, bytes) = others.entry(target, || (snapshot.start_ns, 0));
                *bytes += weight(item);
            }
            (Whose::Of(_) | Whose::All, Item::Gap(_)) => of_all += weight(item),
            _ => {}
        }
        Ok(writer.write(item)?)
    })?;
    let others = others.into_vec();
    let weights = others
        .iter()
        .map(|(target, (_, bytes))| (*target, bytes.saturating_add(of_all)));
    let all = Filter::default();
    let mut parts = ByTarget::new(&mut record, &all, weights, whose);
    for (target, (base_ns, _)) in &others {
        let mut writer = RawWriter::new(&mut *out, *target, *base_ns, form)?;
        for item in parts.next_target()?.into_iter().flatten() {
            writer.write(&item?)?;
        }
    }
    Ok(losses)
}

/// Gaps of unknown target are every target's.
fn whose(item: &Item) -> Whose {
    match item {
        Item::Snapshot(snapshot) => Whose::Of(snapshot.target),
        Item::Gap(gap) => gap.target.map_or(Whose::All, Whose::Of),
        Item::Note(_) => Whose::Nobody,
    }
}

/// Whose the first snapshot is, and when it starts: gaps may lie before it.
fn first_snapshot(record: &mut dyn Record) -> Result<Option<(TargetKey, u64)>, ReadError> {
    for item in record.items()? {
        if let Item::Snapshot(snapshot) = item? {
            return Ok(Some((snapshot.target, snapshot.start_ns)));
        }
    }
    Ok(None)
}

fn heats(args: &HeatsArgs, out: &mut dyn Write) -> anyhow::Result<Losses> {
    if let Some(file) = args
        .heatmap
        .as_deref()
        .filter(|file| *file != Path::new("stdout"))
    {
        return Err(no_picture_file(file).into());
    }
    let mut record = opened(&args.input.input)?;
    let mut guide = Guide::default();
    let losses = fold(&mut record, |snapshot| guide.add(snapshot))?;
    let guides = guide.finish();
    if args.guide {
        write_guide(out, &guides)?;
        return Ok(losses);
    }
    let guide = choose(&guides, args.tid)?;
    let default_resolution = if args.heatmap.is_some() {
        (40, 80)
    } else {
        (500, 500)
    };
    let resolution = pair(&args.resol).map_or(default_resolution, |(time, space)| {
        (time as usize, space as usize)
    });
    let spec = HeatSpec {
        target: guide.target,
        time: range(&args.time_range).unwrap_or(guide.time.clone()),
        space: match range(&args.address_range) {
            Some(space) => space,
            None => guide
                .largest()
                .context("the record has no regions")?
                .clone(),
        },
        resolution,
    };
    let mut heat = Heat::new(&spec).map_err(|error| {
        UsageError(format!(
            "{error}; see --resol, --time_range and --address_range"
        ))
    })?;
    fold(&mut record, |snapshot| heat.add(snapshot))?;
    let map = heat.finish();
    if args.heatmap.is_some() {
        write_picture(out, &map, args.palette())?;
    } else {
        let form = HeatsForm {
            absolute_time: args.abs_time,
            absolute_address: args.abs_addr,
        };
        write_heats(out, &map, form)?;
    }
    Ok(losses)
}

impl HeatsArgs {
    /// The colours to use; `None` for none.
    fn palette(&self) -> Option<Palette> {
        let in_color = match self.color {
            ColorArg::Always => true,
            ColorArg::Never => false,
            // See no-color.org: set and not empty.
            ColorArg::Auto => {
                let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                std::io::stdout().is_terminal() && !no_color
            }
        };
        in_color.then_some(match self.stdout_heatmap_color {
            PaletteArg::Gray => Palette::Gray,
            PaletteArg::Flame => Palette::Flame,
            PaletteArg::Emotion => Palette::Emotion,
        })
    }
}

fn no_picture_file(file: &Path) -> UsageError {
    let known = ["pdf", "png", "jpeg", "svg"];
    let extension = file.extension().and_then(|extension| extension.to_str());
    let file = file.display();
    UsageError(
        if extension.is_some_and(|extension| known.contains(&extension)) {
            format!(
                "--heatmap {file}: pictures in files come with a later version; use `--heatmap stdout`"
            )
        } else {
            format!("--heatmap {file}: not a kind of picture; use `--heatmap stdout`")
        },
    )
}

fn range(values: &Option<Vec<u64>>) -> Option<Range<u64>> {
    pair(values).map(|(start, end)| start..end)
}

/// The guide of the target that was asked for, or the one with the most memory.
fn choose(guides: &[TargetGuide], tid: Option<u64>) -> anyhow::Result<&TargetGuide> {
    let Some(tid) = tid else {
        return guides.first().context("the record has no regions");
    };
    let chosen = guides.iter().find(|guide| guide.target.target_id == tid);
    chosen.ok_or_else(|| {
        let ids: Vec<String> = guides
            .iter()
            .map(|g| g.target.target_id.to_string())
            .collect();
        UsageError(format!(
            "--tid {tid}: the record has no such target, but {}",
            ids.join(", ")
        ))
        .into()
    })
}

fn wss(args: &WssArgs, out: &mut dyn Write) -> anyhow::Result<Losses> {
    let percentiles = percentiles(&args.range)?;
    let mut record = opened(&args.input.input)?;
    let mut wss = Wss::new(WssSpec {
        exclude_samples: args.exclude_samples,
        work_time_ns: args.work_time_ns,
        acc_thres: args.acc_thres,
        sz_thres: args.sz_thres,
    });
    let losses = fold(&mut record, |snapshot| wss.add(snapshot))?;
    let sort_by = match args.sortby {
        SortArg::Time => SortBy::Time,
        SortArg::Size => SortBy::Size,
    };
    let form = WssForm {
        percentiles,
        raw_number: args.raw_number,
        nr_cols_bar: args.nr_cols_bar,
    };
    let targets = wss.finish(sort_by);
    if args.collapse_targets {
        write_collapsed_wss(out, &collapse(&targets), &form)?;
    } else {
        write_wss(out, &targets, &form)?;
    }
    Ok(losses)
}

/// The percentiles of `--range START STOP STEP`; only 0 to 100 exist.
fn percentiles(range: &[i32]) -> Result<Vec<u64>, UsageError> {
    let usage = |what| UsageError(format!("--range: {what}, as in --range 0 101 25"));
    let [start, stop, step] = *range else {
        return Err(usage("give START, STOP and STEP"));
    };
    if step == 0 {
        return Err(usage("STEP must not be 0"));
    }
    let in_range = |at: &i32| if step > 0 { *at < stop } else { *at > stop };
    let values = std::iter::successors(Some(start), |at| Some(at + step)).take_while(in_range);
    Ok(values
        .filter_map(|at| u64::try_from(at).ok().filter(|at| *at <= 100))
        .collect())
}
