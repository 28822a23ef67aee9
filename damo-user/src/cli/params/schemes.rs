//! Options → schemes.

use super::context::{counts, in_units, split};
use super::filters::filters_of;
use super::{ParamArgs, UsageError, text_or_file, value};
use crate::control::params::{
    Action, Dest, FilterKind, Goal, GoalMetric, NO_COMPLEMENT, Quotas, Scheme, Watermarks,
    duration_ms, duration_us, number, parse_classic, permil, size,
};

/// A scheme, before it is known what its addresses are in.
pub(super) struct TypedScheme {
    scheme: Scheme,
    /// From options, whose addresses are bytes; json has DAMON's own.
    in_bytes: bool,
}

impl TypedScheme {
    /// The scheme in a context of that address unit.
    pub(super) fn in_units(mut self, unit: u64) -> Scheme {
        for filter in &mut self.scheme.filters {
            if let (true, FilterKind::Addr(region)) = (self.in_bytes, &mut filter.kind) {
                *region = in_units(region, unit);
            }
        }
        self.scheme
    }
}

/// The schemes of `--schemes`, then those of `--damos_action`.
pub(super) fn schemes(args: &ParamArgs) -> Result<Vec<TypedScheme>, UsageError> {
    let mut all = Vec::new();
    for text in args.uses("schemes").iter().flatten() {
        let schemes = parse_schemes("--schemes", &text_or_file("--schemes", text)?)?;
        all.extend(schemes.into_iter().map(|scheme| TypedScheme {
            scheme,
            in_bytes: false,
        }));
    }
    let count = args.uses("damos_action").len();
    for (name, uses) in args
        .uses
        .iter()
        .filter(|(name, _)| name.starts_with("damos_"))
    {
        let listed = matches!(
            *name,
            "damos_filter" | "damos_quota_goal" | "damos_nr_filters" | "damos_nr_quota_goals"
        );
        if count == 0 {
            return Err(UsageError(format!("--{name}: needs --damos_action")));
        }
        if !listed && uses.len() > count {
            return Err(UsageError(format!(
                "--{name}: given {} times for {count} --damos_action",
                uses.len()
            )));
        }
    }
    let mut goals = Vec::new();
    for words in args.uses("damos_quota_goal") {
        goals.push(goal(words)?);
    }
    let mut filters = Vec::new();
    for words in args.uses("damos_filter") {
        filters.extend(filters_of("damos_filter", words)?);
    }
    let goals = split(
        "damos_nr_quota_goals",
        goals,
        counts(args, "damos_nr_quota_goals")?,
        count,
    )?;
    let filters = split(
        "damos_nr_filters",
        filters,
        counts(args, "damos_nr_filters")?,
        count,
    )?;
    for (index, (goals, filters)) in goals.into_iter().zip(filters).enumerate() {
        let mut scheme = scheme(args, index)?;
        scheme.quotas.goals = goals;
        scheme.filters = filters;
        all.push(TypedScheme {
            scheme,
            in_bytes: true,
        });
    }
    Ok(all)
}

/// Schemes as json, or in the classic text form.
///
/// # Errors
/// Neither.
pub(super) fn parse_schemes(what: &str, text: &str) -> Result<Vec<Scheme>, UsageError> {
    let error = |error: &dyn ToString| UsageError(format!("{what}: {}", error.to_string()));
    if text.trim_start().starts_with(['[', '{']) {
        return Scheme::list_from_json(text).map_err(|json| error(&json));
    }
    parse_classic(text).map_err(|classic| error(&classic))
}

fn scheme(args: &ParamArgs, index: usize) -> Result<Scheme, UsageError> {
    let mut scheme = Scheme::default();
    if let Some(words) = args.nth("damos_action", index) {
        action(&mut scheme, words)?;
    }
    let pattern = &mut scheme.access_pattern;
    if let Some([min, max]) = args.nth("damos_sz_region", index) {
        pattern.sz_bytes.min = value("damos_sz_region", min, size)?;
        pattern.sz_bytes.max = value("damos_sz_region", max, size)?;
    }
    if let Some([min, max]) = args.nth("damos_access_rate", index) {
        pattern.nr_accesses.min = value("damos_access_rate", min, str::parse)?;
        pattern.nr_accesses.max = value("damos_access_rate", max, str::parse)?;
    }
    if let Some([min, max]) = args.nth("damos_age", index) {
        pattern.age.min = value("damos_age", min, str::parse)?;
        pattern.age.max = value("damos_age", max, str::parse)?;
    }
    args.set(
        &mut scheme.apply_interval_us,
        "damos_apply_interval",
        index,
        duration_us,
    )?;
    args.set(
        &mut scheme.max_nr_snapshots,
        "damos_max_nr_snapshots",
        index,
        number,
    )?;
    scheme.quotas = quotas(args, index)?;
    if let Some([metric, interval, high, mid, low]) = args.nth("damos_wmarks", index) {
        const NAME: &str = "damos_wmarks";
        scheme.watermarks = Watermarks {
            metric: value(NAME, metric, str::parse)?,
            interval_us: value(NAME, interval, duration_us)?,
            high_permil: value(NAME, high, permil)?,
            mid_permil: value(NAME, mid, permil)?,
            low_permil: value(NAME, low, permil)?,
        };
    }
    Ok(scheme)
}

/// How many of these words an action has; the others were not meant for it.
pub(super) fn words_of_action(words: &[String]) -> usize {
    let migrates = words
        .first()
        .and_then(|word| word.parse::<Action>().ok())
        .is_none_or(Action::migrates);
    if migrates { words.len() } else { 1 }
}

fn action(scheme: &mut Scheme, words: &[String]) -> Result<(), UsageError> {
    const NAME: &str = "damos_action";
    let Some((word, nodes)) = words.split_first() else {
        return Ok(());
    };
    scheme.action = value(NAME, word, str::parse)?;
    match nodes {
        [] => {}
        _ if !scheme.action.migrates() => {
            return Err(UsageError(format!(
                "--{NAME} {}: {word} takes nothing more",
                words.join(" ")
            )));
        }
        [node] => {
            scheme.target_nid = value(NAME, node, |node| {
                node.parse().map_err(|_| "not a node".to_owned())
            })?;
        }
        nodes => {
            let pairs = nodes.chunks_exact(2);
            if !pairs.remainder().is_empty() {
                return Err(UsageError(format!(
                    "--{NAME} {}: give one node, or a weight after every node",
                    words.join(" ")
                )));
            }
            for pair in pairs {
                if let [id, weight] = pair {
                    scheme.dests.push(Dest {
                        id: value(NAME, id, number)?,
                        weight: value(NAME, weight, number)?,
                    });
                }
            }
        }
    }
    Ok(())
}

fn quotas(args: &ParamArgs, index: usize) -> Result<Quotas, UsageError> {
    let mut quotas = Quotas::default();
    let apart = [
        "damos_quota_interval",
        "damos_quota_time",
        "damos_quota_space",
        "damos_quota_weights",
    ];
    let used = apart.iter().find(|name| args.nth(name, index).is_some());
    if let Some(words) = args.nth("damos_quotas", index) {
        const NAME: &str = "damos_quotas";
        if let Some(other) = used {
            return Err(UsageError(format!(
                "--{NAME} and --{other}: use one of the two ways"
            )));
        }
        type Parse = fn(&str) -> Result<u64, String>;
        let weights = &mut quotas.weights;
        let places: [(&mut u64, Parse); 6] = [
            (&mut quotas.time_ms, duration_ms),
            (&mut quotas.sz_bytes, size),
            (&mut quotas.reset_interval_ms, duration_ms),
            (&mut weights.sz_permil, permil),
            (&mut weights.nr_accesses_permil, permil),
            (&mut weights.age_permil, permil),
        ];
        for ((place, parse), word) in places.into_iter().zip(words) {
            *place = value(NAME, word, parse)?;
        }
        if words.len() < 3 {
            // Once and for all, as the peer has it.
            quotas.reset_interval_ms = u64::MAX;
        }
    } else if used.is_some() {
        args.set(
            &mut quotas.reset_interval_ms,
            "damos_quota_interval",
            index,
            duration_ms,
        )?;
        args.set(&mut quotas.time_ms, "damos_quota_time", index, duration_ms)?;
        args.set(&mut quotas.sz_bytes, "damos_quota_space", index, size)?;
        let weights = args.nth("damos_quota_weights", index);
        let weight = |at: usize| match weights.and_then(|words| words.get(at)) {
            Some(word) => value("damos_quota_weights", word, permil),
            None => Ok(1),
        };
        quotas.weights.sz_permil = weight(0)?;
        quotas.weights.nr_accesses_permil = weight(1)?;
        quotas.weights.age_permil = weight(2)?;
    }
    args.set(
        &mut quotas.goal_tuner,
        "damos_quota_goal_tuner",
        index,
        str::parse,
    )?;
    if let Some([num, denom]) = args.nth("damos_quota_fail_charge_ratio", index) {
        quotas.fail_charge_num = value("damos_quota_fail_charge_ratio", num, number)?;
        quotas.fail_charge_denom = value("damos_quota_fail_charge_ratio", denom, number)?;
    }
    Ok(quotas)
}

fn goal(words: &[String]) -> Result<Goal, UsageError> {
    const NAME: &str = "damos_quota_goal";
    let wrong = |message: &str| UsageError(format!("--{NAME} {}: {message}", words.join(" ")));
    let [metric, target, rest @ ..] = words else {
        return Err(wrong("needs a metric and its target"));
    };
    let metric: GoalMetric = value(NAME, metric, str::parse)?;
    let mut goal = Goal {
        metric,
        target_value: value(NAME, target, |word| Goal::parse_value(metric, word))?,
        ..Goal::default()
    };
    if rest.first().is_some_and(|word| word == "complement") {
        return Err(wrong(NO_COMPLEMENT));
    }
    let nid = |word: &str| word.parse().map_err(|_| "not a node".to_owned());
    match rest {
        [node, path] if metric.of_memcg() => {
            goal.nid = value(NAME, node, nid)?;
            goal.path.clone_from(path);
        }
        _ if metric.of_memcg() => return Err(wrong("the metric needs a node and a cgroup")),
        [node] if metric.of_node() => goal.nid = value(NAME, node, nid)?,
        _ if metric.of_node() => return Err(wrong("the metric needs a node")),
        [] => {}
        [current] => {
            goal.current_value = value(NAME, current, |word| Goal::parse_value(metric, word))?
        }
        _ => return Err(wrong("after the target comes the current value only")),
    }
    Ok(goal)
}
