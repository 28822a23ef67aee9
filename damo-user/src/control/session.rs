//! DAMON in our hands for a while: checked, saved, set up, on, off, put back.
//!
//! Only `on` and `off` are ever written to a kdamond's `state` here. Every other
//! command to a kdamond that has stopped by itself, which it does when its
//! targets end, can BUG some kernels with DAMON's lock held.

use rustix::io::Errno;

use super::checks::{check_note, check_others, check_processes, put_back_ended};
use super::debugfs::OffError;
use super::error::ControlError;
use super::interface::{self, Choice, Interface, SavedBy};
use super::others::{self, Thread};
use super::ownership::{Claim, Lock, Note, NoteError, Notes};
use super::params::{Params, Scope};
use super::sysfs::{FileError, insist, retry};
use super::system::System;

/// What [`Session::prepare`] may do to others' use of DAMON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// DAMON_STAT, if it is on, may be switched off meanwhile.
    pub pause_damon_stat: bool,
    /// Others' kdamonds, DAMON_RECLAIM and DAMON_LRU_SORT may be switched off
    /// meanwhile.
    pub force: bool,
    /// Which of DAMON's interfaces is used.
    pub interface: Choice,
}

/// DAMON set up as [`Params`] say, and the way back, which is also written down:
/// see [`super::ownership`].
///
/// Calls block for up to [`System::patience`] when DAMON's lock is held.
/// Dropping it restores too; an error is then printed, in one line.
#[derive(Debug)]
pub struct Session {
    pub(super) system: System,
    pub(super) interface: Interface,
    pub(super) pids: Vec<u32>,
    /// How many kdamonds are ours.
    pub(super) nr_kdamonds: usize,
    pub(super) note: Note,
    pub(super) notes: Option<Notes>,
    /// Nothing is to be undone when this is dropped: it was reported, or it is
    /// to stay.
    pub(super) settled: bool,
    /// What the files say by us, if that is to be known.
    pub(super) ours: Option<SavedBy>,
    pub(super) lock: Option<Lock>,
}

impl Session {
    /// Checks that DAMON can be used, saves what is set, and sets what `params`
    /// say. Nothing is on afterwards.
    ///
    /// # Errors
    /// See [`ControlError`]; everything is as it was then, unless it says so.
    pub fn prepare(
        system: &System,
        params: &Params,
        options: Options,
    ) -> Result<Session, ControlError> {
        let interface = Interface::choose(system, options.interface)?;
        params.validate()?;
        let pids = params.pids();
        check_processes(system, &pids)?;
        let lock = system.lock()?;
        let notes = system.notes();
        check_note(system, notes.as_ref())?;
        let lock = put_back_ended(system, notes.as_ref(), lock)?;
        // Only now: a module may have come back.
        let others = check_others(system, options)?;
        interface.check(params)?;

        let mut note = Note::begin(&system.boot_id, interface.save()?);
        note.stopped = others.kdamonds;
        note.paused = others.modules;
        let mut session = Session {
            system: system.clone(),
            interface,
            pids,
            nr_kdamonds: params.kdamonds.len(),
            note,
            notes,
            settled: false,
            ours: None,
            lock,
        };
        if let Err(error) = session.begin() {
            // Nothing is changed without a note, so there is nothing to undo.
            session.settled = true;
            return Err(error.into());
        }
        match session.set_up(params) {
            Ok(()) => Ok(session),
            Err(error) => Err(session.undo_after(error)),
        }
    }

    /// Takes up what was written down, to [`Session::restore`] it.
    ///
    /// # Errors
    /// The interface that was used is not there.
    pub fn resume(
        system: &System,
        note: Note,
        lock: Option<Lock>,
    ) -> Result<Session, ControlError> {
        Ok(Session {
            system: system.clone(),
            interface: Interface::of(system, &note.saved)?,
            pids: Vec::new(),
            nr_kdamonds: 0,
            note,
            notes: system.notes(),
            settled: false,
            ours: None,
            lock,
        })
    }

    /// Checks, changing nothing, whether DAMON can be used at all: the rights,
    /// the interface, and that nobody else uses it.
    ///
    /// # Errors
    /// Why not.
    pub fn check(system: &System, options: Options) -> Result<(), ControlError> {
        Interface::choose(system, options.interface)?;
        // Another damo that is about to end is not to be taken for what it leaves.
        let _lock = system.lock()?;
        check_note(system, system.notes().as_ref())?;
        check_others(system, options).map(drop)
    }

    /// Notes what is to come: a write that fails may have had its effect, and we
    /// may be killed after any of them.
    fn begin(&mut self) -> Result<(), NoteError> {
        self.note.staged = self.note.stopped.is_empty();
        self.write_note()
    }

    fn set_up(&mut self, params: &Params) -> Result<(), ControlError> {
        for index in self.note.stopped.clone() {
            self.system.admin().write(interface::state(index), "off")?;
        }
        for module in self.note.paused.clone() {
            self.system.module_tree().write(module.switch(), "N")?;
        }
        if !self.note.staged {
            self.note.staged = true;
            self.write_note()?;
        }
        self.interface.stage(params, Scope::Fresh)
    }

    pub(super) fn write_note(&self) -> Result<(), NoteError> {
        match &self.notes {
            Some(notes) => notes.write(&self.note),
            None => Ok(()),
        }
    }

    /// Restores because of `error`, which then also says what is left.
    fn undo_after(&mut self, error: ControlError) -> ControlError {
        match self.restore() {
            Ok(()) => error,
            Err(left) => ControlError::AndLeft {
                error: Box::new(error),
                left,
            },
        }
    }

    /// Switches DAMON on and returns the thread ids of our kdamonds, in order.
    /// Events may come before this returns.
    ///
    /// # Errors
    /// DAMON did not start; [`Session::restore`] is still to be called.
    /// [`ControlError::EndedAtOnce`]: it started, and its targets were gone.
    pub fn turn_on(&mut self) -> Result<Vec<u32>, ControlError> {
        self.note.kdamonds.clear();
        let all: Vec<usize> = (0..self.nr_kdamonds).collect();
        self.turn_these_on(&all)
    }

    /// Switches on those of these numbers, which are off and none of our claims.
    pub(super) fn turn_these_on(&mut self, which: &[usize]) -> Result<Vec<u32>, ControlError> {
        let claim = |&index: &usize| Claim {
            index,
            thread: None,
        };
        let before = self.note.kdamonds.len();
        self.note.kdamonds.extend(which.iter().map(claim));
        self.write_note()?;
        let mut tids = Vec::new();
        for (place, &index) in (before..).zip(which) {
            // What comes after one that fails was not touched.
            if let Err(error) = self.turn_one_on(index) {
                self.note.kdamonds.truncate(place);
                return Err(error);
            }
            match self.see(place, index) {
                Ok(tid) => tids.push(tid),
                Err(error) => {
                    self.note.kdamonds.truncate(place + 1);
                    return Err(error);
                }
            }
        }
        self.write_note()?;
        Ok(tids)
    }

    fn turn_one_on(&self, index: usize) -> Result<(), ControlError> {
        let busy = |error: &FileError| error.errno() == Some(Errno::BUSY);
        let lock_may_be_held = |error: &FileError| {
            // A module or another kdamond is not going to make way.
            busy(error) && matches!(self.who_is_in_the_way(), Ok(None))
        };
        let result = retry(
            self.system.patience,
            || self.interface.switch_on(index),
            lock_may_be_held,
        );
        match result {
            Ok(()) => Ok(()),
            Err(error) => Err(self.why_not_on(error)?),
        }
    }

    /// Looks at the thread of a kdamond that was switched on, for our claim at `place`.
    fn see(&mut self, place: usize, index: usize) -> Result<u32, ControlError> {
        let tid = self.interface.tid(index)?;
        let tid = tid.ok_or(ControlError::EndedAtOnce)?;
        if let Some(claim) = self.note.kdamonds.get_mut(place) {
            // In another pid namespace, threads cannot be looked at.
            let unseen = Thread {
                tid,
                start_ticks: 0,
            };
            claim.thread = Some(Thread::find(&self.system, tid).unwrap_or(unseen));
        }
        Ok(tid)
    }

    fn why_not_on(&self, error: FileError) -> Result<ControlError, ControlError> {
        match error.errno() {
            Some(Errno::BUSY) => {
                if let Some(reason) = self.who_is_in_the_way()? {
                    return Ok(reason);
                }
                Ok(ControlError::InUse {
                    threads: self.threads_of_others()?,
                })
            }
            Some(Errno::INVAL) => {
                check_processes(&self.system, &self.pids)?;
                Ok(ControlError::Refused)
            }
            Some(Errno::NOMEM) => Ok(ControlError::NoMemory),
            _ => Ok(error.into()),
        }
    }

    pub(super) fn threads_of_others(&self) -> Result<Vec<u32>, FileError> {
        let mut threads = others::kdamond_threads(&self.system)?;
        threads.retain(|tid| !self.tids().contains(tid));
        Ok(threads)
    }

    pub(super) fn who_is_in_the_way(&self) -> Result<Option<ControlError>, FileError> {
        if let Some(&module) = others::modules(&self.system)?.first() {
            return Ok(Some(ControlError::ModuleRuns(module)));
        }
        let ours = self.tids();
        let kdamond = others::kdamonds(&self.system)?
            .into_iter()
            .find(|kdamond| kdamond.tid.is_none_or(|tid| !ours.contains(&tid)));
        Ok(kdamond.map(|kdamond| ControlError::KdamondRuns(Box::new(kdamond))))
    }

    /// Switches our kdamonds off that are still on; the parameters stay.
    ///
    /// # Errors
    /// DAMON's files cannot be read or written.
    pub fn turn_off(&mut self) -> Result<(), OffError> {
        self.turn_off_down_to(0)
    }

    /// Switches off what we claimed last, until so many claims are left.
    pub(super) fn turn_off_down_to(&mut self, left: usize) -> Result<(), OffError> {
        while self.note.kdamonds.len() > left
            && let Some(&claim) = self.note.kdamonds.last()
        {
            insist(|| {
                if !is_on(&self.system, &self.interface, &claim)? {
                    return Ok(Ok(()));
                }
                // It may have ended by itself since: EPERM or EINVAL, by kernel.
                // The next try sees that.
                match self.interface.switch_off(claim.index) {
                    Err(OffError::File(error)) => Err(error),
                    result => Ok(result),
                }
            })??;
            self.note.kdamonds.pop();
        }
        Ok(())
    }

    /// Thread ids of our kdamonds that were seen on.
    pub fn tids(&self) -> Vec<u32> {
        let threads = self.note.kdamonds.iter().filter_map(|claim| claim.thread);
        threads.map(|thread| thread.tid).collect()
    }

    /// Leaves everything as it is now, for `damo stop` to undo.
    ///
    /// # Errors
    /// That cannot be written down; everything is put back then.
    pub fn leave(mut self) -> Result<(), ControlError> {
        self.note.stays = true;
        match self.write_note() {
            Ok(()) => {
                self.settled = true;
                Ok(())
            }
            Err(error) => Err(self.undo_after(error.into())),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        if let Err(left) = self.restore() {
            // Nobody is left to return it to. A closed stderr must not panic.
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "damo: {left}");
        }
    }
}

/// Whether the kdamond that is on is the one that we started: somebody may have
/// started another after ours ended.
pub(super) fn is_on(
    system: &System,
    interface: &Interface,
    claim: &Claim,
) -> Result<bool, FileError> {
    if !interface.is_on(claim.index)? {
        return Ok(false);
    }
    let Some(ours) = claim.thread else {
        return Ok(true);
    };
    let tid = interface.tid(claim.index)?;
    // A thread that cannot be looked at is taken for ours by its id.
    Ok(tid == Some(ours.tid) && Thread::find(system, ours.tid).is_none_or(|now| now == ours))
}
