//! What to watch, as it is typed, and DAMON's parameters for it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;

use anyhow::Result;

use super::UsageError;
use super::params::{Deduced, ParamArgs, is_json, parse_params};
use crate::control::params::{Params, Region};
use crate::sys::command_line::{CommandError, CommandLine};
use crate::sys::iomem;
use crate::watch::Watched;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct TargetArgs {
    /// What to watch: a command line, process ids, `paddr` for the physical
    /// memory, or a json or yaml file with all parameters
    ///
    /// A number is a process id. One argument is split as a shell would split
    /// it, and run by `sh` if it has the shell's special characters; several are
    /// taken as they are, after `--` if there are options among them. The
    /// command runs as the user who called sudo, and is held until DAMON watches
    /// it. Without a target, the physical memory is watched.
    #[arg(value_name = "TARGET")]
    target: Vec<OsString>,

    #[command(flatten)]
    pub params: ParamArgs,
}

/// A target, as it was typed.
enum Target {
    None,
    Physical,
    Pids(Vec<u32>),
    Params(Params),
    Command(CommandLine),
}

/// What a target came to.
#[derive(Debug)]
pub enum Deduction {
    /// A file that says everything.
    Params(Params),
    /// What to watch, and what to start for it; options say the rest. A
    /// command's pid is [`Watched::stand_in`].
    Target(Deduced, Option<CommandLine>),
}

impl TargetArgs {
    /// What the target means; `otherwise`: whether no target at all means the
    /// physical memory. `usable` is asked before its addresses are read: without
    /// the rights they read as zeros.
    ///
    /// # Errors
    /// What was typed cannot be right, or `usable`'s.
    pub fn deduce(
        &self,
        otherwise: bool,
        usable: impl FnOnce() -> Result<()>,
    ) -> Result<Deduction> {
        let mut deduced = Deduced::default();
        let mut command = None;
        let words = self.words().join(OsStr::new(" "));
        self.params.take_target(&words)?;
        match self.target()? {
            Target::Params(params) => return Ok(Deduction::Params(params)),
            Target::Pids(pids) => deduced.pids = pids,
            Target::Command(line) => {
                deduced.pids = vec![Watched::stand_in()];
                command = Some(line);
            }
            Target::Physical => deduced.physical = true,
            Target::None => deduced.physical = otherwise && self.params.names_no_target(),
        }
        if (deduced.physical && !self.params.names_regions()) || self.params.wants_ram() {
            usable()?;
            let ram = iomem::system_ram()?.into_iter();
            deduced.ram = ram.map(|(start, end)| Region { start, end }).collect();
        }
        Ok(Deduction::Target(deduced, command))
    }

    /// Whether neither a target nor parameters were typed.
    pub fn is_empty(&self) -> bool {
        self.words().is_empty() && self.params.is_empty()
    }

    /// The target's words: also those that an option of many words took.
    pub fn words(&self) -> Vec<OsString> {
        let swallowed = self.params.swallowed().iter().map(OsString::from);
        self.target.iter().cloned().chain(swallowed).collect()
    }

    /// Words of the target that another option took.
    pub fn add(&mut self, words: &[String]) {
        self.target.extend(words.iter().map(OsString::from));
    }

    fn target(&self) -> Result<Target> {
        let words = self.words();
        if words.is_empty() {
            return Ok(Target::None);
        }
        if let Some(pids) = pids(&words)? {
            return Ok(Target::Pids(pids));
        }
        if let [only] = words.as_slice() {
            if only == "paddr" {
                return Ok(Target::Physical);
            }
            if let Some(text) = only.to_str().filter(|text| is_json(text)) {
                return Ok(Target::Params(self.alone("the target", text)?));
            }
            if let Some(params) = self.file(Path::new(only))? {
                return Ok(Target::Params(params));
            }
        }
        match CommandLine::from_args(words) {
            Ok(command) => Ok(Target::Command(command)),
            Err(error @ (CommandError::Empty | CommandError::Unclosed(_))) => {
                Err(UsageError(error.to_string()).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A file with parameters, told by its name: a command may have any other.
    fn file(&self, path: &Path) -> Result<Option<Params>> {
        let named = |ending: &str| path.extension().is_some_and(|found| found == ending);
        if !["json", "yaml", "yml"].into_iter().any(named) {
            return Ok(None);
        }
        let name = path.display().to_string();
        let text =
            fs::read_to_string(path).map_err(|error| UsageError(format!("{name}: {error}")))?;
        self.alone(&name, &text).map(Some)
    }

    /// Parameters of a text that says everything.
    fn alone(&self, name: &str, text: &str) -> Result<Params> {
        self.params.leave_all_to(name)?;
        let params = parse_params(name, text)?;
        let checked = params.validate();
        checked.map_err(|error| UsageError(format!("{name}: {error}")))?;
        Ok(params)
    }
}

/// The words, if all are made of digits: `$(pidof …)` may give several in one
/// argument.
pub fn pids(words: &[OsString]) -> Result<Option<Vec<u32>>, UsageError> {
    let texts: Option<Vec<&str>> = words.iter().map(|word| word.to_str()).collect();
    let numbers: Vec<&str> = texts
        .iter()
        .flatten()
        .flat_map(|word| word.split_whitespace())
        .collect();
    let all_digits = |word: &&str| word.bytes().all(|byte| byte.is_ascii_digit());
    if numbers.is_empty() || !numbers.iter().all(all_digits) {
        return Ok(None);
    }
    let mut once: Vec<u32> = Vec::new();
    for number in numbers {
        let pid = number.parse().ok();
        let pid = pid.filter(|&pid| pid > 0 && pid <= MOST_PID);
        let pid = pid.ok_or_else(|| {
            UsageError(format!(
                "{number}: a process id is a number from 1 to {MOST_PID}"
            ))
        })?;
        // One given twice is watched once.
        if !once.contains(&pid) {
            once.push(pid);
        }
    }
    Ok(Some(once))
}

/// The largest process id that Linux can have.
const MOST_PID: u32 = i32::MAX.cast_unsigned();

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: TargetArgs,
    }

    fn target(words: &[&str]) -> Result<Target> {
        let words = std::iter::once("damo").chain(words.iter().copied());
        Line::try_parse_from(words)?.args.target()
    }

    #[test]
    fn deduces_the_target() {
        assert!(matches!(target(&["paddr"]), Ok(Target::Physical)));
        assert!(matches!(target(&[]), Ok(Target::None)));
        assert!(matches!(target(&["42"]), Ok(Target::Pids(pids)) if pids == [42]));
        assert!(matches!(target(&["42 43"]), Ok(Target::Pids(pids)) if pids == [42, 43]));
        assert!(matches!(target(&["7", "42", "7"]), Ok(Target::Pids(pids)) if pids == [7, 42]));
        assert!(matches!(target(&["sleep 5"]), Ok(Target::Command(_))));
        assert!(matches!(target(&["sleep", "5"]), Ok(Target::Command(_))));
        for unusable in ["99999999999", "0", "", "sleep 'x", "no-such.json"] {
            let error = target(&[unusable]).err().unwrap();
            assert!(error.is::<UsageError>(), "{unusable}: {error}");
        }
    }

    #[test]
    fn what_says_everything_stands_alone() {
        let parse = |words: &[&str]| Line::try_parse_from(words).unwrap().args;
        let args = parse(&["damo", "--kdamonds", "{}", "42"]);
        let error = args.deduce(true, || Ok(())).unwrap_err();
        assert!(error.to_string().contains("'42'"), "{error}");
    }

    #[test]
    fn options_may_follow_the_target_and_take_words_before_it() {
        assert!(matches!(
            target(&["--damos_action", "pageout", "4242"]),
            Ok(Target::Pids(pids)) if pids == [4242]
        ));
        assert!(matches!(
            target(&["4242", "--sample", "1ms", "--damos_action", "stat"]),
            Ok(Target::Pids(pids)) if pids == [4242]
        ));
        assert!(matches!(
            target(&["-m", "50", "--", "ls", "-m"]),
            Ok(Target::Command(command)) if command.argv().len() == 2
        ));
    }
}
