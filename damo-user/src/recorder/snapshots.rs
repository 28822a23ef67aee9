//! `damo record --snapshot`: a record of what DAMON's own files tell, now and
//! then, without BPF.
//!
//! A `stat` scheme that matches everything stands beside the user's schemes in
//! each context; the regions that it tries are the context's. The kernel does
//! not say of which target a region is: where it has filters by target, each
//! target gets a scheme of its own, elsewhere all of them are one.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use damo_ebpf::Kdamond;

use super::destination::{Destination, Place};
use super::progress::Progress;
use super::sieve::Sieve;
use super::{Ended, GRACE, Ours, Plan, RecordError, Report, targets_of};
use crate::control::params::{
    Feature, Features, Filter, FilterKind, Layer, ParamError, Params, Region as ParamRegion,
    Release, Scheme,
};
use crate::control::results::TriedRegions;
use crate::control::{Fresh, Interface, Session, System, Tried, tried_regions};
use crate::model::{
    Extra, Gap, Item, LossCause, Meta, Ops, Origin, Region, Snapshot, TargetInfo, TargetKey,
};
use crate::sys::caller::Caller;
use crate::sys::clock;
use crate::sys::process::Process;
use crate::watch::{Signals, Watched, after, all_gone, runtime};

/// How often the record is written, and DAMON asked whether it still runs.
const TICK: Duration = Duration::from_secs(1);

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

/// Why there can be no snapshots.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// debugfs has no results.
    #[error(
        "--snapshot: DAMON's debugfs interface tells no regions; leave --snapshot out, or boot a kernel with CONFIG_DAMON_SYSFS (Linux 6.2 or later)"
    )]
    Debugfs,
    /// The first kernels with sysfs have no results either.
    #[error(
        "--snapshot: this kernel's DAMON does not tell which regions schemes try; that came with Linux 6.2: leave --snapshot out"
    )]
    NoRegions,
    /// Nothing would be told about what passes.
    #[error(
        "--snapshot_damos_filter {kind}: with --ops {} this kernel does not tell how much passes; that came with Linux {since}",
        ops.keyword()
    )]
    NoPassed {
        /// The filter.
        kind: &'static str,
        /// The operations set.
        ops: Ops,
        /// The first kernel that does.
        since: Release,
    },
    /// A filter that cannot be right.
    #[error(transparent)]
    Filter(#[from] ParamError),
}

/// What a scheme's tried regions are the regions of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Index of the kdamond.
    pub kdamond: usize,
    /// Index of the scheme in its context.
    pub scheme: usize,
    /// DAMON's target id; 0 if `all`.
    pub target: usize,
    /// Regions of all targets, which cannot be told apart.
    pub all: bool,
    /// There are filters on pages: what passes them is told.
    pub passed: bool,
}

/// Adds a `stat` scheme for each target to each context, or one for all where
/// this kernel has no filters by target. Says what each of them tells.
///
/// # Errors
/// A filter cannot be right, or nothing would be told about what passes it.
pub fn add_stat_schemes(
    params: &mut Params,
    filters: &[Filter],
    features: &Features,
) -> Result<Vec<View>, SnapshotError> {
    let page_filter = filters.iter().find(|it| it.kind.layer() == Layer::Ops);
    let mut views = Vec::new();
    for (k, kdamond) in params.kdamonds.iter_mut().enumerate() {
        for context in &mut kdamond.contexts {
            if let Some(filter) = page_filter {
                check_passed(filter, context.ops, features)?;
            }
            let filters = filters.iter().map(|it| in_units(it, context.addr_unit));
            let filters: Vec<Filter> = filters.collect();
            let many = context.targets.len() > 1;
            let apart = many && features.has(Feature::FilterAddr) == Some(true);
            let nr_schemes = if apart { context.targets.len() } else { 1 };
            for target in 0..nr_schemes {
                // All but this target are kept out; the default is the opposite.
                let only = apart.then_some(Filter {
                    kind: FilterKind::Target(target as u64),
                    matching: false,
                    allow: false,
                });
                views.push(View {
                    kdamond: k,
                    scheme: context.schemes.len(),
                    target,
                    all: many && !apart,
                    passed: page_filter.is_some(),
                });
                context.schemes.push(Scheme {
                    filters: only.into_iter().chain(filters.iter().cloned()).collect(),
                    ..Scheme::default()
                });
            }
        }
    }
    // Everything else was checked before: it is about the filters.
    params.validate().map_err(|error| ParamError {
        option: Some("--snapshot_damos_filter"),
        ..error
    })?;
    Ok(views)
}

/// Refuses filters on pages where DAMON would count nothing.
fn check_passed(filter: &Filter, ops: Ops, features: &Features) -> Result<(), SnapshotError> {
    let since = match ops {
        Ops::Paddr => Release(6, 14),
        Ops::Vaddr | Ops::Fvaddr => Release(6, 18),
    };
    let too_old = features.has(Feature::FilterAllow) == Some(false);
    match too_old || features.knows(since) == Some(false) {
        true => Err(SnapshotError::NoPassed {
            kind: filter.kind.keyword(),
            ops,
            since,
        }),
        false => Ok(()),
    }
}

/// Addresses in bytes as the context has them.
fn in_units(filter: &Filter, unit: u64) -> Filter {
    let mut filter = filter.clone();
    if let FilterKind::Addr(ParamRegion { start, end }) = &mut filter.kind {
        let unit = unit.max(1);
        (*start, *end) = (*start / unit, end.div_ceil(unit));
    }
    filter
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
    let owner = caller.as_ref().map(Caller::owner);
    // Each of these takes itself back when it is dropped.
    let place = Place::create(&plan.out, plan.mode, owner, plan.rotation)?;
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
    let status = command.map(|mut command| match ended {
        Ok(Ended::Target) => command.wait().map(Some),
        _ => command.terminate(GRACE).map(|_| None),
    });
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
    match (report(), restored) {
        (report, Ok(())) => report,
        (Ok(_), Err(left)) => Err(left.into()),
        (Err(error), Err(left)) => Err(RecordError::AndLeft {
            error: Box::new(error),
            left,
        }),
    }
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

/// Takes snapshots and writes them.
struct Taker {
    system: System,
    views: Vec<View>,
    /// Thread ids of the kdamonds.
    tids: Vec<u32>,
    /// When the last snapshot of each kdamond ended.
    ends: Vec<u64>,
    first: bool,
    sieve: Sieve,
    /// Region samples that DAMON told of.
    seen: u64,
    /// As the file tells of them so far.
    targets: Vec<TargetInfo>,
    record: Destination,
}

impl Taker {
    async fn run(
        &mut self,
        session: &Session,
        gone: Vec<(u32, OwnedFd)>,
        timeout: Option<Duration>,
        delay: Duration,
        count: u64,
        signals: &mut Signals,
    ) -> Result<Ended, RecordError> {
        let (targets, over) = (all_gone(gone), after(timeout));
        let next = tokio::time::sleep(delay);
        tokio::pin!(targets, over, next);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (started, mut progress, mut taken) = (Instant::now(), Progress::new(), 0);
        let ended = loop {
            tokio::select! {
                // In this order: see the pump's loop.
                biased;
                () = signals.next() => break Ended::Signal,
                () = &mut over => break Ended::Timeout,
                result = &mut targets => {
                    result.map_err(RecordError::Runtime)?;
                    break Ended::Target;
                }
                () = &mut next => {
                    // Somebody else's kdamond may have taken our folder.
                    if !session.is_on()? || !self.take()? {
                        break Ended::SwitchedOff;
                    }
                    taken += 1;
                    if taken >= count {
                        break Ended::Count;
                    }
                    next.as_mut().reset(tokio::time::Instant::now() + delay);
                }
                _ = ticks.tick() => {
                    self.record.tick(clock::monotonic_ns());
                    self.record.check_disk()?;
                    if progress.is_due() {
                        let stats = self.record.stats();
                        progress.draw(started.elapsed(), stats.snapshots, stats.bytes, stats.lost);
                    }
                    if !session.is_on()? {
                        break Ended::SwitchedOff;
                    }
                }
            }
        };
        progress.finish();
        // Two ends with one cause come in any order, as for the pump.
        let both = Duration::from_millis(100);
        let ended = match ended {
            Ended::SwitchedOff if tokio::time::timeout(both, targets).await.is_ok() => {
                Ended::Target
            }
            ended => ended,
        };
        match ended {
            Ended::Target if tokio::time::timeout(both, signals.next()).await.is_ok() => {
                Ok(Ended::Signal)
            }
            ended => Ok(ended),
        }
    }

    /// One snapshot of each target; `false` if no kdamond is on any more.
    fn take(&mut self) -> Result<bool, RecordError> {
        self.follow_names();
        let mut any = false;
        for (k, tid) in self.tids.clone().into_iter().enumerate() {
            match tried_regions(&self.system, k)? {
                Tried::Fresh(fresh) => self.write(k, tid, &fresh),
                // What was not looked at is not known.
                Tried::Inactive | Tried::Busy => self.miss(k),
                Tried::Ended => continue,
            }
            any = true;
        }
        self.first = false;
        self.record.tick(clock::monotonic_ns());
        self.record.check_disk()?;
        Ok(any)
    }

    fn write(&mut self, k: usize, tid: u32, fresh: &Fresh) {
        let Some(last_ns) = self.ends.get_mut(k) else {
            return;
        };
        let aggr_ns = fresh.intervals.aggr_us.saturating_mul(1000);
        let start_ns = match self.first {
            // DAMON may be on for less, and has looked back no further.
            true => (*last_ns).max(fresh.end_ns.saturating_sub(aggr_ns)),
            false => *last_ns,
        };
        *last_ns = fresh.end_ns;
        for view in self.views.iter().filter(|view| view.kdamond == k) {
            let Some(tried) = fresh.schemes.get(view.scheme) else {
                continue;
            };
            let mut snapshot = Snapshot {
                target: TargetKey {
                    kdamond: tid,
                    target_id: view.target as u64,
                },
                start_ns: start_ns.min(fresh.end_ns),
                end_ns: fresh.end_ns,
                intervals: Some(fresh.intervals),
                missing: 0,
                regions: Vec::new(),
                extra: None,
            };
            fill(&mut snapshot, tried, view.passed);
            self.seen += tried.regions.len() as u64;
            let snapshot = self.sieve.pass(snapshot);
            self.record.item(&Item::Snapshot(snapshot));
        }
    }

    fn miss(&mut self, k: usize) {
        if let Some(last_ns) = self.ends.get_mut(k) {
            let start_ns = std::mem::replace(last_ns, clock::monotonic_ns());
            self.record.item(&Item::Gap(Gap {
                target: None,
                start_ns,
                end_ns: *last_ns,
                events: None,
                cause: LossCause::Unseen,
            }));
        }
    }

    /// A process has another name after `exec`.
    fn follow_names(&mut self) {
        for target in &mut self.targets {
            let process = target.pid.and_then(|pid| Process::find(pid).ok());
            let now = process.map(|process| process.comm);
            if now.is_some() && now != target.comm {
                target.comm = now;
                self.record.target(target);
            }
        }
    }
}

/// Puts regions of a scheme into a snapshot. Those of several targets come in
/// any order and may overlap: a record has no place for two regions at one
/// address, so the second counts as missing.
fn fill(snapshot: &mut Snapshot, tried: &TriedRegions, passed: bool) {
    let mut regions: Vec<_> = tried.regions.iter().collect();
    regions.sort_by_key(|region| region.start);
    let mut extra = Extra::default();
    let mut total = 0u64;
    for region in regions {
        let last = snapshot.regions.last().map_or(0, |last| last.end);
        if region.start < last || region.end < region.start {
            snapshot.missing = snapshot.missing.saturating_add(1);
            continue;
        }
        let cut = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let kept = Region {
            start: region.start,
            end: region.end,
            nr_accesses: cut(region.nr_accesses_samples),
            age: Some(cut(region.age_aggr_intervals)),
        };
        total = total.saturating_add(kept.len());
        snapshot.regions.push(kept);
        // Without filters DAMON does not count it, and says 0.
        extra
            .filter_passed
            .push(region.sz_filter_passed_bytes.filter(|_| passed));
        extra
            .probe_hits
            .push(region.probe_hits.iter().copied().map(cut).collect());
    }
    if extra.filter_passed.iter().all(Option::is_none) {
        extra.filter_passed.clear();
    }
    if extra.probe_hits.iter().all(Vec::is_empty) {
        extra.probe_hits.clear();
    }
    extra.total_bytes = Some(tried.total_bytes).filter(|told| *told != total);
    if extra != Extra::default() {
        snapshot.extra = Some(Box::new(extra));
    }
}

#[cfg(test)]
mod tests;
