//! Why a module was not changed.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::rules::Broken;
use super::table::Version;
use super::value::ValueError;
use crate::control::others::{Module, RunningModule};
use crate::control::ownership::LockError;
use crate::control::sysfs::FileError;

/// Why a module was not read or changed. When one of these is returned, its
/// parameters are as they were, but for [`ModuleError::AndLeft`].
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// Not root.
    #[error("DAMON's modules can be changed by root only; run it with sudo")]
    NotRoot,
    /// The kernel does not have it.
    #[error(
        "this kernel has no {module} (/sys/module/{} is not there); boot a kernel of version {} or later that is built with {}",
        module.name(), module.since(), module.config()
    )]
    NoModule {
        /// Which.
        module: Module,
    },
    /// No kernel that is known has it.
    #[error("{module} has no parameter '{name}'; it has {}", names(*.module))]
    NoParameter {
        /// Whose.
        module: Module,
        /// What was typed.
        name: String,
    },
    /// A later kernel has it.
    #[error("{module} has no parameter {name} on this kernel; it is there since Linux {since}")]
    NotHere {
        /// Whose.
        module: Module,
        /// Which.
        name: &'static str,
        /// The first kernel that has it.
        since: Version,
    },
    /// The kernel writes it.
    #[error("{module}'s {name} is the kernel's to write; only `read` and `status` use it")]
    ReadOnly {
        /// Whose.
        module: Module,
        /// Which.
        name: &'static str,
    },
    /// It has a command of its own.
    #[error("{name} is not set: use `damo module {} {}`", module.short_name(), command(.name))]
    UseCommand {
        /// Whose.
        module: Module,
        /// Which.
        name: &'static str,
    },
    /// Not a value.
    #[error("{module}'s {name}: {source}")]
    Value {
        /// Whose.
        module: Module,
        /// Which.
        name: &'static str,
        /// Why.
        source: ValueError,
    },
    /// Given twice.
    #[error("{module}'s {name} is given twice; which one is meant?")]
    Twice {
        /// Whose.
        module: Module,
        /// Which.
        name: &'static str,
    },
    /// DAMON would refuse the values, or die of them.
    #[error("{module} would not take {broken}; nothing was changed")]
    Rule {
        /// Whose.
        module: Module,
        /// What is wrong.
        broken: Broken,
    },
    /// Somebody else enabled it.
    #[error(
        "{}, and damo did not enable it; it was left alone; add --force to change it nevertheless",
        runs(.0)
    )]
    NotOurs(RunningModule),
    /// To be enabled, and is.
    #[error(
        "{} already; `damo module {short} set ...` and `damo module {short} commit` change it",
        runs(.0), short = .0.module.short_name()
    )]
    Runs(RunningModule),
    /// Nothing to commit to.
    #[error("{_0} does not run, so there is nothing to commit; `damo module {} enable` starts it with the values that are set", _0.short_name())]
    Off(Module),
    /// It has no inputs.
    #[error("{0} takes no parameters, so there is nothing to commit")]
    NoInputs(Module),
    /// Somebody else uses DAMON.
    #[error("{module} was not enabled: it wants to be the only user of DAMON, and {by}")]
    InUse {
        /// Which.
        module: Module,
        /// Who, as a sentence with what to do.
        by: String,
    },
    /// The kernel took the switch, and it reads off.
    #[error(
        "{module} was enabled, but does not run: the kernel refused its parameters; `damo module {} status` shows them",
        module.short_name()
    )]
    NotOn {
        /// Which.
        module: Module,
    },
    /// It still runs.
    #[error("{} although it was disabled; try again", runs(.0))]
    NotOff(RunningModule),
    /// EINVAL to a commit.
    #[error(
        "{module} refused the parameters (EINVAL) and runs on with its former ones; `damo module {} status` shows what is set",
        module.short_name()
    )]
    Refused {
        /// Which.
        module: Module,
    },
    /// A commit ended the module.
    #[error(
        "{module} switched itself off: this kernel does so when it cannot use the parameters; correct them and enable it again"
    )]
    SwitchedOff {
        /// Which.
        module: Module,
    },
    /// The kernel has not taken the parameters yet.
    #[error(
        "{module} has not read its parameters for {:.1} s; it will when its kdamond wakes up, and `damo module {} read commit_inputs` then says N",
        waited.as_secs_f64(), module.short_name()
    )]
    Pending {
        /// Which.
        module: Module,
        /// How long was waited.
        waited: Duration,
    },
    /// Another damo is at it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file of the kernel's.
    #[error(transparent)]
    File(#[from] FileError),
    /// That it is ours could not be written down or read.
    #[error("cannot use {}, where damo notes what it has enabled: {source}", path.display())]
    Note {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// As the first, and then former values could not be put back.
    #[error("{error}; and {} could not be put back", .left.join(", "))]
    AndLeft {
        /// What went wrong.
        error: Box<ModuleError>,
        /// Parameters with the values that they had.
        left: Vec<String>,
    },
}

fn names(module: Module) -> String {
    let names: Vec<&str> = module.params().iter().map(|param| param.name).collect();
    names.join(", ")
}

fn command(name: &str) -> &'static str {
    match name {
        "enabled" => "enable` or `disable",
        _ => "commit",
    }
}

fn runs(running: &RunningModule) -> String {
    let module = running.module;
    match running.tid {
        Some(tid) => format!("{module} runs (thread {tid})"),
        None => format!("{module} runs"),
    }
}
