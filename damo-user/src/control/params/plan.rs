//! The ordered list of writes that makes DAMON's files say what parameters say.

use std::fmt::Display;

use super::features::{Feature, Features, Release};
use super::{Context, FilterKind, ParamError, Params, Probe, Target};
use crate::control::plan::Write;

/// What is there when a plan begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Anything: all folders are made anew, so that defaults need no write.
    Fresh,
    /// The same kdamonds and contexts, which may be on: those folders stay, and
    /// their values are written, defaults too.
    Running,
    /// As [`Scope::Fresh`] for one kdamond, which is off; the others stay as they are.
    One(usize),
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unplanned {
    /// DAMON would not do what is asked.
    #[error(transparent)]
    Param(#[from] ParamError),
    /// This kernel's DAMON cannot.
    #[error(
        "{option} {value}: this kernel's DAMON does not have that; it came with Linux {since} ({path})"
    )]
    NoFeature {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// Where it stands in the json form.
        path: String,
        /// The first kernel that has it.
        since: Release,
    },
}

/// The writes for `params`, top-down: a count creates the folders that the
/// writes after it need, with defaults in every file that is not named.
/// Parameters are to be validated before.
///
/// # Errors
/// What this kernel's DAMON cannot do.
pub fn plan_params(
    params: &Params,
    features: &Features,
    scope: Scope,
) -> Result<Vec<Write>, Unplanned> {
    let params = params.resolved()?;
    let mut plan = Plan {
        features,
        all: false,
        writes: Vec::new(),
    };
    if scope == Scope::Fresh {
        plan.put("kdamonds/nr_kdamonds", params.kdamonds.len());
    }
    for (k, kdamond) in params.kdamonds.iter().enumerate() {
        if matches!(scope, Scope::One(only) if only != k) {
            continue;
        }
        // The kdamond's own folder stays.
        plan.all = scope != Scope::Fresh;
        let path = format!("kdamonds[{k}]");
        let dir = format!("kdamonds/{k}");
        let at = At {
            dir: &dir,
            path: &path,
        };
        plan.maybe(
            Feature::RefreshMs,
            at,
            "refresh_ms",
            ("--refresh_stat", "refresh_ms"),
            &kdamond.refresh_ms,
            &0,
        )?;
        if scope != Scope::Running {
            plan.put(
                format!("{dir}/contexts/nr_contexts"),
                kdamond.contexts.len(),
            );
        }
        for (c, context) in kdamond.contexts.iter().enumerate() {
            plan.all = scope == Scope::Running;
            let dir = format!("{dir}/contexts/{c}");
            let path = format!("{path}.contexts[{c}]");
            plan.context(
                At {
                    dir: &dir,
                    path: &path,
                },
                context,
            )?;
        }
    }
    Ok(plan.writes)
}

/// A folder, and what it is in the json form.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) dir: &'a str,
    pub(super) path: &'a str,
}

pub(super) struct Plan<'f> {
    pub(super) features: &'f Features,
    /// Defaults are written, too.
    all: bool,
    writes: Vec<Write>,
}

impl Plan<'_> {
    pub(super) fn put(&mut self, path: impl Into<String>, value: impl Display) {
        self.writes.push(Write {
            path: path.into(),
            value: value.to_string(),
        });
    }

    /// Writes a value, if it is not what the file says anyway.
    pub(super) fn set<V: Display + PartialEq>(
        &mut self,
        at: At<'_>,
        file: &str,
        value: V,
        default: V,
    ) {
        if self.all || value != default {
            self.put(format!("{}/{file}", at.dir), value);
        }
    }

    /// As [`Plan::set`], to a file that not every kernel has.
    pub(super) fn maybe<V: Display + PartialEq>(
        &mut self,
        feature: Feature,
        at: At<'_>,
        file: &str,
        (option, key): (&'static str, &str),
        value: &V,
        default: &V,
    ) -> Result<(), Unplanned> {
        let there = self.features.has(feature);
        if there == Some(false) && value != default {
            return Err(missing(at, option, key, value, feature.since()));
        }
        // Where nothing tells, only what was asked for is tried.
        if value != default || (self.all && there == Some(true)) {
            self.put(format!("{}/{file}", at.dir), value);
        }
        Ok(())
    }

    /// Refuses a keyword that this kernel does not know.
    pub(super) fn keyword(
        &self,
        at: At<'_>,
        option: &'static str,
        key: &str,
        word: &dyn Display,
        since: Release,
    ) -> Result<(), Unplanned> {
        match self.features.knows(since) {
            Some(false) => Err(missing(at, option, key, word, since)),
            _ => Ok(()),
        }
    }

    fn context(&mut self, at: At<'_>, context: &Context) -> Result<(), Unplanned> {
        let dir = at.dir;
        self.put(format!("{dir}/operations"), context.ops.keyword());
        self.maybe(
            Feature::AddrUnit,
            at,
            "addr_unit",
            ("--damon_addr_unit", "addr_unit"),
            &context.addr_unit,
            &1,
        )?;
        self.maybe(
            Feature::Pause,
            at,
            "pause",
            ("--pause_ctx", "pause"),
            &yes(context.pause),
            &"N",
        )?;
        let intervals = &context.intervals;
        let attrs = format!("{dir}/monitoring_attrs");
        self.put(format!("{attrs}/intervals/sample_us"), intervals.sample_us);
        self.put(format!("{attrs}/intervals/aggr_us"), intervals.aggr_us);
        self.put(
            format!("{attrs}/intervals/update_us"),
            intervals.ops_update_us,
        );
        let goal = &intervals.intervals_goal;
        for (file, value) in [
            ("access_bp", goal.access_bp),
            ("aggrs", goal.aggrs),
            ("min_sample_us", goal.min_sample_us),
            ("max_sample_us", goal.max_sample_us),
        ] {
            let key = format!("intervals.intervals_goal.{file}");
            let file = format!("monitoring_attrs/intervals/intervals_goal/{file}");
            self.maybe(
                Feature::IntervalsGoal,
                at,
                &file,
                ("--monitoring_intervals_goal", &key),
                &value,
                &0,
            )?;
        }
        self.put(format!("{attrs}/nr_regions/min"), context.nr_regions.min);
        self.put(format!("{attrs}/nr_regions/max"), context.nr_regions.max);
        self.maybe(
            Feature::Probes,
            at,
            "monitoring_attrs/probes/nr_probes",
            ("--nr_probes", "probes"),
            &context.probes.len(),
            &0,
        )?;
        self.put(format!("{dir}/targets/nr_targets"), context.targets.len());
        let write_schemes = self.all || !context.schemes.is_empty();
        // From here on every folder is new.
        self.all = false;
        for (p, probe) in context.probes.iter().enumerate() {
            let (dir, path) = (
                format!("{attrs}/probes/{p}"),
                format!("{}.probes[{p}]", at.path),
            );
            self.probe(
                At {
                    dir: &dir,
                    path: &path,
                },
                probe,
            )?;
        }
        for (t, target) in context.targets.iter().enumerate() {
            let (dir, path) = (
                format!("{dir}/targets/{t}"),
                format!("{}.targets[{t}]", at.path),
            );
            self.target(
                At {
                    dir: &dir,
                    path: &path,
                },
                target,
            )?;
        }
        if write_schemes {
            self.put(format!("{dir}/schemes/nr_schemes"), context.schemes.len());
        }
        for (s, scheme) in context.schemes.iter().enumerate() {
            let (dir, path) = (
                format!("{dir}/schemes/{s}"),
                format!("{}.schemes[{s}]", at.path),
            );
            self.scheme(
                At {
                    dir: &dir,
                    path: &path,
                },
                scheme,
            )?;
        }
        Ok(())
    }

    fn probe(&mut self, at: At<'_>, probe: &Probe) -> Result<(), Unplanned> {
        self.maybe(
            Feature::ProbeWeight,
            at,
            "weight",
            ("--probe_weight", "weight"),
            &probe.weight,
            &0,
        )?;
        self.set(at, "filters/nr_filters", probe.filters.len(), 0);
        for (f, filter) in probe.filters.iter().enumerate() {
            let dir = format!("{}/filters/{f}", at.dir);
            let at = At {
                dir: &dir,
                path: at.path,
            };
            self.set(at, "type", filter.kind.keyword(), "anon");
            self.set(at, "matching", yes(filter.matching), "N");
            self.set(at, "allow", yes(filter.allow), "N");
            if let FilterKind::Memcg(path) = &filter.kind {
                self.set(at, "path", path.as_str(), "");
            }
        }
        Ok(())
    }

    fn target(&mut self, at: At<'_>, target: &Target) -> Result<(), Unplanned> {
        if let Some(pid) = target.pid {
            self.put(format!("{}/pid_target", at.dir), pid);
        }
        self.maybe(
            Feature::ObsoleteTarget,
            at,
            "obsolete_target",
            ("--obsolete_targets", "obsolete"),
            &yes(target.obsolete),
            &"N",
        )?;
        self.set(at, "regions/nr_regions", target.regions.len(), 0);
        for (r, region) in target.regions.iter().enumerate() {
            self.put(format!("{}/regions/{r}/start", at.dir), region.start);
            self.put(format!("{}/regions/{r}/end", at.dir), region.end);
        }
        Ok(())
    }
}

pub(super) fn yes(value: bool) -> &'static str {
    if value { "Y" } else { "N" }
}

fn missing(
    at: At<'_>,
    option: &'static str,
    key: &str,
    value: &dyn Display,
    since: Release,
) -> Unplanned {
    Unplanned::NoFeature {
        option,
        value: value.to_string(),
        path: format!("{}.{key}", at.path),
        since,
    }
}
