//! `damo record --snapshot`: a record of what DAMON's own files tell, now and
//! then, without BPF.
//!
//! A `stat` scheme that matches everything stands beside the user's schemes in
//! each context; the regions that it tries are the context's. The kernel does
//! not say of which target a region is: where it has filters by target, each
//! target gets a scheme of its own, elsewhere all of them are one.

mod schemes;
mod taker;

use std::time::{Duration, Instant};

use damo_ebpf::Kdamond;

use super::destination::Destination;
use super::sieve::Sieve;
use super::{Ours, Plan, RecordError, Report, end, put_together, targets_of};
use crate::control::params::{Features, Filter};
use crate::control::{Interface, Session, System};
use crate::model::{Meta, Origin, TargetInfo};
use crate::sys::caller::Caller;
use crate::sys::clock;
use crate::watch::{Signals, Watched, runtime};

pub use schemes::{SnapshotError, View, add_stat_schemes};
use taker::Taker;
pub(super) use taker::fill;

/// Everything that taking snapshots needs to know beforehand.
#[derive(Clone, Debug)]
pub struct SnapshotPlan {
    /// What DAMON is to do. Children are not watched.
    pub ours: Ours,
    /// As for a recording; `tap` is of no use here.
    pub recording: Plan,
    /// Time before the first snapshot, and from each one's end to the next.
    pub delay: Duration,
    /// How many there are to be.
    pub count: u64,
    /// How much of each region passes these filters is told with it. Addresses
    /// are in bytes.
    pub filters: Vec<Filter>,
}

/// Records snapshots until there are enough, the target ends, the time is up or
/// a signal comes. Of a [`Report`], `counters` are zero.
///
/// # Errors
/// Something could not be set up, DAMON's files could not be read any more, or
/// the file not be written. DAMON is put back and a started command is ended
/// first, either way.
pub fn record_snapshots(plan: SnapshotPlan) -> Result<Report, RecordError> {
    let runtime = runtime().map_err(RecordError::Runtime)?;
    runtime.block_on(run(plan))
}

async fn run(plan: SnapshotPlan) -> Result<Report, RecordError> {
    let SnapshotPlan {
        mut ours,
        recording: plan,
        delay,
        count,
        filters,
    } = plan;
    // Caught from here on: a signal during set-up must not skip putting back.
    let mut signals = Signals::listen().map_err(RecordError::Runtime)?;
    let system = System::live();
    if let Interface::Debugfs(_) = Interface::choose(&system, ours.options.interface)? {
        return Err(SnapshotError::Debugfs.into());
    }
    Session::check(&system, ours.options)?;
    let features = Features::read(&system.admin(), system.release)?;
    let views = add_stat_schemes(&mut ours.params, &filters, &features)?;
    let caller = Caller::from_env()?;
    // Each of these takes itself back when it is dropped.
    let place = plan.place(caller.as_ref())?;
    let run_as = caller.as_ref().filter(|_| !ours.as_root);
    let watched = Watched::find(&mut ours.params, ours.command.as_ref(), run_as)?;
    let mut session = Session::prepare(&system, &ours.params, ours.options)?;
    check_regions(&system, &views)?;

    let (mono_ns, wall_ns) = (clock::monotonic_ns(), clock::wall_ns());
    let tids = session.turn_on()?;
    let meta = Meta {
        wall_ns,
        mono_ns,
        ..meta(&ours, &plan, &views, &tids)
    };
    let mut record = Destination::begin(place, &meta)?;
    if signals.came().await {
        return Err(RecordError::Interrupted);
    }
    // From here on there is something to keep.
    record.keep()?;
    let (gone, command) = watched.release().map_err(RecordError::Runtime)?;

    let begun = Instant::now();
    let mut taker = Taker {
        ends: vec![mono_ns; tids.len()],
        first: true,
        sieve: Sieve::new(plan.filters.clone()),
        seen: 0,
        targets: meta.targets,
        system,
        views,
        tids,
        record,
    };
    let ended = taker
        .run(&session, gone, plan.timeout, delay, count, &mut signals)
        .await;
    let duration = begun.elapsed();
    // As at a recording's end: each is done, whatever failed before it.
    let _ = session.turn_off();
    let restored = session.restore();
    let status = command.map(|command| end(command, &ended));
    let left_out = taker.sieve.left_out();
    let expected = taker.sieve.expected(taker.seen);
    let closed = taker.record.close(Some(expected));
    let report = || {
        let stats = closed?;
        Ok(Report {
            ended: ended?,
            stats,
            left_out,
            counters: Kdamond::default(),
            duration,
            profile: None,
            status: status.transpose().map_err(RecordError::Runtime)?.flatten(),
        })
    };
    put_together(report(), restored)
}

/// Whether this kernel has results, now that there are schemes to look at.
fn check_regions(system: &System, views: &[View]) -> Result<(), SnapshotError> {
    let tree = system.admin();
    let has = |view: &View| {
        let View {
            kdamond, scheme, ..
        } = view;
        tree.exists(format!(
            "kdamonds/{kdamond}/contexts/0/schemes/{scheme}/tried_regions"
        ))
    };
    match views.iter().all(has) {
        true => Ok(()),
        false => Err(SnapshotError::NoRegions),
    }
}

/// What is known beforehand. Of several kdamonds, what they have in common.
fn meta(ours: &Ours, plan: &Plan, views: &[View], tids: &[u32]) -> Meta {
    let contexts = ours.params.contexts();
    let mut metas = contexts.map(|(.., context)| Meta {
        targets: targets_of(context, 0).collect(),
        ..plan.meta(Some(context))
    });
    let json = ours.params.to_json(true);
    let mut meta = metas.next().unwrap_or_default();
    let mut known = vec![std::mem::take(&mut meta.targets)];
    meta.kdamond = match tids {
        [tid] => Some(*tid),
        _ => None,
    };
    for other in metas {
        meta.ops = meta.ops.filter(|_| meta.ops == other.ops);
        meta.intervals = meta.intervals.filter(|_| meta.intervals == other.intervals);
        meta.nr_regions = meta
            .nr_regions
            .filter(|_| meta.nr_regions == other.nr_regions);
        known.push(other.targets);
    }
    let info = |view: &View| {
        let (k, s) = (view.kdamond, view.scheme);
        let target = known.get(k).and_then(|targets| targets.get(view.target));
        let filters = json.pointer(&format!("/kdamonds/{k}/contexts/0/schemes/{s}/filters"));
        let target = target.filter(|_| !view.all).cloned();
        TargetInfo {
            kdamond: match tids {
                [_] => 0,
                tids => tids.get(k).copied().unwrap_or(0),
            },
            origin: Some(Origin {
                kdamond_idx: i32::try_from(k).ok(),
                context_idx: Some(0),
                scheme_idx: u32::try_from(s).ok(),
                all_targets: view.all,
                scheme_filters: filters
                    .and_then(|it| it.as_array())
                    .cloned()
                    .unwrap_or_default(),
                ..Origin::default()
            }),
            ..target.unwrap_or_default()
        }
    };
    meta.targets = views.iter().map(info).collect();
    meta
}

#[cfg(test)]
mod tests;
