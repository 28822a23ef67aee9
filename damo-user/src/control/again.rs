//! A DAMON of ours that somebody else has switched off, on again.

use super::checks::check_others;
use super::error::ControlError;
use super::others::{self, RunningModule};
use super::params::Params;
use super::session::{Options, Session};
use super::sysfs::FileError;

impl Session {
    /// Remembers what the files say now, which is what we have set: so that what
    /// somebody else sets later is known for theirs.
    pub fn remember(&mut self) {
        self.ours = self.interface.save().ok();
    }

    /// Who else uses DAMON now, in words; `None` if it is free. Ours are off.
    ///
    /// # Errors
    /// DAMON's files cannot be read.
    pub fn who_else(&self) -> Result<Option<String>, FileError> {
        let modules = others::modules(&self.system)?;
        if let Some(RunningModule { module, .. }) = modules.first() {
            return Ok(Some(module.to_string()));
        }
        if let Some(kdamond) = others::kdamonds(&self.system)?.first() {
            return Ok(Some(kdamond.to_string()));
        }
        let threads = others::kdamond_threads(&self.system)?;
        Ok(threads.first().map(|tid| format!("thread {tid}")))
    }

    /// Sets DAMON up anew as `params` say and switches it on, after somebody else
    /// has switched it off. What they have set since is what will be put back in
    /// the end. Gives the new threads' ids.
    ///
    /// # Errors
    /// Somebody else uses DAMON now, or see [`Session::turn_on`]. It is off then;
    /// [`Session::restore`] is still to be called.
    pub fn turn_on_again(&mut self, params: &Params) -> Result<Vec<u32>, ControlError> {
        check_others(&self.system, Options::default())?;
        let now = self.interface.save()?;
        if self.ours.as_ref().is_some_and(|ours| *ours != now) {
            self.note.saved = now;
        }
        self.note.kdamonds.clear();
        // Noted before anything is changed, as at the beginning.
        self.note.staged = true;
        self.write_note()?;
        self.interface.stage(params)?;
        self.remember();
        self.turn_on()
    }
}
