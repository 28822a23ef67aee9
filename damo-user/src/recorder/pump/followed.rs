//! Who is followed, and DAMON that is on while some of them live. In between, it is
//! as it was before the recording.

use std::time::Instant;

use super::super::RecordError;
use super::super::follow::Follow;
use super::{Ended, Pump, is_on};
use crate::control::{ControlError, Session};
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
            self.give_back(session)?;
        }
        let untold = self.tap.untold()?;
        let missed = untold > self.untold;
        let Some(anew) = &mut self.anew else {
            return Ok(());
        };
        let is_time_to_begin = anew.pace.is_due(Instant::now());
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
            Some(error) => self.wait_after(session, error, first),
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
        match self.give_back(session) {
            // Whoever it was may have set it up otherwise.
            Err(RecordError::NotRestored(left)) => tell(format_args!("damo: {left}")),
            ended => ended?,
        }
        if let Some(anew) = &mut self.anew {
            anew.pace.lost(Instant::now());
            anew.follow
                .iter_mut()
                .for_each(|it| it.put_back(living.iter().copied()));
        }
        Ok(None)
    }

    /// DAMON could not be begun for these: it is given back, and tried again later,
    /// if anybody is waited for.
    pub(super) fn wait_after(
        &mut self,
        session: &mut Option<Session>,
        error: ControlError,
        pids: Vec<u32>,
    ) -> Result<(), RecordError> {
        if self.follow().is_none() {
            return Err(error.into());
        }
        self.give_back(session)?;
        if let Some(anew) = &mut self.anew {
            anew.follow
                .iter_mut()
                .for_each(|it| it.put_back(pids.iter().copied()));
            anew.failed(&error);
        }
        Ok(())
    }
}
