//! `damo report heats`: access frequency over time and address.

use std::io::Write;
use std::ops::Range;
use std::path::Path;

use anyhow::Context;

use super::args::HeatsArgs;
use super::{fold, opened, pair};
use crate::analyze::{Guide, Heat, HeatSpec, Losses, TargetGuide};
use crate::cli::UsageError;
use crate::render::{HeatsForm, write_guide, write_heats, write_picture};

pub fn run(args: &HeatsArgs, out: &mut dyn Write) -> anyhow::Result<Losses> {
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
        let palette = args.color.palette(args.stdout_heatmap_color);
        write_picture(out, &map, palette)?;
    } else {
        let form = HeatsForm {
            absolute_time: args.abs_time,
            absolute_address: args.abs_addr,
        };
        write_heats(out, &map, form)?;
    }
    Ok(losses)
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
