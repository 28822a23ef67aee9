//! DAMON in our hands for a while: checked, saved, set up, on, off, put back.
//!
//! Only `on` and `off` are ever written to a kdamond's `state`. Every other
//! command to a kdamond that has stopped by itself, which it does when its
//! targets end, can BUG some kernels with DAMON's lock held.

use std::time::Duration;

use super::error::{ControlError, Leftover, NotRestored};
use super::others::{self, Module};
use super::plan::{Write, plan};
use super::save::Saved;
use super::spec::Spec;
use super::sysfs::{FileError, Tree, insist, retry};
use super::system::System;
use rustix::io::Errno;

const STATE: &str = "kdamonds/0/state";
const PID: &str = "kdamonds/0/pid";

/// What [`Session::prepare`] may do beyond DAMON's sysfs files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// DAMON_STAT, if it is on, may be switched off meanwhile.
    pub pause_damon_stat: bool,
}

/// DAMON set up as a [`Spec`] says, and the way back.
///
/// Calls block for up to [`System::patience`] when DAMON's lock is held.
/// Dropping it restores too; an error is then printed, in one line.
#[derive(Debug)]
pub struct Session {
    system: System,
    pids: Vec<u32>,
    saved: Saved,
    undo: Undo,
}

/// What is to be undone, in reverse order.
#[derive(Debug, Default)]
struct Undo {
    stat_paused: bool,
    staged: bool,
    /// `on` was written with success, and `off` not yet.
    switched_on: bool,
    /// Our kdamond's thread, once seen.
    tid: Option<u32>,
    /// A failed restore has been reported.
    reported: bool,
}

impl Session {
    /// Checks that DAMON can be used, saves what is set, and sets what `spec`
    /// says. Nothing is on afterwards.
    ///
    /// # Errors
    /// See [`ControlError`]; everything is as it was then, unless it says so.
    pub fn prepare(
        system: &System,
        spec: &Spec,
        options: Options,
    ) -> Result<Session, ControlError> {
        let tree = system.damon()?;
        spec.validate()?;
        let pids: Vec<u32> = spec
            .targets
            .iter()
            .filter_map(|target| target.pid)
            .collect();
        check_processes(system, &pids)?;
        let pause_stat = check_others(system, options)?;

        let mut session = Session {
            system: system.clone(),
            pids,
            saved: Saved::read(&tree)?,
            undo: Undo::default(),
        };
        match session.set_up(&tree, spec, pause_stat) {
            Ok(()) => Ok(session),
            Err(error) => Err(session.undo_after(error)),
        }
    }

    /// Checks, changing nothing, whether DAMON can be used at all: the rights,
    /// the interface, and that nobody else uses it. Returns whether DAMON_STAT
    /// runs and is to be paused.
    ///
    /// # Errors
    /// Why not.
    pub fn check(system: &System, options: Options) -> Result<bool, ControlError> {
        system.damon()?;
        check_others(system, options)
    }

    fn set_up(&mut self, tree: &Tree, spec: &Spec, pause_stat: bool) -> Result<(), ControlError> {
        if pause_stat {
            // Noted first: a write that fails may have had its effect.
            self.undo.stat_paused = true;
            self.system
                .module_tree()
                .write(Module::Stat.switch(), "N")?;
        }
        self.undo.staged = true;
        let writes = plan(spec);
        for Write { path, value } in &writes {
            tree.write(path, value)?;
        }
        let available = "kdamonds/0/contexts/0/avail_operations";
        if tree.exists(available) {
            let available = tree.read(available)?;
            if !available
                .split_whitespace()
                .any(|ops| ops == spec.ops.keyword())
            {
                let available = available.split_whitespace().collect::<Vec<_>>().join(", ");
                return Err(ControlError::NoOps {
                    ops: spec.ops,
                    available,
                });
            }
        }
        for Write { path, value } in &writes {
            let found = tree.read(path)?;
            if found != *value {
                return Err(ControlError::Overwritten {
                    path: path.clone(),
                    written: value.clone(),
                    found,
                });
            }
        }
        Ok(())
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

    /// Switches DAMON on and returns the thread id of its kdamond. Events may
    /// come before this returns.
    ///
    /// # Errors
    /// DAMON did not start; [`Session::restore`] is still to be called.
    /// [`ControlError::EndedAtOnce`]: it started, and its targets were gone.
    pub fn turn_on(&mut self) -> Result<u32, ControlError> {
        let tree = self.system.admin();
        let busy = |error: &FileError| error.errno() == Some(Errno::BUSY);
        let lock_may_be_held = |error: &FileError| {
            // A module or another kdamond is not going to make way.
            busy(error) && matches!(self.who_is_in_the_way(), Ok(None))
        };
        let result = retry(
            tree.patience(),
            || tree.write_once(STATE, "on"),
            lock_may_be_held,
        );
        if let Err(error) = result {
            return Err(self.why_not_on(error)?);
        }
        self.undo.switched_on = true;
        self.undo.tid = others::tid(&tree, PID)?;
        self.undo.tid.ok_or(ControlError::EndedAtOnce)
    }

    fn why_not_on(&self, error: FileError) -> Result<ControlError, ControlError> {
        match error.errno() {
            Some(Errno::BUSY) => {
                if let Some(reason) = self.who_is_in_the_way()? {
                    return Ok(reason);
                }
                let threads = others::kdamond_threads(&self.system)?;
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
        let kdamond = others::kdamonds(&self.system)?.into_iter().next();
        Ok(kdamond.map(|kdamond| ControlError::KdamondRuns(Box::new(kdamond))))
    }

    /// Switches our kdamond off, if it is still on; the parameters stay.
    ///
    /// # Errors
    /// DAMON's files cannot be read or written.
    pub fn turn_off(&mut self) -> Result<(), FileError> {
        if !self.undo.switched_on {
            return Ok(());
        }
        let tree = self.system.admin();
        insist(|| {
            if !self.ours_is_on(&tree)? {
                return Ok(());
            }
            // It may have ended by itself since: EPERM or EINVAL, by kernel. The
            // next try sees that.
            tree.write(STATE, "off")
        })?;
        self.undo.switched_on = false;
        Ok(())
    }

    /// Whether our kdamond runs, as far as that can be told without waiting: as
    /// long as somebody holds DAMON's lock, it does. It stops by itself when all
    /// targets have ended.
    ///
    /// # Errors
    /// DAMON's files cannot be read.
    pub fn is_on(&self) -> Result<bool, FileError> {
        let impatient = System {
            patience: Duration::ZERO,
            ..self.system.clone()
        };
        match self.ours_is_on(&impatient.admin()) {
            Err(error) if error.errno() == Some(Errno::BUSY) => Ok(self.undo.switched_on),
            on => Ok(self.undo.switched_on && on?),
        }
    }

    /// Thread id of our kdamond, once it was on.
    pub fn tid(&self) -> Option<u32> {
        self.undo.tid
    }

    /// The parameters as they were before.
    pub fn saved(&self) -> &Saved {
        &self.saved
    }

    /// Switches our kdamond off, puts DAMON's parameters back, and switches
    /// DAMON_STAT on again if it was paused. What failed can be tried again by
    /// another call; when everything is back, this does nothing.
    ///
    /// # Errors
    /// What could not be put back, all of it.
    pub fn restore(&mut self) -> Result<(), NotRestored> {
        let mut left = Vec::new();
        let tree = self.system.admin();
        if let Err(error) = self.turn_off() {
            left.push(Leftover::StillOn(error));
        }
        if self.undo.staged && !self.undo.switched_on {
            match self.restore_parameters(&tree) {
                Ok(()) => self.undo.staged = false,
                Err(leftover) => left.push(leftover),
            }
        }
        // Tried even so: what is on may have ended by itself meanwhile.
        if self.undo.stat_paused {
            match self.resume_stat() {
                Ok(()) => self.undo.stat_paused = false,
                Err(leftover) => left.push(leftover),
            }
        }
        self.undo.reported = !left.is_empty();
        if left.is_empty() {
            Ok(())
        } else {
            Err(NotRestored(left))
        }
    }

    /// Whether the kdamond that is on is the one that we started: somebody may
    /// have started another after ours ended.
    fn ours_is_on(&self, tree: &Tree) -> Result<bool, FileError> {
        if !tree.exists(STATE) || tree.read(STATE)? != "on" {
            return Ok(false);
        }
        let tid = others::tid(tree, PID)?;
        Ok(self.undo.tid.is_none_or(|ours| tid == Some(ours)))
    }

    fn restore_parameters(&self, tree: &Tree) -> Result<(), Leftover> {
        // Every count would be refused, after waiting for a lock that is free.
        let running = insist(|| others::kdamonds(&self.system));
        if let Some(kdamond) = running.ok().and_then(|all| all.into_iter().next()) {
            return Err(Leftover::TakenOver(Box::new(kdamond)));
        }
        Ok(self.saved.restore(tree)?)
    }

    fn resume_stat(&self) -> Result<(), Leftover> {
        let modules = self.system.module_tree();
        let switch = Module::Stat.switch();
        modules.insist(&switch, "Y").map_err(Leftover::StatOff)?;
        // A failed start is not always reported, but it always reads N.
        match insist(|| modules.read_bool(&switch)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Leftover::StatNotOn),
            Err(error) => Err(Leftover::StatOff(error)),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.undo.reported {
            return;
        }
        if let Err(left) = self.restore() {
            // Nobody is left to return it to. A closed stderr must not panic.
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "damo: {left}");
        }
    }
}

fn check_processes(system: &System, pids: &[u32]) -> Result<(), ControlError> {
    let proc = system.proc_tree();
    match pids.iter().find(|&&pid| !proc.exists(pid.to_string())) {
        Some(&pid) => Err(ControlError::NoProcess(pid)),
        None => Ok(()),
    }
}

/// Refuses if anybody else is on; returns whether DAMON_STAT is to be paused.
fn check_others(system: &System, options: Options) -> Result<bool, ControlError> {
    if let Some(kdamond) = others::kdamonds(system)?.into_iter().next() {
        return Err(ControlError::KdamondRuns(Box::new(kdamond)));
    }
    let mut pause_stat = false;
    for running in others::modules(system)? {
        if running.module == Module::Stat && options.pause_damon_stat {
            pause_stat = true;
        } else {
            return Err(ControlError::ModuleRuns(running));
        }
    }
    Ok(pause_stat)
}
