//! The end of what an earlier damo began, in the words of its note.

use std::path::PathBuf;

use super::debugfs::Debugfs;
use super::error::ControlError;
use super::interface::{Choice, Interface, state};
use super::others::{self, Kdamond, RunningModule};
use super::ownership::{By, Lock, Note, Notes, Whose};
use super::plan::Write;
use super::save::Saved;
use super::session::Session;
use super::sysfs::insist;
use super::system::System;
use super::{Module, SavedBy};
use crate::sys::deferred::Deferred;

/// What is to be ended.
#[derive(Debug)]
pub struct Stop {
    system: System,
    lock: Option<Lock>,
    note: Option<Note>,
    /// It is ours and runs; otherwise only its parameters are left.
    runs: bool,
    /// Others', by `--force`.
    kdamonds: Vec<Kdamond>,
    modules: Vec<RunningModule>,
}

impl Stop {
    /// Finds what is to be ended: what `damo start` began; with `stale`, what a
    /// killed damo left; with `force`, everybody else's kdamonds too, and
    /// modules but for DAMON_STAT, which has a command of its own.
    ///
    /// # Errors
    /// Nothing of that kind is there; nothing was changed.
    pub fn find(system: &System, stale: bool, force: bool) -> Result<Stop, ControlError> {
        Interface::choose(system, Choice::Auto)?;
        let lock = system.lock()?;
        let note = match system.notes().as_ref().map_or(Whose::Nobodys, Notes::read) {
            Whose::Process(note) => return Err(ControlError::AnotherDamo(note.by)),
            Whose::Stale(note) if !stale => return Err(ControlError::Stale(note.left(system))),
            Whose::Nobodys => None,
            Whose::Ours(note) if stale => return Err(ControlError::NotStale(note.by)),
            Whose::Stale(note) | Whose::Ours(note) => Some(note),
        };
        let ours = match &note {
            Some(note) => note.running(system)?,
            None => Vec::new(),
        };
        let mut kdamonds = others::kdamonds(system)?;
        kdamonds.retain(|kdamond| ours.iter().all(|claim| claim.index != kdamond.index));
        let mut modules = others::modules(system)?;
        let all = modules.len();
        modules.retain(|running| running.module != Module::Stat);
        let stat = modules.len() < all;
        let nothing = note.is_none() && (!force || (kdamonds.is_empty() && modules.is_empty()));
        if nothing {
            let found = kdamonds.iter().map(ToString::to_string);
            let found = found.chain(modules.iter().map(|running| running.module.to_string()));
            return Err(ControlError::NothingOfOurs {
                stale,
                others: found.collect(),
                stat,
            });
        }
        if !force {
            kdamonds.clear();
            modules.clear();
        }

        Ok(Stop {
            system: system.clone(),
            lock,
            runs: stale || !ours.is_empty(),
            note,
            kdamonds,
            modules,
        })
    }

    /// Finds what a killed damo left that had this process's very command line: a
    /// service that is started again takes its own place.
    ///
    /// # Errors
    /// See [`Stop::find`].
    pub fn of_predecessor(system: &System) -> Result<Option<Stop>, ControlError> {
        match system.notes().as_ref().map(Notes::read) {
            Some(Whose::Stale(note)) if note.by.command == By::myself().command => {
                Stop::find(system, true, false).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The writes that this comes to at most, in their order: files that say
    /// already what they are to say are not written. What is put back through
    /// debugfs is not among them.
    pub fn plan(&self) -> Vec<(PathBuf, String)> {
        let admin = |path: String| self.system.sysfs_admin.join(path);
        let switch = |module: Module| self.system.modules.join(module.switch());
        let mut plan = Vec::new();
        if let Some(note) = &self.note {
            match &note.saved {
                SavedBy::Sysfs(_) => {
                    for claim in note.kdamonds.iter().rev() {
                        plan.push((admin(state(claim.index)), "off".to_owned()));
                    }
                }
                SavedBy::Debugfs(_) if note.kdamonds.is_empty() => {}
                SavedBy::Debugfs(_) => {
                    let debugfs = Debugfs::find(&self.system);
                    plan.extend(debugfs.map(|debugfs| {
                        let Write { path, value } = debugfs.switch("off");
                        (self.system.debugfs.join(path), value)
                    }));
                }
            }
        }
        for kdamond in &self.kdamonds {
            plan.push((admin(state(kdamond.index)), "off".to_owned()));
        }
        for running in &self.modules {
            plan.push((switch(running.module), "N".to_owned()));
        }
        if let Some(note) = &self.note {
            if let (true, SavedBy::Sysfs(saved)) = (note.staged, &note.saved) {
                let writes = Saved::writes(saved).into_iter();
                plan.extend(
                    writes.map(|(path, value)| (self.system.sysfs_admin.join(path), value)),
                );
            }
            for &index in &note.stopped {
                plan.push((admin(state(index)), "on".to_owned()));
            }
            for &module in &note.paused {
                plan.push((switch(module), "Y".to_owned()));
            }
        }
        plan
    }

    /// Ends it, and says in words what somebody may want to know.
    ///
    /// # Errors
    /// Not everything could be ended or put back; or what was ours had ended
    /// by itself, and only its parameters were put back.
    pub fn run(self) -> Result<Vec<String>, ControlError> {
        let _whole = Deferred::begin();
        let mut said = Vec::new();
        let tree = self.system.admin();
        for kdamond in &self.kdamonds {
            // It may end by itself meanwhile.
            insist(|| match tree.read(state(kdamond.index))?.as_str() {
                "on" => tree.write(state(kdamond.index), "off"),
                _ => Ok(()),
            })?;
            said.push(format!("switched somebody else's {kdamond} off"));
        }
        for running in &self.modules {
            let modules = self.system.module_tree();
            modules.write(running.module.switch(), "N")?;
            said.push(format!("switched {} off", running.module));
        }
        let Some(note) = self.note else {
            return Ok(said);
        };
        let by: By = note.by.clone();
        let mut session = Session::resume(&self.system, note, self.lock)?;
        session.restore().map_err(ControlError::NotRestored)?;
        match self.runs {
            true => Ok(said),
            false => Err(ControlError::EndedBefore(by)),
        }
    }
}
