//! Options → what is set already, with only what they name changed.

use super::context::{self, counts};
use super::marked;
use super::{Deduced, ParamArgs, UsageError};
use crate::control::params::{Context, FilterKind, Params, Scheme, Target};

impl ParamArgs {
    /// `before`, with what was typed in its place: options of a context go to
    /// the context of their position, those of a scheme to the scheme of their
    /// position. A list that is named (targets, filters, goals) is replaced as a
    /// whole.
    ///
    /// # Errors
    /// What cannot be right, by its option.
    pub fn applied_to(&self, before: &Params, deduced: &Deduced) -> Result<Params, UsageError> {
        if self.single("kdamonds")?.is_some() || self.refused.is_some() {
            return self.params(deduced);
        }
        if marked::is_marked(self) {
            let text =
                "markers such as --kdamond begin anew: use them with --replace, or repeat options";
            return Err(UsageError(text.to_owned()));
        }
        let typed = context::params(&self.for_schemes_of(before), deduced)?;
        let mut after = before.clone();
        let contexts = after.kdamonds.len();
        if typed.kdamonds.len() > contexts {
            return Err(UsageError(format!(
                "options for {} contexts: there are {contexts}, and that cannot change while they are on",
                typed.kdamonds.len()
            )));
        }
        // The i-th `--damos_*` is of the i-th scheme of all contexts.
        let mut schemes = 0;
        for (index, (kdamond, typed)) in after.kdamonds.iter_mut().zip(&typed.kdamonds).enumerate()
        {
            if self.nth("refresh_stat", index).is_some() {
                kdamond.refresh_ms = typed.refresh_ms;
            }
            for (context, typed) in kdamond.contexts.iter_mut().zip(&typed.contexts) {
                self.context(context, typed, index, deduced)?;
                if self.uses("schemes").is_empty() {
                    self.schemes(&mut context.schemes, &typed.schemes, schemes);
                } else {
                    context.schemes.clone_from(&typed.schemes);
                }
                schemes += typed.schemes.len();
            }
        }
        self.flags(&mut after)?;
        let checked = after.validate();
        checked.map_err(|error| UsageError(error.to_string()))?;
        Ok(after)
    }

    /// What was typed, without what counts in what is there, and with the
    /// actions that are there for options of schemes that name none.
    fn for_schemes_of(&self, before: &Params) -> ParamArgs {
        let mut typed = self.clone();
        typed.uses.remove("obsolete_targets");
        typed.uses.remove("pause_ctx");
        let of_schemes = self.uses.iter().filter(|(name, _)| {
            name.starts_with("damos_")
                && !["damos_nr_filters", "damos_nr_quota_goals"].contains(name)
        });
        let most = of_schemes.map(|(_, uses)| uses.len()).max().unwrap_or(0);
        // How many an option counts, in words of one use.
        let counted = ["damos_nr_filters", "damos_nr_quota_goals"];
        let counted = counted.iter().filter_map(|name| self.nth(name, 0));
        let most = counted.map(<[String]>::len).max().unwrap_or(0).max(most);
        let schemes: Vec<&Scheme> = before
            .contexts()
            .flat_map(|(.., context)| &context.schemes)
            .collect();
        let actions = typed.uses.entry("damos_action").or_default();
        for index in actions.len()..most.min(schemes.len()) {
            let action = schemes.get(index).map(|scheme| scheme.action.keyword());
            actions.extend(action.map(|action| vec![action.to_owned()]));
        }
        // Addresses are typed in bytes, and kept in units.
        let unit = before
            .contexts()
            .next()
            .map(|(.., context)| context.addr_unit);
        if let Some(unit) = unit.filter(|unit| *unit != 1) {
            let units = typed.uses.entry("damon_addr_unit").or_default();
            if units.is_empty() {
                units.push(vec![unit.to_string()]);
            }
        }
        let actions = typed.uses.entry("damos_action").or_default();
        // Schemes that are given as a whole have their actions.
        if self.uses("damos_action").is_empty() && !self.uses("schemes").is_empty() {
            actions.clear();
        }
        let count = actions.len();
        if count == 0 {
            typed.uses.remove("damos_action");
        }
        let contexts: Vec<&Context> = before.contexts().map(|(.., context)| context).collect();
        if contexts.len() > 1 && count > 0 && self.uses("nr_schemes").is_empty() {
            let counts = shared_out(count, &contexts);
            let words = counts.iter().map(ToString::to_string).collect();
            typed.uses.insert("nr_schemes", vec![words]);
        }
        typed
    }

    fn context(
        &self,
        context: &mut Context,
        typed: &Context,
        index: usize,
        deduced: &Deduced,
    ) -> Result<(), UsageError> {
        let named = |name: &str| self.nth(name, index).is_some();
        if named("ops") {
            context.ops = typed.ops;
        }
        if named("damon_addr_unit") && context.addr_unit != typed.addr_unit {
            let filters = context.schemes.iter().flat_map(|scheme| &scheme.filters);
            let mut kinds = filters.map(|filter| &filter.kind);
            if self.uses("regions").is_empty()
                || kinds.any(|kind| matches!(kind, FilterKind::Addr(_)))
            {
                return Err(UsageError(format!(
                    "--damon_addr_unit {}: addresses that are set would mean others; use --replace",
                    typed.addr_unit
                )));
            }
            context.addr_unit = typed.addr_unit;
        }
        let (intervals, new) = (&mut context.intervals, &typed.intervals);
        let all = named("monitoring_intervals");
        if all || named("sample") {
            intervals.sample_us = new.sample_us;
        }
        if all || named("aggr") {
            intervals.aggr_us = new.aggr_us;
        }
        if all || named("updr") {
            intervals.ops_update_us = new.ops_update_us;
        }
        let autotune = !self.uses("monitoring_intervals_autotune").is_empty();
        if autotune || named("monitoring_intervals_goal") {
            intervals.intervals_goal = new.intervals_goal;
        }
        let both = named("monitoring_nr_regions_range");
        if both || named("minr") {
            context.nr_regions.min = typed.nr_regions.min;
        }
        if both || named("maxr") {
            context.nr_regions.max = typed.nr_regions.max;
        }
        if !typed.probes.is_empty() {
            context.probes.clone_from(&typed.probes);
        }
        let processes = !deduced.pids.is_empty() || !self.uses("target_pid").is_empty();
        let ranges = ["regions", "numa_node"]
            .into_iter()
            .any(|name| !self.uses(name).is_empty());
        if processes || deduced.physical {
            context.ops = typed.ops;
            context.targets.clone_from(&typed.targets);
        } else if ranges {
            replace_ranges(&mut context.targets, &typed.targets);
        }
        Ok(())
    }

    /// `first`: how many schemes the contexts before have.
    fn schemes(&self, schemes: &mut Vec<Scheme>, typed: &[Scheme], first: usize) {
        for (index, new) in typed.iter().enumerate() {
            match schemes.get_mut(index) {
                Some(scheme) => self.scheme(scheme, new, first + index),
                None => schemes.push(new.clone()),
            }
        }
    }

    fn scheme(&self, scheme: &mut Scheme, new: &Scheme, index: usize) {
        let named = |name: &str| self.nth(name, index).is_some();
        if named("damos_action") {
            scheme.action = new.action;
            scheme.target_nid = new.target_nid;
            scheme.dests.clone_from(&new.dests);
        }
        let (pattern, wanted) = (&mut scheme.access_pattern, &new.access_pattern);
        if named("damos_sz_region") {
            pattern.sz_bytes = wanted.sz_bytes;
        }
        if named("damos_access_rate") {
            pattern.nr_accesses = wanted.nr_accesses;
        }
        if named("damos_age") {
            pattern.age = wanted.age;
        }
        if named("damos_apply_interval") {
            scheme.apply_interval_us = new.apply_interval_us;
        }
        if named("damos_max_nr_snapshots") {
            scheme.max_nr_snapshots = new.max_nr_snapshots;
        }
        if named("damos_wmarks") {
            scheme.watermarks.clone_from(&new.watermarks);
        }
        if !new.filters.is_empty() || self.is_cleared("damos_filter", "damos_nr_filters", index) {
            scheme.filters.clone_from(&new.filters);
        }
        let (quotas, wanted) = (&mut scheme.quotas, &new.quotas);
        let all = named("damos_quotas");
        if all || named("damos_quota_time") {
            quotas.time_ms = wanted.time_ms;
        }
        if all || named("damos_quota_space") {
            quotas.sz_bytes = wanted.sz_bytes;
        }
        if all || named("damos_quota_interval") {
            quotas.reset_interval_ms = wanted.reset_interval_ms;
        }
        if all || named("damos_quota_weights") {
            quotas.weights = wanted.weights;
        }
        if named("damos_quota_goal_tuner") {
            quotas.goal_tuner = wanted.goal_tuner;
        }
        if named("damos_quota_fail_charge_ratio") {
            quotas.fail_charge_num = wanted.fail_charge_num;
            quotas.fail_charge_denom = wanted.fail_charge_denom;
        }
        if !wanted.goals.is_empty()
            || self.is_cleared("damos_quota_goal", "damos_nr_quota_goals", index)
        {
            quotas.goals.clone_from(&wanted.goals);
        }
    }

    /// Whether a list is to be empty: its number is given, and nothing for any.
    fn is_cleared(&self, list: &str, number: &str, index: usize) -> bool {
        let words = self.nth(number, 0);
        self.uses(list).is_empty() && words.is_some_and(|words| index < words.len())
    }

    /// Options that point at what is there, or will be.
    fn flags(&self, params: &mut Params) -> Result<(), UsageError> {
        let (mut nr_contexts, mut nr_targets) = (0, 0);
        for (.., context) in params.contexts() {
            nr_contexts += 1;
            nr_targets += context.targets.len();
        }
        if !self.uses("pause_ctx").is_empty() {
            let paused = at_most("pause_ctx", self, nr_contexts)?;
            let contexts = params.kdamonds.iter_mut().flat_map(|k| &mut k.contexts);
            for (index, context) in contexts.enumerate() {
                context.pause = paused.contains(&index);
            }
        }
        let obsolete = at_most("obsolete_targets", self, nr_targets)?;
        let contexts = params.kdamonds.iter_mut().flat_map(|k| &mut k.contexts);
        let targets = contexts.flat_map(|context| &mut context.targets);
        for (index, target) in targets.enumerate() {
            target.obsolete = obsolete.contains(&index);
        }
        Ok(())
    }
}

/// How many of `count` schemes belong to each context: as many as are there, and
/// the last has those beyond.
fn shared_out(count: usize, contexts: &[&Context]) -> Vec<usize> {
    let mut left = count;
    let mut counts: Vec<usize> = contexts
        .iter()
        .map(|context| {
            let here = left.min(context.schemes.len());
            left -= here;
            here
        })
        .collect();
    if let Some(last) = counts.last_mut() {
        *last += left;
    }
    counts
}

/// Indexes that an option gives, of `count` things.
fn at_most(name: &str, args: &ParamArgs, count: usize) -> Result<Vec<usize>, UsageError> {
    let indexes = counts(args, name)?;
    match indexes.iter().find(|index| **index >= count) {
        Some(index) => Err(UsageError(format!(
            "--{name} {index}: there are {count}, counted from 0"
        ))),
        None => Ok(indexes),
    }
}

/// Gives targets that stay other ranges; one list is for all of them.
fn replace_ranges(targets: &mut [Target], typed: &[Target]) {
    let shared = match typed {
        [only] => Some(&only.regions),
        _ => None,
    };
    for (index, target) in targets.iter_mut().enumerate() {
        let ranges = typed.get(index).map(|typed| &typed.regions).or(shared);
        if let Some(ranges) = ranges {
            target.regions.clone_from(ranges);
        }
    }
}
