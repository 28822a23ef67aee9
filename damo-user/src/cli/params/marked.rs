//! Options behind markers: `--kdamond`, `--damon_ctx`, `--damon_target`,
//! `--damos_scheme` and `--probe` begin another of their kind, and the options
//! behind one belong to it. Where no marker of a kind is used, there is one of
//! the kind, and the i-th use of an option goes to the i-th as without markers.

use super::context::{PER_CONTEXT, context, obsolete, pause, probes, refresh_ms, targets};
use super::schemes::{TypedScheme, schemes};
use super::{Deduced, ParamArgs, UsageError};
use crate::control::params::{Context, Kdamond, Params, Probe, Target};

const MARKERS: [&str; 5] = [
    "kdamond",
    "damon_ctx",
    "damon_target",
    "damos_scheme",
    "probe",
];

const COUNTS: [&str; 7] = [
    "nr_ctxs",
    "nr_targets",
    "nr_schemes",
    "nr_probes",
    "nr_probe_filters",
    "damos_nr_filters",
    "damos_nr_quota_goals",
];

pub(super) fn is_marked(args: &ParamArgs) -> bool {
    MARKERS.iter().any(|marker| !args.uses(marker).is_empty())
}

/// What an option is of.
enum Level {
    All,
    Kdamond,
    Context,
    Target,
    Scheme,
    Probe,
}

fn level(name: &str) -> Level {
    match name {
        "pause_ctx" => Level::All,
        "kdamond" | "refresh_stat" => Level::Kdamond,
        "damon_target" | "target_pid" | "regions" | "numa_node" => Level::Target,
        "probe" | "probe_filter" | "probe_weight" => Level::Probe,
        name if name.starts_with("damos_") => Level::Scheme,
        _ => Level::Context,
    }
}

/// Options from one marker to the next of its kind.
#[derive(Default)]
struct Group {
    /// Whether there is a marker.
    marked: bool,
    args: ParamArgs,
    /// Contexts of a kdamond.
    contexts: Vec<Group>,
    targets: Vec<Group>,
    schemes: Vec<Group>,
    probes: Vec<Group>,
}

/// The parameters of options with markers among them.
pub(super) fn params(args: &ParamArgs, deduced: &Deduced) -> Result<Params, UsageError> {
    if let Some(count) = COUNTS.iter().find(|count| !args.uses(count).is_empty()) {
        let marker = MARKERS.iter().find(|marker| !args.uses(marker).is_empty());
        return Err(UsageError(format!(
            "--{count} and --{}: count the options or mark them, not both",
            marker.unwrap_or(&"kdamond")
        )));
    }
    let (all, groups) = grouped(args)?;
    let count: usize = groups.iter().map(|kdamond| kdamond.contexts.len()).sum();
    if count > 1 && (deduced.physical || !deduced.pids.is_empty()) {
        return Err(UsageError(format!(
            "the target belongs to one context, and there are {count}: name targets by --target_pid or --ops paddr, behind each --damon_ctx"
        )));
    }
    let mut kdamonds = Vec::new();
    for group in groups {
        let why = "--kdamond";
        group.args.at_most(1, &["refresh_stat"], why)?;
        let contexts = group
            .contexts
            .iter()
            .map(|group| of_context(group, deduced));
        kdamonds.push(Kdamond {
            refresh_ms: refresh_ms(&group.args, 0)?,
            contexts: contexts.collect::<Result<_, _>>()?,
        });
    }
    pause(&all, &mut kdamonds)?;
    Ok(Params { kdamonds })
}

/// Gives every option to the group that it stands in: those of no group, and
/// kdamonds.
fn grouped(args: &ParamArgs) -> Result<(ParamArgs, Vec<Group>), UsageError> {
    let (mut all, mut kdamonds) = (ParamArgs::default(), Vec::new());
    for (name, nth) in &args.order {
        let words = args.nth(name, *nth).unwrap_or_default().to_vec();
        let level = level(name);
        if let Level::All = level {
            all.push(name, words);
            continue;
        }
        let kdamond = group(&mut kdamonds, "kdamond", name)?;
        let of = if let Level::Kdamond = level {
            kdamond
        } else {
            let context = group(&mut kdamond.contexts, "damon_ctx", name)?;
            match level {
                Level::Target => group(&mut context.targets, "damon_target", name)?,
                Level::Scheme => group(&mut context.schemes, "damos_scheme", name)?,
                Level::Probe => group(&mut context.probes, "probe", name)?,
                _ => context,
            }
        };
        if !MARKERS.contains(name) {
            of.args.push(name, words);
        }
    }
    for kdamond in &mut kdamonds {
        // A kdamond of nothing but defaults has a context of them.
        group(&mut kdamond.contexts, "damon_ctx", "")?;
    }
    Ok((all, kdamonds))
}

/// The group that the option `name` belongs to; a marker begins another one.
fn group<'g>(
    groups: &'g mut Vec<Group>,
    marker: &str,
    name: &str,
) -> Result<&'g mut Group, UsageError> {
    let marked = name == marker;
    if marked && groups.last().is_some_and(|group| !group.marked) {
        return Err(UsageError(format!(
            "--{marker}: there are options before it that belong behind one; put a --{marker} before them, too"
        )));
    }
    if marked || groups.is_empty() {
        groups.push(Group {
            marked,
            ..Group::default()
        });
    }
    let last = groups.last_mut();
    // There is one: it was made just now, if not before.
    last.ok_or_else(|| UsageError(format!("--{name}: belongs to no --{marker}")))
}

fn of_context(group: &Group, deduced: &Deduced) -> Result<Context, UsageError> {
    let args = &group.args;
    args.at_most(1, &PER_CONTEXT, "--damon_ctx")?;
    let mut targets = targets_of(&group.targets, deduced)?;
    obsolete(args, &mut targets)?;
    // Those of --schemes come first.
    let mut all: Vec<TypedScheme> = schemes(args)?;
    for group in &group.schemes {
        let actions = group.args.uses("damos_action").len();
        if group.marked && actions != 1 {
            return Err(UsageError(format!(
                "--damos_scheme: has {actions} --damos_action; a scheme has one"
            )));
        }
        all.extend(schemes(&group.args)?);
    }
    let mut all_probes = Vec::new();
    for group in &group.probes {
        if group.marked {
            group.args.at_most(1, &["probe_weight"], "--probe")?;
        }
        let found = probes(&group.args)?;
        let bare = group.marked && found.is_empty();
        all_probes.extend(found);
        all_probes.extend(bare.then(Probe::default));
    }
    context(args, 0, (targets, all, all_probes), deduced)
}

fn targets_of(groups: &[Group], deduced: &Deduced) -> Result<Vec<Target>, UsageError> {
    if groups.iter().all(|group| !group.marked) {
        let none = ParamArgs::default();
        return targets(groups.first().map_or(&none, |group| &group.args), deduced);
    }
    let mut all = Vec::new();
    for group in groups {
        let names = ["target_pid", "regions", "numa_node"];
        group.args.at_most(1, &names, "--damon_target")?;
        let mut found = targets(&group.args, &Deduced::default())?;
        all.push(found.pop().unwrap_or_default());
    }
    // What was named without an option goes where nothing else is said.
    let mut pids = deduced.pids.iter().copied();
    for target in all.iter_mut().filter(|target| target.pid.is_none()) {
        target.pid = pids.next();
    }
    all.extend(pids.map(|pid| Target {
        pid: Some(pid),
        ..Target::default()
    }));
    Ok(all)
}
