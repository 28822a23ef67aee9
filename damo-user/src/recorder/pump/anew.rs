//! DAMON of our own, switched on again while the recording goes on: by one way, for
//! whatever reason. Each time it has another kdamond: whatever is keyed by its thread
//! never mixes.

use std::collections::BTreeSet;
use std::time::Instant;

use super::super::RecordError;
use super::super::anew::{Anew, STAND_IN, is_race};
use super::super::children::Children;
use super::super::follow::Follow;
use super::super::keeper::Keeper;
use super::Pump;
use crate::control::params::Params;
use crate::control::{ControlError, Session};
use crate::model::Ops;
use crate::sys::clock;
use crate::sys::process::Process;
use crate::sys::tell::tell;

impl Pump {
    /// Switches on those of our kdamonds that have these numbers. Their targets are
    /// those that they had, if these are known, or else those of `params`. Gives why
    /// it cannot be done now.
    fn switch_on(
        &mut self,
        session: &mut Option<Session>,
        which: &[usize],
        params: &Params,
    ) -> Result<Option<ControlError>, RecordError> {
        let Some(anew) = &mut self.anew else {
            return Ok(None);
        };
        let begun_ns = clock::monotonic_ns();
        let recorded = self.keeper.kdamonds.tids();
        let tids = match anew.switch_on(session, &mut self.tap, which, params, &recorded)? {
            Ok(tids) => tids,
            Err(error) => return Ok(Some(error)),
        };
        self.keeper.assembler.started(begun_ns);
        let contexts = params.contexts();
        let begun = contexts.filter(|(index, ..)| which.contains(index));
        for ((index, _, context), tid) in begun.zip(tids) {
            let before = self.ours.insert(index, tid);
            self.keeper.began((index, context), before, tid, begun_ns);
        }
        Ok(None)
    }

    /// Once a second, of a service: switches on again what somebody else has switched
    /// off, all of our DAMON or some of our kdamonds, if nobody else uses DAMON.
    pub(super) fn revive(&mut self, session: &mut Option<Session>) -> Result<(), RecordError> {
        let (Some(anew), Some(ours)) = (&self.anew, session.as_ref()) else {
            return Ok(());
        };
        // Whoever follows processes gives DAMON back, and begins anew.
        if !self.service || anew.follow.is_some() {
            return Ok(());
        }
        let off = self.switched_off(ours);
        if off.is_empty() {
            return Ok(());
        }
        let what = self.name_of(&off);
        let Some(anew) = &mut self.anew else {
            return Ok(());
        };
        let now = Instant::now();
        if anew.pace.lost(now) {
            tell(format_args!("damo: somebody else has switched off {what}"));
        }
        // Asking who else is there takes longer than anything else here.
        if !anew.pace.is_due(now) {
            return Ok(());
        }
        match ours.who_else() {
            Ok(None) => {}
            Ok(Some(who)) => {
                anew.pace.tell(format!("waiting until {who} is off"));
                return Ok(());
            }
            // Somebody holds DAMON's lock.
            Err(_) => return Ok(()),
        }
        let params = self.params_for_the_living();
        match self.switch_on(session, &off, &params)? {
            None => tell(format_args!("damo: on again: {what}")),
            Some(error) => self.anew.iter_mut().for_each(|it| it.failed(&error)),
        }
        if let (Some(children), Some(tid)) = (&mut self.children, self.ours.get(&0)) {
            children.move_to(*tid);
        }
        Ok(())
    }

    /// Numbers of our kdamonds that are off, with their ends written down, though
    /// there is something for them to watch.
    fn switched_off(&self, session: &Session) -> Vec<usize> {
        let children = self.children.as_ref();
        let nobody_waits = children.is_none_or(Children::are_none_waiting);
        let Keeper {
            kdamonds, outlet, ..
        } = &self.keeper;
        let is_over = |tid: &u32| {
            let is_recorded = kdamonds.takes(*tid) == Some(true);
            is_recorded || (nobody_waits && outlet.targets.are_gone_of(*tid))
        };
        // What cannot be asked for now runs: it is asked again soon.
        let mut off = session.off().unwrap_or_default();
        off.retain(|index| !self.ours.get(index).is_some_and(is_over));
        off
    }

    /// These of our kdamonds, in words.
    fn name_of(&self, which: &[usize]) -> String {
        if which.len() == self.ours.len() {
            return "DAMON".to_owned();
        }
        let numbers: Vec<String> = which.iter().map(|it| format!("kdamond {it}")).collect();
        numbers.join(", ")
    }

    /// With what our DAMON was on last; but processes that are gone only keep their
    /// places: DAMON refuses to look for them.
    fn params_for_the_living(&self) -> Params {
        let children = self.children.as_ref().map(Children::params);
        let params = children.or(self.anew.as_ref().map(Anew::params));
        let mut params = params.cloned().unwrap_or_default();
        let living = self.keeper.outlet.targets.pids();
        let kdamonds = params.kdamonds.iter_mut();
        let contexts = kdamonds.flat_map(|kdamond| &mut kdamond.contexts);
        for context in contexts.filter(|context| context.ops != Ops::Paddr) {
            for target in &mut context.targets {
                if target.pid.is_some_and(|pid| !living.contains(&pid)) {
                    target.pid = Some(STAND_IN);
                }
            }
        }
        params
    }

    /// Begins anew with the targets that live and those that are to come: no
    /// place of a target is ever used again by a kdamond. Gives whether nobody is
    /// left, and nobody waited for.
    pub(super) fn begin_anew_with_all(
        &mut self,
        session: &mut Option<Session>,
    ) -> Result<bool, RecordError> {
        let mut pids = self.keeper.outlet.targets.pids();
        let waiting = self.children.as_mut().map(Children::take_waiting);
        pids.extend(waiting.into_iter().flatten());
        loop {
            pids.retain(|pid| Process::find(*pid).is_ok());
            if pids.is_empty() {
                if self.follow().is_none() {
                    return Ok(true);
                }
                return self.give_back(session).map(|()| false);
            }
            let Some(error) = self.begin_anew(session, &pids)? else {
                return Ok(false);
            };
            if self.follow().is_some() || !is_race(&error) {
                return self.wait_after(session, error, pids).map(|()| false);
            }
        }
    }

    /// Has DAMON watch these, with a kdamond that is another. Gives why it cannot
    /// be done now; it is off then.
    pub(super) fn begin_anew(
        &mut self,
        session: &mut Option<Session>,
        pids: &[u32],
    ) -> Result<Option<ControlError>, RecordError> {
        self.end_part(session)?;
        let Some(params) = self.anew.as_ref().map(|anew| anew.with(pids)) else {
            return Ok(None);
        };
        if let Some(error) = self.switch_on(session, &[0], &params)? {
            return Ok(Some(error));
        }
        let mut followed: BTreeSet<u32> = params.pids().into_iter().collect();
        followed.extend(self.follow().into_iter().flat_map(Follow::pending));
        // Of those that are gone, and that nobody could tell of, nothing is kept.
        self.tap.follow_only(&followed)?;
        if let (Some(anew), Some(tid)) = (&self.anew, self.ours.get(&0)) {
            self.children = Some(Children::new(params, *tid, anew.places));
        }
        Ok(None)
    }

    /// Switches DAMON off, and forgets its targets; those that wait go on waiting.
    fn end_part(&mut self, session: &mut Option<Session>) -> Result<(), RecordError> {
        if let Some(on) = session {
            // What this cannot do, `restore` tries again and tells.
            let _ = on.turn_off();
        }
        // Everything that the kdamond said, before it is forgotten.
        self.drain()?;
        let now = clock::monotonic_ns();
        for tid in self.keeper.kdamonds.tids() {
            self.part_from(tid, now)?;
        }
        self.keeper.outlet.forget_all();
        let children = self.children.take();
        let waiting = children.map(|mut it| it.take_waiting());
        if let Some(follow) = self.anew.as_mut().and_then(|it| it.follow.as_mut()) {
            follow.put_back(waiting.into_iter().flatten());
        }
        Ok(())
    }

    /// Switches DAMON off, and puts it back.
    pub(super) fn give_back(&mut self, session: &mut Option<Session>) -> Result<(), RecordError> {
        self.end_part(session)?;
        match session.take() {
            Some(mut off) => Ok(off.restore()?),
            None => Ok(()),
        }
    }
}
