//! The way back of a [`Session`].

use super::error::{Leftover, NotRestored};
use super::interface;
use super::others::{self, Module};
use super::session::Session;
use super::sysfs::insist;

impl Session {
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
