//! A recording's beginning: everything is found, set up and attached, in an
//! order that misses nothing and can be taken back.

use crate::control::ownership::store;
use crate::control::params::{Context, Params, Target};
use crate::control::{Session, System, others};
use crate::model::{KdamondInfo, Meta, Ops, TargetInfo};
use crate::source::{Assembler, Tap};
use crate::sys::caller::Caller;
use crate::sys::clock;
use crate::sys::host::Host;
use crate::sys::tell::tell;
use crate::watch::Watched;

use super::anew::{Anew, STAND_IN};
use super::aside::Aside;
use super::children::{self, Children};
use super::destination::{Destination, Place};
use super::kdamonds::{Kdamonds, Which};
use super::outlet::Outlet;
use super::profile::Profile;
use super::pump::{Parts, Pump};
use super::targets::{Targets, name_of};
use super::teller::Teller;
use super::{Ours, Plan, RecordError, needs};

mod followed;

pub use followed::begin_followed;

/// A recording that has begun. Dropping it puts everything back: the file,
/// which has no name yet, is gone; the command is killed; DAMON is as it was.
pub struct Begun {
    pub session: Option<Session>,
    pub watched: Option<Watched>,
    pub profile: Option<Profile>,
    pub pump: Pump,
}

/// DAMON is set up for it, attached to, and switched on.
pub fn begin_ours(
    plan: &Plan,
    system: &System,
    caller: Option<&Caller>,
    ours: Ours,
) -> Result<Begun, RecordError> {
    Session::check(system, ours.options)?;
    let run_as = caller.filter(|_| !ours.as_root);
    let mut params = ours.params;
    let place = plan.place(caller)?;
    let has_processes = params
        .contexts()
        .all(|(.., context)| context.ops == Ops::Vaddr)
        && !params.pids().is_empty();
    let with_children = ours.children && has_processes && params.kdamonds.len() == 1;
    if with_children && ours.command.is_none() {
        add_descendants(&mut params);
    }
    let watched = Watched::find(&mut params, ours.command.as_ref(), run_as)?;
    let profile = plan.profile(caller, &params.pids())?;
    let mut session = Session::prepare(system, &params, ours.options)?;
    let mut options = plan.tap.clone();
    options.wanted.processes = has_processes;
    let mut tap = Tap::attach(&others::kdamond_threads(system)?, &options)?;
    tell_lacking(&tap, plan, with_children);
    for pid in params.pids() {
        tap.follow(pid)?;
    }
    let mut assembler = Assembler::new(None, 1);
    let (mono_ns, wall_ns) = (clock::monotonic_ns(), clock::wall_ns());
    assembler.started(mono_ns);
    let tids = session.turn_on()?;
    tap.only(&tids)?;

    let mut kdamonds = Kdamonds::ours(system);
    let mut targets = Targets::new().map_err(RecordError::Runtime)?;
    let mut infos = Vec::new();
    for ((index, _, context), tid) in params.contexts().zip(&tids) {
        assembler.kdamond(*tid, context.fixed_intervals(), context.addr_unit);
        kdamonds.add(info_of(context, index, *tid));
        infos.extend(targets_of(context, *tid));
    }
    for info in &infos {
        targets.add(info.clone(), None, mono_ns);
    }
    let first = params.contexts().map(|(.., context)| context).next();
    let meta = Meta {
        event_format: tap.format().to_owned(),
        kdamond: match tids.as_slice() {
            [only] => Some(*only),
            _ => None,
        },
        kdamonds: kdamonds.changed().unwrap_or_default(),
        targets: infos,
        wall_ns,
        mono_ns,
        ..plan.meta(first)
    };
    let aside = plan.give_up_the_rest(system, caller, run_as.is_some() && ours.command.is_some());
    let record = Destination::begin(place, &meta)?;
    let anew = Anew::new(system, ours.options, &params, ours.places);
    let children = match tids.as_slice() {
        [tid] if with_children => Some(Children::new(params, *tid, ours.places)),
        _ => None,
    };
    let parts = Parts {
        tap,
        assembler,
        kdamonds,
        children,
        anew: Some(anew),
        outlet: Outlet::new(record, targets, plan),
        aside,
        teller: Teller::new(plan, system),
        ours: tids,
    };
    Ok(Begun {
        session: Some(session),
        watched: Some(watched),
        profile,
        pump: Pump::new(parts, plan.service, plan.max_cpu),
    })
}

/// What runs already is attached to.
pub fn begin_ongoing(
    plan: &Plan,
    system: &System,
    caller: Option<&Caller>,
    which: Which,
) -> Result<Begun, RecordError> {
    let mut kdamonds = Kdamonds::ongoing(system, which);
    let running = kdamonds.running();
    if running.is_empty() && !plan.service {
        return Err(RecordError::NothingRuns(which.to_string()));
    }
    let place = plan.place(caller)?;
    let mut options = plan.tap.clone();
    options.wanted.processes = true;
    // Whoever is not known yet is let through, and looked up.
    let mut tap = Tap::attach(&[], &options)?;
    tell_lacking(&tap, plan, false);
    let mut assembler = Assembler::new(None, 1);
    let mut targets = Targets::new().map_err(RecordError::Runtime)?;
    let (mono_ns, wall_ns) = (clock::monotonic_ns(), clock::wall_ns());
    let mut infos = Vec::new();
    for tid in running {
        let Some(newcomer) = kdamonds.admit(tid) else {
            continue;
        };
        assembler.kdamond(tid, newcomer.intervals, newcomer.addr_unit);
        infos.extend(newcomer.targets);
    }
    for info in &infos {
        targets.add(info.clone(), None, mono_ns);
        if let Some(pid) = info.pid {
            tap.follow(pid)?;
        }
    }
    let pids: Vec<u32> = infos.iter().filter_map(|info| info.pid).collect();
    let profile = plan.profile(caller, &pids)?;
    let first = kdamonds.infos().into_iter().next().unwrap_or_default();
    let meta = Meta {
        event_format: tap.format().to_owned(),
        ops: first.ops,
        intervals: first.intervals.filter(|_| !first.tuned),
        kdamonds: kdamonds.changed().unwrap_or_default(),
        targets: infos,
        wall_ns,
        mono_ns,
        ..plan.meta(None)
    };
    let aside = plan.give_up_the_rest(system, caller, false);
    let record = Destination::begin(place, &meta)?;
    let parts = Parts {
        tap,
        assembler,
        kdamonds,
        children: None,
        anew: None,
        outlet: Outlet::new(record, targets, plan),
        aside,
        teller: Teller::new(plan, system),
        ours: Vec::new(),
    };
    Ok(Begun {
        session: None,
        watched: None,
        profile,
        pump: Pump::new(parts, plan.service, plan.max_cpu),
    })
}

/// Tells what was asked for and this kernel cannot do.
fn tell_lacking(tap: &Tap, plan: &Plan, with_children: bool) {
    let lacks = |name| tap.lacks().contains(&name);
    if plan.tap.wanted.applied && lacks("damos_before_apply") {
        tell(
            "damo: --schemes_target_regions: this kernel does not tell them (it has no tracepoint damos_before_apply, which came with Linux 6.7)",
        );
    }
    if with_children && lacks("task_newtask") {
        tell("damo: children are not watched: this kernel has no tracepoint task_newtask");
    }
}

/// Adds the processes that the targets have begun already.
fn add_descendants(params: &mut Params) {
    let found = children::descendants(&params.pids());
    let context = params
        .kdamonds
        .first_mut()
        .and_then(|it| it.contexts.first_mut());
    if let Some(context) = context {
        let targets = found.into_iter().map(|pid| Target {
            pid: Some(pid),
            ..Default::default()
        });
        context.targets.extend(targets);
    }
}

/// What is known of the kdamond of this thread, by its context.
pub fn info_of(context: &Context, index: usize, tid: u32) -> KdamondInfo {
    KdamondInfo {
        tid,
        name: format!("kdamond {index}"),
        ops: Some(context.ops),
        intervals: Some(context.intervals.plain()),
        tuned: context.fixed_intervals().is_none(),
        nr_regions: Some((context.nr_regions.min, context.nr_regions.max)),
        foreign: false,
    }
}

/// A context's targets, of the kdamond of this thread.
pub fn targets_of(context: &Context, tid: u32) -> impl Iterator<Item = TargetInfo> {
    context
        .targets
        .iter()
        .zip(0..)
        .map(move |(target, target_id)| TargetInfo {
            target_id,
            pid: target.pid,
            comm: name_of(target.pid),
            kdamond: tid,
            ..TargetInfo::default()
        })
}

impl Plan {
    /// The file or folder, which has no name yet.
    pub(super) fn place(&self, caller: Option<&Caller>) -> Result<Place, RecordError> {
        let owner = caller.map(Caller::owner);
        Ok(Place::create(
            &self.out,
            self.mode,
            owner,
            self.rotation,
            self.service,
        )?)
    }

    /// Starts what makes a profile, if one is wanted.
    fn profile(
        &self,
        caller: Option<&Caller>,
        pids: &[u32],
    ) -> Result<Option<Profile>, RecordError> {
        if !self.cpu_profile {
            return Ok(None);
        }
        let owner = caller.map(Caller::owner);
        Ok(Profile::start(&self.out, self.mode, owner, pids)?)
    }

    /// Everything is attached: keeps what putting DAMON back takes, and what
    /// looking around does.
    fn give_up_the_rest(
        &self,
        system: &System,
        caller: Option<&Caller>,
        command_of_other: bool,
    ) -> Aside {
        if let Some(run) = &system.run {
            // Later it could not be made any more; without it, only the status
            // is missing.
            let _ = store::make_folder(&run.join("recorder"));
        }
        let ahead = needs::Ahead {
            out: &self.out,
            owner: caller,
            command_of_other,
            mappings: self.around.mappings,
        };
        Aside::confined(self.around, &needs::needs(system, ahead))
    }

    /// What is known of the recording beforehand.
    pub(super) fn meta(&self, context: Option<&Context>) -> Meta {
        let host = Host::here();
        Meta {
            tool: format!("damo {}", env!("CARGO_PKG_VERSION")),
            command: self.command_line.clone(),
            hostname: host.hostname,
            kernel: host.kernel,
            machine: host.machine,
            boot_id: host.boot_id,
            ops: context.map(|context| context.ops),
            intervals: context.and_then(Context::fixed_intervals),
            nr_regions: context.map(|context| (context.nr_regions.min, context.nr_regions.max)),
            filters: self.filters.typed.clone(),
            summary_ns: (self.summary).map(|every| every.as_nanos() as u64),
            ..Meta::default()
        }
    }
}
