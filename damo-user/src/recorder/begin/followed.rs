//! A recording of processes that come and go: DAMON is switched on with the
//! first of them, which may be long after its beginning.

use super::super::aside::Aside;
use super::super::follow::{Follow, Followed};
use super::*;
use crate::control::Interface;

/// Everything is attached, and nothing is on. `anew` says how it will be.
pub fn begin_followed(
    plan: &Plan,
    system: &System,
    caller: Option<&Caller>,
    ours: Ours,
    who: Followed,
) -> Result<Begun, RecordError> {
    if let Interface::Debugfs(_) = Interface::choose(system, ours.options.interface)? {
        return Err(RecordError::FollowDebugfs);
    }
    Session::check(system, ours.options)?;
    let anew = Anew::new(system, ours.options, &ours.params, ours.places);
    let place = plan.place(caller)?;
    // What this kernel cannot do is said now, and not when somebody comes.
    let watching_nobody = anew.with(&[STAND_IN]);
    Session::prepare(system, &watching_nobody, ours.options)?.restore()?;
    let mut options = plan.tap.clone();
    options.wanted.processes = true;
    options.wanted.name = who.name().map(str::to_owned);
    let mut tap = Tap::attach(&others::kdamond_threads(system)?, &options)?;
    tap.only(&[])?;
    tell_lacking(&tap, plan, ours.children);
    tell(format_args!("damo: recording {who}, whenever there is one"));
    // Of a kernel that does not tell of programs, /proc is looked through.
    let is_told = !tap.lacks().contains(&"sched_process_exec");
    let (mono_ns, wall_ns) = (clock::monotonic_ns(), clock::wall_ns());
    let meta = Meta {
        event_format: tap.format().to_owned(),
        wall_ns,
        mono_ns,
        ..plan.meta(anew.context())
    };
    let targets = Targets::new().map_err(RecordError::Runtime)?;
    let aside: Aside = plan.give_up_the_rest(system, caller, false);
    let record = Destination::begin(place, &meta)?;
    let follow = Follow::new(who, ours.children, is_told);
    let parts = Parts {
        tap,
        assembler: Assembler::new(None, 1),
        kdamonds: Kdamonds::ours(system),
        children: None,
        anew: Some(anew.following(follow)),
        ours: Vec::new(),
        outlet: Outlet::new(record, targets, plan),
        aside,
        teller: Teller::new(plan, system),
    };
    Ok(Begun {
        session: None,
        watched: None,
        profile: None,
        pump: Pump::new(parts, plan.service, plan.max_cpu),
    })
}
