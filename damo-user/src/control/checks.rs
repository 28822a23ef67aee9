//! Whether DAMON may be used now, and what would have to make way.

use super::debugfs::Debugfs;
use super::error::ControlError;
use super::others::{self, Module};
use super::ownership::{Lock, Notes, Whose};
use super::session::{Options, Session};
use super::system::System;

/// Others that are to be switched off meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InTheWay {
    pub kdamonds: Vec<usize>,
    pub modules: Vec<Module>,
}

pub fn check_processes(system: &System, pids: &[u32]) -> Result<(), ControlError> {
    let proc = system.proc_tree();
    match pids.iter().find(|&&pid| !proc.exists(pid.to_string())) {
        Some(&pid) => Err(ControlError::NoProcess(pid)),
        None => Ok(()),
    }
}

/// Refuses if another damo uses DAMON, or left it in use.
pub fn check_note(system: &System, notes: Option<&Notes>) -> Result<(), ControlError> {
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
pub fn put_back_ended(
    system: &System,
    notes: Option<&Notes>,
    lock: Option<Lock>,
) -> Result<Option<Lock>, ControlError> {
    match notes.map(Notes::read) {
        Some(Whose::Ours(note)) => {
            let mut ended = Session::resume(system, note, lock)?;
            ended.restore().map_err(ControlError::Ended)?;
            Ok(ended.lock.take())
        }
        _ => Ok(lock),
    }
}

/// Refuses if anybody else is on who may not be switched off meanwhile.
pub fn check_others(system: &System, options: Options) -> Result<InTheWay, ControlError> {
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
