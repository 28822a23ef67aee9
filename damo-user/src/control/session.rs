//! DAMON in our hands for a while: checked, saved, set up, on, off, put back.
//!
//! Only `on` and `off` are ever written to a kdamond's `state` here. Every other
//! command to a kdamond that has stopped by itself, which it does when its
//! targets end, can BUG some kernels with DAMON's lock held.

use std::time::Duration;

use rustix::io::Errno;

use super::debugfs::{Debugfs, OffError};
use super::error::{ControlError, Leftover, NotRestored};
use super::interface::{self, Choice, Interface};
use super::others::{self, Module, Thread};
use super::ownership::{Claim, Lock, Note, NoteError, Notes, Whose};
use super::params::Params;
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

/// Others that are to be switched off meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct InTheWay {
    kdamonds: Vec<usize>,
    modules: Vec<Module>,
}

/// DAMON set up as [`Params`] say, and the way back, which is also written down:
/// see [`super::ownership`].
///
/// Calls block for up to [`System::patience`] when DAMON's lock is held.
/// Dropping it restores too; an error is then printed, in one line.
#[derive(Debug)]
pub struct Session {
    system: System,
    interface: Interface,
    pids: Vec<u32>,
    /// How many kdamonds there are to switch on.
    nr_kdamonds: usize,
    note: Note,
    notes: Option<Notes>,
    /// Nothing is to be undone when this is dropped: it was reported, or it is
    /// to stay.
    settled: bool,
    _lock: Option<Lock>,
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
            _lock: lock,
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
            _lock: lock,
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
        self.interface.stage(params)
    }

    fn write_note(&self) -> Result<(), NoteError> {
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
        let claim = |index| Claim {
            index,
            thread: None,
        };
        self.note.kdamonds = (0..self.nr_kdamonds).map(claim).collect();
        self.write_note()?;
        let mut tids = Vec::new();
        for index in 0..self.nr_kdamonds {
            // What comes after one that fails was not touched.
            if let Err(error) = self.turn_one_on(index) {
                self.note.kdamonds.truncate(index);
                return Err(error);
            }
            match self.see(index) {
                Ok(tid) => tids.push(tid),
                Err(error) => {
                    self.note.kdamonds.truncate(index + 1);
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

    /// Looks at the thread of a kdamond that was switched on.
    fn see(&mut self, index: usize) -> Result<u32, ControlError> {
        let tid = self.interface.tid(index)?;
        let tid = tid.ok_or(ControlError::EndedAtOnce)?;
        if let Some(claim) = self.note.kdamonds.get_mut(index) {
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
                let mut threads = others::kdamond_threads(&self.system)?;
                threads.retain(|tid| !self.tids().contains(tid));
                Ok(ControlError::InUse { threads })
            }
            Some(Errno::INVAL) => {
                check_processes(&self.system, &self.pids)?;
                Ok(ControlError::Refused)
            }
            Some(Errno::NOMEM) => Ok(ControlError::NoMemory),
            _ => Ok(error.into()),
        }
    }

    fn who_is_in_the_way(&self) -> Result<Option<ControlError>, FileError> {
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
        while let Some(&claim) = self.note.kdamonds.last() {
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

    /// Whether one of our kdamonds runs, as far as that can be told without
    /// waiting: as long as somebody holds DAMON's lock, it does. It stops by
    /// itself when all targets have ended.
    ///
    /// # Errors
    /// DAMON's files cannot be read.
    pub fn is_on(&self) -> Result<bool, FileError> {
        let impatient = System {
            patience: Duration::ZERO,
            ..self.system.clone()
        };
        let Ok(interface) = Interface::of(&impatient, &self.note.saved) else {
            return Ok(false);
        };
        for claim in &self.note.kdamonds {
            match is_on(&impatient, &interface, claim) {
                Ok(false) => {}
                Err(error) if error.errno() != Some(Errno::BUSY) => return Err(error),
                Ok(true) | Err(_) => return Ok(true),
            }
        }
        Ok(false)
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

    /// Switches our kdamonds off, puts DAMON's parameters back, and switches on
    /// again what was switched off for it. What failed can be tried again by
    /// another call; when everything is back, this does nothing.
    ///
    /// # Errors
    /// What could not be put back, all of it.
    pub fn restore(&mut self) -> Result<(), NotRestored> {
        let mut left = Vec::new();
        if let Err(error) = self.turn_off() {
            left.push(Leftover::StillOn(error));
        }
        if self.note.staged && self.note.kdamonds.is_empty() {
            match self.restore_parameters() {
                Ok(()) => self.note.staged = false,
                Err(leftover) => {
                    self.note.staged = !leftover.is_final();
                    left.push(leftover);
                }
            }
        }
        if !self.note.staged && !self.note.stopped.is_empty() {
            // What comes on now must not be taken for somebody in the way.
            let _ = self.write_note();
            let resume = |&index: &usize| self.resume_kdamond(index);
            let failed: Vec<usize> = keep_failing(&self.note.stopped, resume, &mut left);
            self.note.stopped = failed;
        }
        // Tried even so: what is on may have ended by itself meanwhile.
        let resume = |&module: &Module| self.resume_module(module);
        let failed = keep_failing(&self.note.paused, resume, &mut left);
        self.note.paused = failed;
        let done = !self.note.staged
            && self.note.kdamonds.is_empty()
            && self.note.stopped.is_empty()
            && self.note.paused.is_empty();
        if let Some(notes) = &self.notes {
            // What is left is still written down.
            let noted = match done {
                true => notes.remove(),
                false => notes.write(&self.note),
            };
            left.extend(noted.err().map(Leftover::Note));
        }
        self.settled = !left.is_empty();
        match left.is_empty() {
            true => Ok(()),
            false => Err(NotRestored(left)),
        }
    }

    fn restore_parameters(&self) -> Result<(), Leftover> {
        // Every count would be refused, after waiting for a lock that is free.
        let running = insist(|| others::kdamonds(&self.system));
        if let Some(kdamond) = running.ok().and_then(|all| all.into_iter().next()) {
            return Err(Leftover::TakenOver(Box::new(kdamond)));
        }
        self.interface.restore(&self.note.saved)
    }

    fn resume_kdamond(&self, index: usize) -> Result<(), Leftover> {
        let tree = self.system.admin();
        let on = || match tree.read(interface::state(index))?.as_str() {
            "on" => Ok(()),
            _ => tree.write(interface::state(index), "on"),
        };
        insist(on).map_err(|error| Leftover::KdamondOff { index, error })
    }

    fn resume_module(&self, module: Module) -> Result<(), Leftover> {
        let modules = self.system.module_tree();
        let switch = module.switch();
        modules
            .insist(&switch, "Y")
            .map_err(|error| Leftover::ModuleOff { module, error })?;
        // A failed start is not always reported, but it always reads N.
        match insist(|| modules.read_bool(&switch)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Leftover::ModuleNotOn(module)),
            Err(error) => Err(Leftover::ModuleOff { module, error }),
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

/// Does `work` to all, and returns those that fail and are to be tried again.
fn keep_failing<T: Copy>(
    all: &[T],
    work: impl Fn(&T) -> Result<(), Leftover>,
    left: &mut Vec<Leftover>,
) -> Vec<T> {
    let mut failed = Vec::new();
    for one in all {
        if let Err(leftover) = work(one) {
            if !leftover.is_final() {
                failed.push(*one);
            }
            left.push(leftover);
        }
    }
    failed
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

fn check_processes(system: &System, pids: &[u32]) -> Result<(), ControlError> {
    let proc = system.proc_tree();
    match pids.iter().find(|&&pid| !proc.exists(pid.to_string())) {
        Some(&pid) => Err(ControlError::NoProcess(pid)),
        None => Ok(()),
    }
}

/// Refuses if another damo uses DAMON, or left it in use.
fn check_note(system: &System, notes: Option<&Notes>) -> Result<(), ControlError> {
    match notes.map(Notes::read) {
        None | Some(Whose::Nobodys) => Ok(()),
        Some(Whose::Process(note)) => Err(ControlError::AnotherDamo(note.by)),
        Some(Whose::Stale(note)) => Err(ControlError::Stale(note.left(system))),
        Some(Whose::Ours(note)) => match note.running(system)?.first() {
            Some(claim) => Err(ControlError::OursRuns {
                index: claim.index,
                by: note.by,
            }),
            None => Ok(()),
        },
    }
}

/// Puts back what was before an earlier `damo start`, whose kdamonds have all
/// ended: that, and not what it has set, is what is to come back at the end.
fn put_back_ended(
    system: &System,
    notes: Option<&Notes>,
    lock: Option<Lock>,
) -> Result<Option<Lock>, ControlError> {
    match notes.map(Notes::read) {
        Some(Whose::Ours(note)) => {
            let mut ended = Session::resume(system, note, lock)?;
            ended.restore().map_err(ControlError::Ended)?;
            Ok(ended._lock.take())
        }
        _ => Ok(lock),
    }
}

/// Refuses if anybody else is on who may not be switched off meanwhile.
fn check_others(system: &System, options: Options) -> Result<InTheWay, ControlError> {
    let mut found = InTheWay::default();
    for kdamond in others::kdamonds(system)? {
        if !options.force {
            return Err(ControlError::KdamondRuns(Box::new(kdamond)));
        }
        found.kdamonds.push(kdamond.index);
    }
    for running in others::modules(system)? {
        let may_stop = match running.module {
            Module::Stat => options.pause_damon_stat,
            Module::Reclaim | Module::LruSort => options.force,
        };
        if !may_stop {
            return Err(ControlError::ModuleRuns(running));
        }
        found.modules.push(running.module);
    }
    if found == InTheWay::default()
        && let Some(debugfs) = Debugfs::find(system)
        && debugfs.is_on()?
    {
        let threads = others::kdamond_threads(system)?;
        return Err(ControlError::DebugfsRuns { threads });
    }
    Ok(found)
}
