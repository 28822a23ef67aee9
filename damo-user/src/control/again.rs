//! A DAMON of ours while it is on: which of our kdamonds are, and how those come on again
//! that are not.

use std::time::Duration;

use rustix::io::Errno;

use super::checks::check_others;
use super::error::ControlError;
use super::interface::Interface;
use super::others::{self, RunningModule};
use super::params::{Params, Scope};
use super::session::{Options, Session, is_on};
use super::sysfs::FileError;
use super::system::System;

impl Session {
    /// Whether one of our kdamonds runs, as far as that can be told without
    /// waiting: as long as somebody holds DAMON's lock, it does. It stops by
    /// itself when all targets have ended.
    ///
    /// # Errors
    /// DAMON's files cannot be read.
    pub fn is_on(&self) -> Result<bool, FileError> {
        Ok(!self.running()?.is_empty())
    }

    /// Numbers of our kdamonds that are off, as far as [`Session::is_on`] knows.
    /// Through debugfs all are, or none: it has one switch.
    ///
    /// # Errors
    /// DAMON's files cannot be read.
    pub fn off(&self) -> Result<Vec<usize>, FileError> {
        let running = self.running()?;
        let has_one_switch = matches!(self.interface, Interface::Debugfs(_));
        if has_one_switch && !running.is_empty() {
            return Ok(Vec::new());
        }
        let all = 0..self.nr_kdamonds;
        Ok(all.filter(|index| !running.contains(index)).collect())
    }

    fn running(&self) -> Result<Vec<usize>, FileError> {
        let impatient = System {
            patience: Duration::ZERO,
            ..self.system.clone()
        };
        let mut running = Vec::new();
        let Ok(interface) = Interface::of(&impatient, &self.note.saved) else {
            return Ok(running);
        };
        for claim in &self.note.kdamonds {
            match is_on(&impatient, &interface, claim) {
                Ok(false) => {}
                Err(error) if error.errno() != Some(Errno::BUSY) => return Err(error),
                Ok(true) | Err(_) => running.push(claim.index),
            }
        }
        Ok(running)
    }

    /// Remembers what the files say now, which is what we have set: so that what
    /// somebody else sets later is known for theirs.
    pub fn remember(&mut self) {
        self.ours = self.interface.save().ok();
    }

    /// We have set more: that is ours too, if ours is to be known.
    pub(super) fn remember_again(&mut self) {
        if self.ours.is_some() {
            self.remember();
        }
    }

    /// Who else uses DAMON now, in words; `None` if nobody but us does.
    ///
    /// # Errors
    /// DAMON's files cannot be read.
    pub fn who_else(&self) -> Result<Option<String>, FileError> {
        let modules = others::modules(&self.system)?;
        if let Some(RunningModule { module, .. }) = modules.first() {
            return Ok(Some(module.to_string()));
        }
        let ours = self.tids();
        let is_ours = |tid: Option<u32>| tid.is_some_and(|tid| ours.contains(&tid));
        let mut kdamonds = others::kdamonds(&self.system)?.into_iter();
        if let Some(kdamond) = kdamonds.find(|kdamond| !is_ours(kdamond.tid)) {
            return Ok(Some(kdamond.to_string()));
        }
        let threads = self.threads_of_others()?;
        Ok(threads.first().map(|tid| format!("thread {tid}")))
    }

    /// Sets those of our kdamonds up anew that have these numbers, and switches
    /// them on, in order; they are [off](Session::off). The others, if one is on,
    /// are not touched. What somebody else has set since is what will be put back
    /// in the end. Gives the new threads' ids.
    ///
    /// # Errors
    /// Somebody else uses DAMON now, or see [`Session::turn_on`]. These are off
    /// then; [`Session::restore`] is still to be called.
    pub fn turn_on_again(
        &mut self,
        which: &[usize],
        params: &Params,
    ) -> Result<Vec<u32>, ControlError> {
        let running = self.running()?;
        let goes_on = |index| running.contains(&index) && !which.contains(&index);
        self.note.kdamonds.retain(|claim| goes_on(claim.index));
        if running.is_empty() {
            check_others(&self.system, Options::default())?;
        } else if let Some(error) = self.who_is_in_the_way()? {
            return Err(error);
        }
        let now = self.interface.save()?;
        if self.ours.as_ref().is_some_and(|ours| *ours != now) {
            self.note.saved = now;
        }
        // Noted before anything is changed, as at the beginning.
        self.note.staged = true;
        self.write_note()?;
        let mut scopes = which.iter().map(|index| Scope::One(*index));
        let staged = match running.is_empty() {
            true => self.interface.stage(params, Scope::Fresh),
            false => scopes.try_for_each(|one| self.interface.stage(params, one)),
        };
        // Also what was written before it failed.
        self.remember_again();
        staged?;
        self.pids = params.pids();
        let before = self.note.kdamonds.len();
        let on = self.turn_these_on(which);
        if on.is_err() {
            // What this cannot do, `restore` tries again and tells.
            let _ = self.turn_off_down_to(before);
        }
        on
    }
}
