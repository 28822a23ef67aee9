//! Of the regions that schemes try: those that are there, or a `stat` scheme that
//! is added for the moment and taken away again.

use super::{Glance, GlanceError};
use crate::control::params::{Features, Filter, Params, read};
use crate::control::{Commit, ControlError, Fresh, System, Tried, Tuning, tried_regions};
use crate::model::{Item, Meta, Origin, Snapshot, TargetInfo, TargetKey};
use crate::recorder::snapshots::fill;
use crate::recorder::{View, add_stat_schemes};
use crate::sys::deferred::Deferred;

/// What a scheme of a running kdamond tries; it may be anybody's, and nothing is
/// changed.
///
/// # Errors
/// There is no such scheme, or its kdamond does not answer.
pub fn glance_tried(system: &System, kdamond: usize, scheme: usize) -> Result<Glance, GlanceError> {
    let params = read(&system.admin())?;
    let schemes = params.kdamonds.get(kdamond).and_then(|kdamond| {
        let context = kdamond.contexts.first()?;
        Some(&context.schemes)
    });
    let no_scheme = |count| GlanceError::NoScheme {
        kdamond,
        scheme,
        count,
    };
    let schemes = schemes.ok_or_else(|| no_scheme(0))?;
    let view = View {
        kdamond,
        scheme,
        target: 0,
        all: true,
        // By kind, or on kernels that count it for all.
        passed: schemes
            .get(scheme)
            .ok_or_else(|| no_scheme(schemes.len()))?
            .filters
            .iter()
            .any(|filter| filter.kind.layer() == crate::control::params::Layer::Ops),
    };
    look(system, &params, &[view])
}

/// One snapshot of each target of our own kdamonds, with how much of each region
/// passes `filters`. Signals wait until they are as before.
///
/// # Errors
/// Nothing of ours runs, or somebody else's does as well; a scheme could not be
/// added, or not be taken away.
pub fn glance_filtered(system: &System, filters: &[Filter]) -> Result<Glance, GlanceError> {
    let _whole = Deferred::begin();
    let mut tuning = Tuning::begin(system, false, Commit::Everything)?;
    tuning.refresh()?;
    let before = tuning.before().clone();
    let mut params = before.clone();
    let features = Features::read(&system.admin(), system.release)?;
    let views = add_stat_schemes(&mut params, filters, &features)?;
    tuning.commit(&params)?;
    let seen = look(system, &params, &views);
    match (seen, put_back(system, before)) {
        (Ok(glance), Ok(())) => Ok(glance),
        (Err(error), Ok(())) => Err(error),
        (_, Err(left)) => Err(left.into()),
    }
}

/// As before, but for intervals that DAMON has tuned since.
fn put_back(system: &System, mut before: Params) -> Result<(), ControlError> {
    let mut tuning = Tuning::begin(system, false, Commit::Everything)?;
    tuning.refresh()?;
    let now = tuning
        .before()
        .contexts()
        .map(|(.., context)| context.intervals);
    let now: Vec<_> = now.collect();
    let contexts = before.kdamonds.iter_mut().flat_map(|it| &mut it.contexts);
    for (context, intervals) in contexts.zip(now) {
        context.intervals = intervals;
    }
    tuning.commit(&before)
}

/// Asks each kdamond once.
fn look(system: &System, params: &Params, views: &[View]) -> Result<Glance, GlanceError> {
    let json = params.to_json(true);
    let mut glance = Glance::default();
    let mut asked: Option<(usize, Fresh)> = None;
    for view in views {
        let index = view.kdamond;
        let fresh = match asked.take() {
            Some((kdamond, fresh)) if kdamond == index => fresh,
            _ => match tried_regions(system, index)? {
                Tried::Fresh(fresh) => fresh,
                otherwise => return Err(untold(index, &otherwise)),
            },
        };
        let Some(tried) = fresh.schemes.get(view.scheme) else {
            return Err(GlanceError::NoScheme {
                kdamond: index,
                scheme: view.scheme,
                count: fresh.schemes.len(),
            });
        };
        let aggr_ns = fresh.intervals.aggr_us.saturating_mul(1000);
        let target = TargetKey {
            kdamond: u32::try_from(index).unwrap_or(u32::MAX),
            target_id: view.target as u64,
        };
        let mut snapshot = Snapshot {
            target,
            start_ns: fresh.end_ns.saturating_sub(aggr_ns),
            end_ns: fresh.end_ns,
            intervals: Some(fresh.intervals),
            missing: 0,
            regions: Vec::new(),
            extra: None,
        };
        fill(&mut snapshot, tried, view.passed);
        let of_context = |part: &str| {
            let path = format!("/kdamonds/{index}/contexts/0/{part}");
            json.pointer(&path).cloned()
        };
        let filters = of_context(&format!("schemes/{}/filters", view.scheme));
        let filters = filters.and_then(|it| it.as_array().cloned());
        glance.meta.targets.push(TargetInfo {
            target_id: target.target_id,
            kdamond: target.kdamond,
            origin: Some(Origin {
                kdamond_idx: i32::try_from(index).ok(),
                context_idx: Some(0),
                scheme_idx: u32::try_from(view.scheme).ok(),
                all_targets: view.all,
                intervals: Some(fresh.intervals),
                intervals_goal: of_context("intervals/intervals_goal"),
                scheme_filters: filters.unwrap_or_default(),
                data_source: None,
            }),
            ..TargetInfo::default()
        });
        glance.items.push(Item::Snapshot(snapshot));
        asked = Some((index, fresh));
    }
    glance.meta = Meta {
        tool: format!("damo {}", env!("CARGO_PKG_VERSION")),
        ..glance.meta
    };
    Ok(glance)
}

fn untold(index: usize, tried: &Tried) -> GlanceError {
    let what = match tried {
        Tried::Inactive => "tries no regions: its schemes are off by their watermarks",
        Tried::Busy => "is not to be asked: somebody else holds DAMON's lock; try again",
        Tried::Ended | Tried::Fresh(_) => "is not on",
    };
    GlanceError::Untold { index, what }
}
