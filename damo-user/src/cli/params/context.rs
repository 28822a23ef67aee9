//! Options → kdamonds and their contexts.

use super::filters::filters_of;
use super::numa;
use super::schemes::{TypedScheme, schemes};
use super::{Deduced, ParamArgs, UsageError, value};
use crate::control::params::{
    Context, Filter, IntervalsGoal, Kdamond, MonitoringIntervals, NrRegions, Params, Probe, Region,
    Target, duration_ms, duration_us, number, size, ten_thousandths,
};
use crate::model::Ops;

/// The parameters that options say.
pub(super) fn params(args: &ParamArgs, deduced: &Deduced) -> Result<Params, UsageError> {
    let per_kdamond = args.all("nr_ctxs", number)?;
    if let Some(count) = per_kdamond.iter().find(|count| **count != 1) {
        return Err(UsageError(format!(
            "--nr_ctxs {count}: a kdamond has exactly one context; use more kdamonds"
        )));
    }
    let mut targets = targets(args, deduced)?;
    obsolete(args, &mut targets)?;
    let schemes = schemes(args)?;
    let probes = probes(args)?;
    let nr_targets = counts(args, "nr_targets")?;
    let nr_schemes = counts(args, "nr_schemes")?;
    let contexts = [
        args.uses("ops").len(),
        per_kdamond.len(),
        nr_targets.len(),
        nr_schemes.len(),
    ];
    let contexts = contexts.into_iter().max().unwrap_or(1).max(1);
    let targets = split("nr_targets", targets, nr_targets, contexts)?;
    let schemes = split("nr_schemes", schemes, nr_schemes, contexts)?;
    let probes = split("nr_probes", probes, counts(args, "nr_probes")?, contexts)?;
    let why = "contexts; --nr_ctxs says how many there are";
    args.at_most(contexts, &PER_CONTEXT, why)?;
    args.at_most(contexts, &["refresh_stat"], why)?;
    let mut kdamonds = Vec::new();
    for (index, ((targets, schemes), probes)) in
        targets.into_iter().zip(schemes).zip(probes).enumerate()
    {
        let context = context(args, index, (targets, schemes, probes), deduced)?;
        kdamonds.push(Kdamond {
            refresh_ms: refresh_ms(args, index)?,
            contexts: vec![context],
        });
    }
    pause(args, &mut kdamonds)?;
    Ok(Params { kdamonds })
}

/// Options that a context has once at most.
pub(super) const PER_CONTEXT: [&str; 10] = [
    "ops",
    "sample",
    "aggr",
    "updr",
    "minr",
    "maxr",
    "monitoring_intervals",
    "monitoring_nr_regions_range",
    "monitoring_intervals_goal",
    "damon_addr_unit",
];

pub(super) fn refresh_ms(args: &ParamArgs, index: usize) -> Result<u64, UsageError> {
    let mut refresh_ms = 0;
    args.set(&mut refresh_ms, "refresh_stat", index, duration_ms)?;
    Ok(refresh_ms)
}

/// Lets contexts stand still, by their number among all.
pub(super) fn pause(args: &ParamArgs, kdamonds: &mut [Kdamond]) -> Result<(), UsageError> {
    let count = kdamonds
        .iter()
        .map(|kdamond| kdamond.contexts.len())
        .sum::<usize>();
    for paused in args.all("pause_ctx", number)? {
        let mut all = kdamonds
            .iter_mut()
            .flat_map(|kdamond| &mut kdamond.contexts);
        let context = usize::try_from(paused)
            .ok()
            .and_then(|index| all.nth(index));
        match context {
            Some(context) => context.pause = true,
            None => {
                return Err(UsageError(format!(
                    "--pause_ctx {paused}: there are {count} contexts, counted from 0"
                )));
            }
        }
    }
    Ok(())
}

/// What a context is made of, with addresses in bytes.
pub(super) type Parts = (Vec<Target>, Vec<TypedScheme>, Vec<Probe>);

/// The context of the i-th uses.
pub(super) fn context(
    args: &ParamArgs,
    index: usize,
    (targets, schemes, probes): Parts,
    deduced: &Deduced,
) -> Result<Context, UsageError> {
    let context = Context {
        intervals: intervals(args, index)?,
        nr_regions: nr_regions(args, index)?,
        targets,
        probes,
        ..Context::default()
    };
    let mut context = completed(context, args, index, deduced)?;
    let unit = context.addr_unit;
    context.schemes = schemes
        .into_iter()
        .map(|scheme| scheme.in_units(unit))
        .collect();
    Ok(context)
}

/// Operations set, address unit, and what is watched if nobody said.
fn completed(
    mut context: Context,
    args: &ParamArgs,
    index: usize,
    deduced: &Deduced,
) -> Result<Context, UsageError> {
    let no_process = context.targets.iter().all(|target| target.pid.is_none());
    // Nodes are targets without a process, too.
    if deduced.physical || (no_process && !context.targets.is_empty()) {
        context.ops = Ops::Paddr;
    }
    // With vaddr, the first look at the mappings would take their place.
    let ranged = |target: &Target| target.pid.is_some() && !target.regions.is_empty();
    if !context.targets.is_empty() && context.targets.iter().all(ranged) {
        context.ops = Ops::Fvaddr;
    }
    args.set(&mut context.ops, "ops", index, |word| {
        let all = [Ops::Vaddr, Ops::Fvaddr, Ops::Paddr];
        let known = all.into_iter().find(|ops| ops.keyword() == word);
        known.ok_or_else(|| "must be vaddr, fvaddr or paddr".to_owned())
    })?;
    args.set(&mut context.addr_unit, "damon_addr_unit", index, size)?;
    let unit = context.addr_unit;
    for region in context
        .targets
        .iter_mut()
        .flat_map(|target| &mut target.regions)
    {
        *region = in_units(region, unit);
    }
    if context.ops == Ops::Paddr {
        if context.targets.is_empty() {
            context.targets.push(Target::default());
        }
        for target in context
            .targets
            .iter_mut()
            .filter(|target| target.regions.is_empty())
        {
            target.regions = deduced
                .ram
                .iter()
                .map(|region| in_units(region, unit))
                .collect();
        }
    }
    Ok(context)
}

/// Addresses that cover those given in bytes.
pub(super) fn in_units(bytes: &Region, unit: u64) -> Region {
    let unit = unit.max(1);
    Region {
        start: bytes.start / unit,
        end: bytes.end.div_ceil(unit),
    }
}

/// Targets in order: processes that were named, then those of the argument.
pub(super) fn targets(args: &ParamArgs, deduced: &Deduced) -> Result<Vec<Target>, UsageError> {
    let pid = |word: &str| {
        word.parse::<u32>()
            .map_err(|_| "not a process id".to_owned())
    };
    let mut pids = args.all("target_pid", pid)?;
    pids.extend(
        deduced
            .pids
            .iter()
            .filter(|pid| !pids.contains(pid))
            .copied()
            .collect::<Vec<_>>(),
    );
    let mut regions = Vec::new();
    for word in args.uses("regions").iter().flatten() {
        regions.push(value("regions", word, parse_regions)?);
    }
    let nodes = args.all("numa_node", |word| {
        word.parse::<u32>().map_err(|_| "not a node".to_owned())
    })?;
    if !nodes.is_empty() {
        if let Some(pid) = pids.first() {
            return Err(UsageError(format!(
                "--numa_node and process {pid}: a node's memory is physical; use one of the two"
            )));
        }
        if !regions.is_empty() {
            return Err(UsageError(
                "--numa_node and --regions: both say what to watch; use one".to_owned(),
            ));
        }
        let ranges =
            numa::memory(&nodes).map_err(|error| UsageError(format!("--numa_node: {error}")))?;
        regions.push(
            ranges
                .into_iter()
                .map(|(start, end)| Region { start, end })
                .collect(),
        );
    }
    // One list of ranges is for every target.
    let shared = if regions.len() == 1 {
        regions.first().cloned()
    } else {
        None
    };
    let count = pids.len().max(regions.len());
    let targets = (0..count)
        .map(|index| Target {
            pid: pids.get(index).copied(),
            regions: shared
                .clone()
                .or_else(|| regions.get(index).cloned())
                .unwrap_or_default(),
            obsolete: false,
        })
        .collect();
    Ok(targets)
}

/// Marks targets that the next commit takes away.
pub(super) fn obsolete(args: &ParamArgs, targets: &mut [Target]) -> Result<(), UsageError> {
    let count = targets.len();
    for index in args.all("obsolete_targets", number)? {
        let target = usize::try_from(index)
            .ok()
            .and_then(|index| targets.get_mut(index));
        match target {
            Some(target) => target.obsolete = true,
            None => {
                return Err(UsageError(format!(
                    "--obsolete_targets {index}: there are {count} targets, counted from 0"
                )));
            }
        }
    }
    Ok(())
}

fn parse_regions(text: &str) -> Result<Vec<Region>, String> {
    let range = |range: &str| {
        let (start, end) = range.split_once('-')?;
        Some(Region {
            start: size(start).ok()?,
            end: size(end).ok()?,
        })
    };
    let regions: Option<Vec<Region>> = text.split_whitespace().map(range).collect();
    regions
        .filter(|regions| !regions.is_empty())
        .ok_or_else(|| {
            "write ranges as \"START-END START-END\", in bytes, decimal, 0x… or with units"
                .to_owned()
        })
}

fn intervals(args: &ParamArgs, index: usize) -> Result<MonitoringIntervals, UsageError> {
    let mut intervals = MonitoringIntervals::default();
    if let Some(words) = args.nth("monitoring_intervals", index) {
        let places = [
            &mut intervals.sample_us,
            &mut intervals.aggr_us,
            &mut intervals.ops_update_us,
        ];
        for (place, word) in places.into_iter().zip(words) {
            *place = value("monitoring_intervals", word, duration_us)?;
        }
    }
    args.set(&mut intervals.sample_us, "sample", index, duration_us)?;
    args.set(&mut intervals.aggr_us, "aggr", index, duration_us)?;
    args.set(&mut intervals.ops_update_us, "updr", index, duration_us)?;
    if !args.uses("monitoring_intervals_autotune").is_empty() {
        intervals.intervals_goal = IntervalsGoal::AUTOTUNE;
    }
    if let Some([access, aggrs, min, max]) = args.nth("monitoring_intervals_goal", index) {
        const NAME: &str = "monitoring_intervals_goal";
        intervals.intervals_goal = IntervalsGoal {
            access_bp: value(NAME, access, ten_thousandths)?,
            aggrs: value(NAME, aggrs, number)?,
            min_sample_us: value(NAME, min, duration_us)?,
            max_sample_us: value(NAME, max, duration_us)?,
        };
    }
    Ok(intervals)
}

fn nr_regions(args: &ParamArgs, index: usize) -> Result<NrRegions, UsageError> {
    let mut regions = NrRegions::default();
    if let Some([min, max]) = args.nth("monitoring_nr_regions_range", index) {
        regions.min = value("monitoring_nr_regions_range", min, number)?;
        regions.max = value("monitoring_nr_regions_range", max, number)?;
    }
    args.set(&mut regions.min, "minr", index, number)?;
    args.set(&mut regions.max, "maxr", index, number)?;
    Ok(regions)
}

/// So many are not allowed anyway.
const MOST_PROBES: usize = 10_000;

pub(super) fn probes(args: &ParamArgs) -> Result<Vec<Probe>, UsageError> {
    let mut filters: Vec<Filter> = Vec::new();
    for words in args.uses("probe_filter") {
        filters.extend(filters_of("probe_filter", words)?);
    }
    let per_probe = counts(args, "nr_probe_filters")?;
    let weights = args.all("probe_weight", number)?;
    // Far more than there can be, far less than memory: a rule says how many.
    let probes = counts(args, "nr_probes")?
        .iter()
        .fold(0_usize, |sum, count| sum.saturating_add(*count))
        .min(MOST_PROBES);
    let probes = probes
        .max(per_probe.len())
        .max(weights.len())
        .max(usize::from(!filters.is_empty()));
    let filters = split("nr_probe_filters", filters, per_probe, probes)?;
    let weights = weights.into_iter().chain(std::iter::repeat(0));
    Ok(filters
        .into_iter()
        .zip(weights)
        .map(|(filters, weight)| Probe { weight, filters })
        .collect())
}

/// An option's numbers.
pub(super) fn counts(args: &ParamArgs, name: &str) -> Result<Vec<usize>, UsageError> {
    args.all(name, |word| {
        word.parse::<usize>().map_err(|_| "not a number".to_owned())
    })
}

/// Shares `items` out to `groups`, by the counts that `option` gives.
pub(super) fn split<T>(
    option: &str,
    items: Vec<T>,
    counts: Vec<usize>,
    groups: usize,
) -> Result<Vec<Vec<T>>, UsageError> {
    let total = items.len();
    let counts = match counts.as_slice() {
        [] if groups == 1 => vec![total],
        [] if total == 0 => vec![0; groups],
        [] if total == groups => vec![1; groups],
        _ => counts,
    };
    let sum = counts
        .iter()
        .try_fold(0usize, |sum, count| sum.checked_add(*count));
    if sum != Some(total) || counts.len() > groups {
        let typed: Vec<String> = counts.iter().map(ToString::to_string).collect();
        return Err(UsageError(format!(
            "--{option} {}: there are {total}, to be shared out to {groups}; give one number for each, that sum up to {total}",
            typed.join(" ")
        )));
    }
    let mut items = items.into_iter();
    let counts = counts.into_iter().chain(std::iter::repeat(0)).take(groups);
    Ok(counts
        .map(|count| items.by_ref().take(count).collect())
        .collect())
}
