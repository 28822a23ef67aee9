//! DAMON's modules: DAMON_RECLAIM, DAMON_LRU_SORT and DAMON_STAT.
//!
//! Each has a folder of parameters below `/sys/module`, and wants to be the only
//! user of DAMON while it is enabled. Inputs that are written while it runs count
//! only after a commit. Before 7.2 a commit is a flag that the kdamond takes when
//! it gets to it, and bad inputs end the module; hence everything is checked first.

mod change;
mod error;
mod owned;
mod rules;
mod table;
pub mod value;

use std::path::Path;

pub use super::others::Thread;
pub use error::ModuleError;
pub use owned::Notes;
pub use rules::{Broken, Values};
pub use table::{Param, Role, Unit, Version};
pub use value::ValueError;

use super::others::{self, Module, RunningModule};
use super::sysfs::Tree;
use super::system::{RUN, System};
use crate::sys::host::Host;

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
        let dir = Path::new(RUN).join("modules");
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
        let kdamond = tid.and_then(|tid| Thread::find(&self.system, tid));
        Ok(Running {
            enabled,
            kdamond,
            ended: tid.is_some() && kdamond.is_none(),
            ours: enabled && self.notes.ours(self.module, kdamond),
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
}
