//! Changing a module: all of what is asked for, or nothing.

use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::{Assignment, Control, ModuleError, Role, Running, Values, value};
use crate::control::others;
use crate::control::ownership::Lock;
use crate::control::sysfs::{FileError, retry};
use crate::sys::deferred::Deferred;

/// The longest that a commit is waited for.
const COMMIT_MOST: Duration = Duration::from_secs(60);

impl Control {
    /// Checks the values that are set together with those that are to be.
    fn check(&self, new: &[Assignment]) -> Result<(), ModuleError> {
        let mut values = Values::default();
        for param in self.params().filter(|param| param.role == Role::Input) {
            if let Some(value) = value::from_kernel(param.unit, &self.read(param.name)?) {
                values.0.insert(param.name, value);
            }
        }
        values
            .0
            .extend(new.iter().map(|new| (new.param.name, new.value)));
        values.check().map_err(|broken| ModuleError::Rule {
            module: self.module,
            broken,
        })
    }

    /// Refuses what may not be changed; another damo waits while the lock is kept.
    fn may_change(&self, force: bool) -> Result<(Running, Option<Lock>), ModuleError> {
        if !self.system.is_root {
            return Err(ModuleError::NotRoot);
        }
        let lock = self.system.lock()?;
        let running = self.running()?;
        if running.enabled && !running.ours && !force {
            return Err(ModuleError::NotOurs(self.described(&running)));
        }
        Ok((running, lock))
    }

    /// Writes inputs, all or none. If the module runs, they count only after a
    /// commit. Returns whether it runs.
    ///
    /// # Errors
    /// See [`ModuleError`]; nothing was changed.
    pub fn set(&self, new: &[Assignment], force: bool) -> Result<bool, ModuleError> {
        let (running, _lock) = self.may_change(force)?;
        let _whole = Deferred::begin();
        self.check(new)?;
        self.write(new)?;
        Ok(running.enabled)
    }

    /// Writes values and returns the former ones; puts those back if one fails.
    fn write(&self, new: &[Assignment]) -> Result<Vec<(&'static str, String)>, ModuleError> {
        let tree = self.tree();
        let mut former = Vec::new();
        for Assignment { param, value } in new {
            let result = tree.read(param.name).and_then(|old| {
                tree.write(param.name, &value::kernel_text(param.unit, *value))?;
                Ok(old)
            });
            match result {
                Ok(old) => former.push((param.name, old)),
                Err(error) => return Err(self.undo(error.into(), &former)),
            }
        }
        Ok(former)
    }

    /// Puts values back because of `error`.
    fn undo(&self, error: ModuleError, former: &[(&'static str, String)]) -> ModuleError {
        let tree = self.tree();
        let left: Vec<String> = former
            .iter()
            .filter(|(name, value)| tree.insist(name, value).is_err())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if left.is_empty() {
            return error;
        }
        let error = Box::new(error);
        ModuleError::AndLeft { error, left }
    }

    /// Sets inputs and enables the module.
    ///
    /// # Errors
    /// See [`ModuleError`]; nothing was changed, and it does not run.
    pub fn enable(&self, new: &[Assignment]) -> Result<Running, ModuleError> {
        if !self.system.is_root {
            return Err(ModuleError::NotRoot);
        }
        let _lock = self.system.lock()?;
        let running = self.running()?;
        if running.enabled && !running.ended {
            return Err(ModuleError::Runs(self.described(&running)));
        }
        if let Some(by) = self.user()? {
            let module = self.module;
            return Err(ModuleError::InUse { module, by });
        }
        let _whole = Deferred::begin();
        self.check(new)?;
        let former = self.write(new)?;
        let enabled = self.turn_on(&running);
        if enabled.is_err() {
            // What failed counts more than a note that nobody reads any more.
            let _ = self.notes.remove(self.module);
        }
        enabled.map_err(|error| self.undo(error, &former))
    }

    fn turn_on(&self, before: &Running) -> Result<Running, ModuleError> {
        let module = self.module;
        let tree = self.tree();
        if before.ended {
            // The kernel takes no Y while it believes that the module runs.
            tree.write_once("enabled", "N")?;
        }
        // Noted first: a module that runs must never be without its owner.
        self.notes.write(module, None)?;
        match tree.write_once("enabled", "Y") {
            Err(error) if error.errno() == Some(Errno::BUSY) => {
                let by = self.user()?.unwrap_or_else(|| {
                    "somebody uses it who cannot be seen (EBUSY); try again".to_owned()
                });
                return Err(ModuleError::InUse { module, by });
            }
            Err(error) if error.errno() == Some(Errno::INVAL) => {
                return Err(ModuleError::NotOn { module });
            }
            other => other?,
        }
        let running = self.running()?;
        if !running.enabled || running.ended {
            return Err(ModuleError::NotOn { module });
        }
        // If that fails the first note holds.
        let _ = self.notes.write(module, running.kdamond);
        Ok(Running {
            ours: true,
            ..running
        })
    }

    /// Who uses DAMON now, other than this module, and what to do about it.
    fn user(&self) -> Result<Option<String>, ModuleError> {
        for running in others::modules(&self.system)? {
            if running.module != self.module {
                let module = running.module;
                let short = module.short_name();
                let thread = match running.tid {
                    Some(tid) => format!(" (thread {tid})"),
                    None => String::new(),
                };
                return Ok(Some(format!(
                    "{module} runs{thread}; `damo module {short} disable` ends it, with --force if damo did not enable it"
                )));
            }
        }
        if let Some(kdamond) = others::kdamonds(&self.system)?.first() {
            return Ok(Some(format!(
                "{kdamond} of the sysfs interface is on; end what started it, or `damo stop` if damo did"
            )));
        }
        let threads = others::kdamond_threads(&self.system)?;
        Ok(threads.first().map(|tid| {
            format!("the kdamond thread {tid} runs, which belongs to nothing that can be seen (the debugfs interface?); end that use")
        }))
    }

    /// Disables the module. Returns whether it was enabled.
    ///
    /// # Errors
    /// See [`ModuleError`]; it is as it was.
    pub fn disable(&self, force: bool) -> Result<bool, ModuleError> {
        let (before, _lock) = self.may_change(force)?;
        let _whole = Deferred::begin();
        if before.enabled {
            self.tree().write("enabled", "N")?;
            let after = self.running()?;
            if after.enabled {
                return Err(ModuleError::NotOff(self.described(&after)));
            }
        }
        self.notes.remove(self.module)?;
        Ok(before.enabled)
    }

    /// Sets inputs and makes the running module take all of them.
    ///
    /// # Errors
    /// See [`ModuleError`]. [`ModuleError::SwitchedOff`]: the module has ended;
    /// [`ModuleError::Pending`]: the values stay set. Else all is as it was.
    pub fn commit(&self, new: &[Assignment], force: bool) -> Result<(), ModuleError> {
        let module = self.module;
        if module.param("commit_inputs").is_none() {
            return Err(ModuleError::NoInputs(module));
        }
        self.param("commit_inputs")?;
        let (before, _lock) = self.may_change(force)?;
        let _whole = Deferred::begin();
        if !before.enabled {
            return Err(ModuleError::Off(module));
        }
        if before.ended {
            return Err(ModuleError::SwitchedOff { module });
        }
        self.check(new)?;
        let patience = self.commit_patience()?;
        let former = self.write(new)?;
        if let Err(error) = self.tree().write("commit_inputs", "Y") {
            let error = match error.errno() {
                Some(Errno::INVAL) => ModuleError::Refused { module },
                _ => error.into(),
            };
            return Err(self.undo(error, &former));
        }
        // On 7.2 and later it reads N at once.
        let begun = Instant::now();
        let taken = retry(
            patience,
            || match self.tree().read_bool("commit_inputs") {
                Ok(false) => Ok(()),
                Ok(true) if !self.runs() => Ok(()),
                Ok(true) => Err(None),
                Err(error) => Err(Some(error)),
            },
            Option::is_none,
        );
        match taken {
            Err(Some(error)) => return Err(error.into()),
            Err(None) => {
                let waited = begun.elapsed();
                return Err(ModuleError::Pending { module, waited });
            }
            Ok(()) => {}
        }
        // The flag is cleared before the inputs are judged, and a kdamond that
        // is to end takes until its next wake-up.
        match self.ends_within(self.interval("sample_interval")?.saturating_mul(2)) {
            false => Ok(()),
            true => {
                self.notes.remove(module)?;
                Err(ModuleError::SwitchedOff { module })
            }
        }
    }

    fn runs(&self) -> bool {
        self.running()
            .is_ok_and(|running| running.enabled && !running.ended)
    }

    /// Watches for a while whether it ends.
    fn ends_within(&self, time: Duration) -> bool {
        let time = time
            .max(Duration::from_millis(20))
            .min(self.system.patience);
        let still = || match self.runs() {
            true => Err(()),
            false => Ok(()),
        };
        retry(time, still, |()| true).is_ok()
    }

    fn interval(&self, name: &str) -> Result<Duration, FileError> {
        self.tree().read_number(name).map(Duration::from_micros)
    }

    /// The longest of its kdamond's sleeps, and then some.
    fn commit_patience(&self) -> Result<Duration, FileError> {
        let mut longest = Duration::ZERO;
        for name in ["sample_interval", "aggr_interval", "wmarks_interval"] {
            longest = longest.max(self.interval(name)?);
        }
        Ok(longest
            .saturating_add(self.system.patience)
            .min(COMMIT_MOST))
    }
}
