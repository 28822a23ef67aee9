//! DAMON's modules: DAMON_RECLAIM, DAMON_LRU_SORT and DAMON_STAT.
//!
//! Each has a folder of parameters below `/sys/module`, and wants to be the only
//! user of DAMON while it is enabled. Inputs that are written while it runs count
//! only after a commit. Before 7.2 a commit is a flag that the kdamond takes when
//! it gets to it, and bad inputs end the module; hence everything is checked first.

mod error;
mod owned;
mod rules;
mod table;
pub mod value;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::io::Errno;

pub use error::ModuleError;
pub use owned::{Notes, Thread};
pub use rules::{Broken, Values};
pub use table::{Param, Role, Unit, Version};
pub use value::ValueError;

use super::others::{self, Module, RunningModule};
use super::sysfs::{FileError, Tree, retry};
use super::system::System;
use crate::sys::host::Host;
use crate::sys::process::Stat;

/// The longest that a commit is waited for.
const COMMIT_MOST: Duration = Duration::from_secs(60);

/// An input and its new value, in the kernel's unit; checked to exist.
#[derive(Clone, Copy, Debug)]
pub struct Assignment {
    /// Which.
    pub param: &'static Param,
    /// The value; booleans are 0 and 1.
    pub value: u64,
}

/// Whether a module runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its switch reads on.
    pub enabled: bool,
    /// Its kdamond; `None` if there is none, or the kernel does not tell.
    pub kdamond: Option<Thread>,
    /// Enabled, and yet its kdamond is known to have ended (6.16 to 6.19).
    pub ended: bool,
    /// Enabled, and it was damo that did so.
    pub ours: bool,
}

/// A module of the kernel, to look at and to change.
#[derive(Clone, Debug)]
pub struct Control {
    module: Module,
    system: System,
    notes: Notes,
}

impl Control {
    /// A module of the running kernel.
    ///
    /// # Errors
    /// [`ModuleError::NoModule`].
    pub fn live(module: Module) -> Result<Control, ModuleError> {
        let dir = PathBuf::from("/run/damo/modules");
        let notes = Notes::new(dir, Host::here().boot_id);
        Control::new(module, System::live(), notes)
    }

    /// A module of another kernel.
    ///
    /// # Errors
    /// [`ModuleError::NoModule`].
    pub fn new(module: Module, system: System, notes: Notes) -> Result<Control, ModuleError> {
        let control = Control {
            module,
            system,
            notes,
        };
        match control.tree().exists("enabled") {
            true => Ok(control),
            false => Err(ModuleError::NoModule { module }),
        }
    }

    /// Which it is.
    pub fn module(&self) -> Module {
        self.module
    }

    /// Its parameters' files.
    fn tree(&self) -> Tree {
        let root = self.system.modules.join(self.module.name());
        let files = self.system.files.clone();
        Tree::new(files, root.join("parameters"), self.system.patience)
    }

    /// One of its parameters, if this kernel has it.
    ///
    /// # Errors
    /// No kernel has it, or only later ones.
    pub fn param(&self, name: &str) -> Result<&'static Param, ModuleError> {
        let module = self.module;
        let param = module.param(name).ok_or_else(|| ModuleError::NoParameter {
            module,
            name: name.to_owned(),
        })?;
        match self.tree().exists(param.name) {
            true => Ok(param),
            false => Err(ModuleError::NotHere {
                module,
                name: param.name,
                since: param.since,
            }),
        }
    }

    /// Its parameters that this kernel has, in the table's order.
    pub fn params(&self) -> impl Iterator<Item = &'static Param> {
        let tree = self.tree();
        self.module
            .params()
            .iter()
            .filter(move |param| tree.exists(param.name))
    }

    /// Parameters of this kernel that the table does not know.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn unknown_params(&self) -> Result<Vec<String>, ModuleError> {
        let entries = self.tree().list("")?.into_iter();
        Ok(entries
            .map(|entry| entry.name)
            .filter(|name| self.module.param(name).is_none())
            .collect())
    }

    /// A parameter's value, as the kernel spells it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self, name: &str) -> Result<String, ModuleError> {
        Ok(self.tree().read(name)?)
    }

    /// Whether it runs.
    ///
    /// # Errors
    /// The switch cannot be read.
    pub fn running(&self) -> Result<Running, ModuleError> {
        let tree = self.tree();
        let enabled = tree.read_bool("enabled")?;
        let tid = match enabled && tree.exists("kdamond_pid") {
            true => others::tid(&tree, "kdamond_pid")?,
            false => None,
        };
        let kdamond = tid.and_then(|tid| self.thread(tid));
        Ok(Running {
            enabled,
            kdamond,
            ended: tid.is_some() && kdamond.is_none(),
            ours: enabled && self.notes.ours(self.module, kdamond),
        })
    }

    /// A kdamond of this id, if there is one.
    fn thread(&self, tid: u32) -> Option<Thread> {
        let text = self.system.proc_tree().read(format!("{tid}/stat")).ok()?;
        let stat = Stat::parse(&text)?;
        (stat.kernel_thread && stat.comm.starts_with("kdamond.")).then_some(Thread {
            tid,
            start_ticks: stat.start_ticks,
        })
    }

    fn described(&self, running: &Running) -> RunningModule {
        RunningModule {
            module: self.module,
            tid: running.kdamond.map(|thread| thread.tid),
        }
    }

    /// Understands inputs as typed.
    ///
    /// # Errors
    /// Not an input of this kernel's module, or not a value.
    pub fn parse<'a>(
        &self,
        typed: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Vec<Assignment>, ModuleError> {
        let module = self.module;
        let mut assignments: Vec<Assignment> = Vec::new();
        for (name, text) in typed {
            let param = self.param(name)?;
            let name = param.name;
            match param.role {
                Role::Control => return Err(ModuleError::UseCommand { module, name }),
                Role::Statistic => return Err(ModuleError::ReadOnly { module, name }),
                Role::Input => {}
            }
            if assignments.iter().any(|other| other.param.name == name) {
                return Err(ModuleError::Twice { module, name });
            }
            let value = value::parse(param.unit, text).map_err(|source| ModuleError::Value {
                module,
                name,
                source,
            })?;
            assignments.push(Assignment { param, value });
        }
        Ok(assignments)
    }

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

    /// Refuses what may not be changed.
    fn may_change(&self, force: bool) -> Result<Running, ModuleError> {
        if !self.system.is_root {
            return Err(ModuleError::NotRoot);
        }
        let running = self.running()?;
        if running.enabled && !running.ours && !force {
            return Err(ModuleError::NotOurs(self.described(&running)));
        }
        Ok(running)
    }

    /// Writes inputs, all or none. If the module runs, they count only after a
    /// commit. Returns whether it runs.
    ///
    /// # Errors
    /// See [`ModuleError`]; nothing was changed.
    pub fn set(&self, new: &[Assignment], force: bool) -> Result<bool, ModuleError> {
        let running = self.may_change(force)?;
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
        let running = self.running()?;
        if running.enabled && !running.ended {
            return Err(ModuleError::Runs(self.described(&running)));
        }
        if let Some(by) = self.user()? {
            let module = self.module;
            return Err(ModuleError::InUse { module, by });
        }
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
        let before = self.may_change(force)?;
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
        let before = self.may_change(force)?;
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
