//! Who is followed, and DAMON that is begun anew for them. Each time it has
//! another kdamond, whose targets are others: whatever is keyed by its thread
//! never mixes. In between, DAMON is as it was before the recording.

use std::collections::BTreeSet;

use super::super::RecordError;
use super::super::anew::{Begun, is_race};
use super::super::begin::{info_of, targets_of};
use super::super::children::Children;
use super::super::follow::Follow;
use super::{Ended, Pump, follow, is_on};
use crate::control::{ControlError, Session};
use crate::model::Happening;
use crate::sys::clock;
use crate::sys::process::Process;
use crate::sys::tell::tell;

impl Pump {
    /// What looks for those that are followed, if any are.
    pub(super) fn follow(&self) -> Option<&Follow> {
        self.anew.as_ref()?.follow.as_ref()
    }

    /// Takes what the kernel told of processes that began.
    pub(super) fn see_beginnings(&mut self) -> Result<(), RecordError> {
        let forked = std::mem::take(&mut self.keeper.forked);
        let begun = std::mem::take(&mut self.keeper.begun);
        let follow = self.anew.as_mut().and_then(|anew| anew.follow.as_mut());
        match (follow, &mut self.children) {
            (Some(follow), _) => {
                begun.into_iter().for_each(|pid| follow.began(pid));
                for pid in forked {
                    if !follow.forked(pid) {
                        self.tap.unfollow(pid)?;
                    }
                }
            }
            (None, Some(children)) => forked.into_iter().for_each(|pid| children.forked(pid)),
            // Nobody asks for them.
            (None, None) => {
                for pid in forked {
                    self.tap.unfollow(pid)?;
                }
            }
        }
        Ok(())
    }

    /// Sees who has come, and has DAMON on only while somebody lives.
    pub(super) fn keep_up(&mut self, session: &mut Option<Session>) -> Result<(), RecordError> {
        if self.follow().is_none() {
            return Ok(());
        }
        if session.is_some() && self.keeper.outlet.targets.are_all_gone() {
            self.end_part(session)?;
        }
        let untold = self.tap.untold()?;
        let missed = untold > self.untold;
        let Some(anew) = &mut self.anew else {
            return Ok(());
        };
        let is_time_to_begin = anew.is_due();
        let Some(follow) = &mut anew.follow else {
            return Ok(());
        };
        if missed {
            follow.look_everywhere();
        }
        let is_due = follow.is_due();
        let mut unwanted = match is_due {
            true => follow.look(),
            false => Vec::new(),
        };
        let mut first = Vec::new();
        if let Some(children) = &mut self.children {
            let targets = &self.keeper.outlet.targets;
            // Of those that came before.
            if is_due && follow.take_search() {
                children.search(targets);
            }
            let (found, gone) = follow.take(&targets.pids());
            for pid in found {
                self.tap.follow(pid)?;
                children.forked(pid);
            }
            unwanted.extend(gone);
        } else {
            self.untold = untold;
            if is_time_to_begin {
                let (found, gone) = follow.take(&[]);
                first = found;
                unwanted.extend(gone);
            }
        }
        for pid in unwanted {
            self.tap.unfollow(pid)?;
        }
        if first.is_empty() {
            return Ok(());
        }
        match self.begin_anew(session, &first)? {
            None => Ok(()),
            Some(error) => self.wait_after(error, first),
        }
    }

    /// Whether somebody else has switched DAMON off. A service takes it up again
    /// after a while.
    pub(super) fn is_followed_off(
        &mut self,
        session: &mut Option<Session>,
    ) -> Result<Option<Ended>, RecordError> {
        if session.as_ref().is_none_or(is_on) {
            return Ok(None);
        }
        // It ends with its last target, which may be seen only now.
        self.drain()?;
        let targets = &self.keeper.outlet.targets;
        if targets.are_all_gone() {
            return Ok(None);
        }
        if !self.service {
            return Ok(Some(Ended::SwitchedOff));
        }
        let living = targets.pids();
        tell("damo: somebody else switched DAMON off; it is left alone for a while");
        match self.end_part(session) {
            // Whoever it was may have set it up otherwise.
            Err(RecordError::NotRestored(left)) => tell(format_args!("damo: {left}")),
            ended => ended?,
        }
        if let Some(anew) = &mut self.anew {
            anew.make_way();
            anew.follow
                .iter_mut()
                .for_each(|it| it.put_back(living.iter().copied()));
        }
        Ok(None)
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
                return Ok(self.follow().is_none());
            }
            let Some(error) = self.begin_anew(session, &pids)? else {
                return Ok(false);
            };
            if self.follow().is_some() || !is_race(&error) {
                return self.wait_after(error, pids).map(|()| false);
            }
        }
    }

    /// DAMON could not be begun for these: it is tried again later, if anybody is
    /// waited for.
    fn wait_after(&mut self, error: ControlError, pids: Vec<u32>) -> Result<(), RecordError> {
        let Some(anew) = &mut self.anew else {
            return Err(error.into());
        };
        let Some(follow) = &mut anew.follow else {
            return Err(error.into());
        };
        follow.put_back(pids);
        anew.failed(&error);
        Ok(())
    }

    /// Has DAMON watch these, with a kdamond that is another. Gives why it cannot
    /// be done now; all is as it was then.
    fn begin_anew(
        &mut self,
        session: &mut Option<Session>,
        pids: &[u32],
    ) -> Result<Option<ControlError>, RecordError> {
        self.end_part(session)?;
        let Some(anew) = &mut self.anew else {
            return Ok(None);
        };
        let mono_ns = clock::monotonic_ns();
        self.keeper.assembler.started(mono_ns);
        let begun = match anew.begin(&mut self.tap, pids)? {
            Ok(begun) => begun,
            Err(error) => return Ok(Some(error)),
        };
        let Begun {
            session: on,
            params,
            tid,
        } = begun;
        let on = session.insert(on);
        self.ours = vec![tid];
        if self.revival.is_some() {
            // Of what the files say now, this is ours.
            on.remember();
        }
        let mut followed: BTreeSet<u32> = params.pids().into_iter().collect();
        followed.extend(anew.follow.iter().flat_map(Follow::pending));
        // Of those that are gone, and that nobody could tell of, nothing is kept.
        self.tap.follow_only(&followed)?;
        let outlet = &mut self.keeper.outlet;
        outlet.happened(mono_ns, tid, None, Happening::Began, 0);
        for (index, _, context) in params.contexts() {
            let intervals = context.fixed_intervals();
            self.keeper
                .assembler
                .kdamond(tid, intervals, context.addr_unit);
            self.keeper.kdamonds.add(info_of(context, index, tid));
            for target in targets_of(context, tid) {
                follow(&mut self.tap, &target)?;
                outlet.add_target(target);
            }
        }
        self.children = Some(Children::new(params, tid, anew.places));
        Ok(None)
    }

    /// Switches DAMON off and puts it back; those that wait go on waiting.
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
        match session.take() {
            Some(mut off) => Ok(off.restore()?),
            None => Ok(()),
        }
    }
}
