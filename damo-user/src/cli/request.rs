//! What `record`, `schemes` and `start` have in common: what to watch, how, and
//! what may be done to others.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;

use super::params::Deduced;
use super::target::{Deduction, TargetArgs};
use super::{Outcome, UsageError};
use crate::control::params::Params;
use crate::control::{Choice, Interface, Options, Session, System, Write as FileWrite};
use crate::model::{Ops, printable};
use crate::recorder::Followed;
use crate::sys::command_line::CommandLine;
use crate::sys::tell::tell;
use crate::watch::Watched;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct RequestArgs {
    #[command(flatten)]
    pub what: TargetArgs,

    /// Run the command as root, not as the user who called sudo
    #[arg(long = "as-root")]
    pub as_root: bool,

    /// Switch DAMON_STAT off meanwhile: it lets nobody else use DAMON
    #[arg(long = "pause-damon-stat")]
    pause_damon_stat: bool,

    /// Switch others' kdamonds, DAMON_RECLAIM and DAMON_LRU_SORT off meanwhile
    #[arg(long)]
    force: bool,

    /// Which of DAMON's interfaces to use: sysfs where it is, else debugfs
    /// (Linux 5.15 to 6.13)
    #[arg(long, value_enum, default_value = "auto", hide_short_help = true)]
    interface: InterfaceArg,

    /// Print what would be written, and write nothing
    #[arg(long = "dry-run")]
    pub dry_run: bool,
}

/// DAMON's interfaces, as typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum InterfaceArg {
    Auto,
    Sysfs,
    Debugfs,
}

impl From<InterfaceArg> for Choice {
    fn from(typed: InterfaceArg) -> Choice {
        match typed {
            InterfaceArg::Auto => Choice::Auto,
            InterfaceArg::Sysfs => Choice::Sysfs,
            InterfaceArg::Debugfs => Choice::Debugfs,
        }
    }
}

/// What was asked for.
#[derive(Debug)]
pub struct Request {
    /// With [`Watched::stand_in`] for the command's pid.
    pub params: Params,
    /// What to start.
    pub command: Option<CommandLine>,
    /// What may be done to others.
    pub options: Options,
    /// Who is watched, whenever they come: `params` have one target for all.
    pub follow: Option<Followed>,
}

impl RequestArgs {
    /// Whether what runs already is meant (`ongoing`), and which of sysfs's
    /// kdamonds (`--kdamond N`, where no parameters follow that would be of a
    /// new one).
    ///
    /// # Errors
    /// It is meant, and parameters were typed that would change it.
    pub fn ongoing(&self) -> Result<Option<Option<usize>>, UsageError> {
        let words = self.what.words();
        let (is_named, rest) = match words.split_first() {
            Some((first, rest)) if first == "ongoing" => (true, rest),
            _ => (false, words.as_slice()),
        };
        let index = match rest {
            [word] => word.to_str().and_then(|word| word.parse().ok()),
            _ => None,
        };
        if self.what.params.is_only("kdamond") && index.is_some() {
            return Ok(Some(index));
        }
        match is_named && (!rest.is_empty() || !self.what.params.is_empty()) {
            true => Err(UsageError(
                "ongoing: records DAMON as it runs; leave the rest out, or change it with damo tune"
                    .to_owned(),
            )),
            false => Ok(is_named.then_some(None)),
        }
    }

    /// Whether nothing at all was said of what to watch, and how.
    pub fn is_bare(&self) -> bool {
        self.what.is_empty() && !self.force && !self.pause_damon_stat && !self.dry_run
    }

    /// What may be done to others.
    pub fn options(&self) -> Options {
        Options {
            pause_damon_stat: self.pause_damon_stat,
            force: self.force,
            interface: self.interface.into(),
        }
    }

    /// The parameters, checked, and the command.
    ///
    /// # Errors
    /// What was typed cannot be right, or there can be no use of DAMON at all.
    pub fn request(&self) -> Result<Request> {
        let options = self.options();
        let usable = || Ok(Session::check(&System::live(), options)?);
        let (params, command) = match self.what.deduce(true, usable)? {
            Deduction::Params(params) => (params, None),
            Deduction::Target(deduced, command) => (self.what.params.params(&deduced)?, command),
        };
        if params.kdamonds.is_empty() {
            let text = "these parameters have no kdamonds: there is nothing to switch on";
            return Err(UsageError(text.to_owned()).into());
        }
        if let Some(index) = first_obsolete(&params) {
            return Err(UsageError(format!(
                "--obsolete_targets {index}: only what DAMON watches already can be taken away; leave the target out, or use damo tune"
            ))
            .into());
        }
        if command.is_some() && params.contexts().any(|(.., c)| c.ops == Ops::Paddr) {
            return Err(UsageError(format!(
                "--ops paddr does not go with the target '{}': paddr watches the physical memory, the others watch processes",
                self.what.words().join(OsStr::new(" ")).display(),
            ))
            .into());
        }
        tell_of_idle(&params);
        Ok(Request {
            params,
            command,
            options,
            follow: None,
        })
    }

    /// The parameters for processes that come and go, which `option` names.
    ///
    /// # Errors
    /// Something else was named, too, or what was typed cannot be right.
    pub fn following(&self, option: &str, who: Followed) -> Result<Request> {
        let words = self.what.words();
        if !words.is_empty() {
            return Err(UsageError(format!(
                "{option}: says what to watch; leave the target '{}' out",
                words.join(OsStr::new(" ")).display()
            ))
            .into());
        }
        let deduced = Deduced {
            pids: vec![Watched::stand_in()],
            ..Deduced::default()
        };
        let params = self.what.params.params(&deduced)?;
        if !is_of_stand_in(&params) {
            return Err(UsageError(format!(
                "{option}: says what to watch, with one kdamond and --ops vaddr; leave options that say it otherwise out (--ops, --target_pid, --regions, --kdamonds…)"
            ))
            .into());
        }
        tell_of_idle(&params);
        Ok(Request {
            params,
            command: None,
            options: self.options(),
            follow: Some(who),
        })
    }
}

/// Whether nothing is watched but the mappings of a process to come, by one kdamond.
fn is_of_stand_in(params: &Params) -> bool {
    let contexts: Vec<_> = params.contexts().map(|(.., context)| context).collect();
    let [context] = contexts.as_slice() else {
        return false;
    };
    let [target] = context.targets.as_slice() else {
        return false;
    };
    context.ops == Ops::Vaddr
        && target.pid == Some(Watched::stand_in())
        && target.regions.is_empty()
}

/// Says what DAMON will take and do nothing about.
pub fn tell_of_idle(params: &Params) {
    for sentence in params.idle() {
        tell(format_args!("damo: {sentence}"));
    }
}

/// The first target that is to be taken away, counted through all contexts.
fn first_obsolete(params: &Params) -> Option<usize> {
    let mut targets = params.contexts().flat_map(|(.., context)| &context.targets);
    targets.position(|target| target.obsolete)
}

impl Request {
    /// Prints the writes that it would come to, in their order, as a shell would
    /// do them.
    ///
    /// # Errors
    /// This kernel's DAMON cannot do what is asked.
    pub fn print(&self, out: &mut dyn Write) -> Result<Outcome> {
        let system = System::live();
        // Without DAMON, as its sysfs interface would have it.
        let interface = Interface::find(&system, self.options.interface)
            .unwrap_or(Interface::Sysfs(system.admin(), system.release));
        if let Some(command) = &self.command {
            let words: Vec<String> = command
                .argv()
                .iter()
                .map(|word| word.to_string_lossy().into_owned())
                .collect();
            writeln!(out, "# PID is the process id of: {}", words.join(" "))?;
        }
        if let Some(who) = &self.follow {
            let who = printable(&who.to_string()).into_owned();
            writeln!(
                out,
                "# When the first comes, and again when all have ended;"
            )?;
            writeln!(
                out,
                "# PID is the process id of {who}, each in a target of its own:"
            )?;
        }
        let has_stand_in = self.command.is_some() || self.follow.is_some();
        let stand_in = Watched::stand_in().to_string();
        for mut write in interface.plan(&self.params)? {
            let pid = ["pid_target", "target_ids"]
                .iter()
                .any(|file| write.path.ends_with(file));
            if has_stand_in && pid && write.value.trim() == stand_in {
                write.value = "$PID".to_owned();
            }
            print_write(interface.root(), &write, out)?;
        }
        Ok(Outcome::Done)
    }
}

/// Prints a write below a folder as a shell would do it.
///
/// # Errors
/// `out` cannot take it.
pub fn print_write(root: &Path, write: &FileWrite, out: &mut dyn Write) -> Result<()> {
    // echo adds a newline itself.
    let value = match write.value.strip_suffix('\n').unwrap_or(&write.value) {
        variable @ "$PID" => variable.to_owned(),
        value => quoted(value),
    };
    let path = root.join(&write.path);
    writeln!(out, "echo {value} > {}", path.display())?;
    Ok(())
}

/// As a shell takes it for one word.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("12"), "12");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
