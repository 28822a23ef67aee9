//! What `record`, `schemes` and `start` have in common: what to watch, how, and
//! what may be done to others.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Result;

use super::params::{Deduced, ParamArgs, parse_params};
use super::{Outcome, UsageError};
use crate::control::params::{Params, Region};
use crate::control::{Interface, Options, Session, System};
use crate::model::Ops;
use crate::sys::command_line::{CommandError, CommandLine};
use crate::sys::iomem;
use crate::watch::Watched;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct RequestArgs {
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

    /// Run the command as root, not as the user who called sudo
    #[arg(long = "as-root")]
    pub as_root: bool,

    /// Switch DAMON_STAT off meanwhile: it lets nobody else use DAMON
    #[arg(long = "pause-damon-stat")]
    pause_damon_stat: bool,

    /// Switch others' kdamonds, DAMON_RECLAIM and DAMON_LRU_SORT off meanwhile
    #[arg(long)]
    force: bool,

    /// Print what would be written, and write nothing
    #[arg(long = "dry-run")]
    pub dry_run: bool,

    #[command(flatten)]
    params: ParamArgs,
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
}

/// A target, as it was typed.
enum Target {
    None,
    Physical,
    Pids(Vec<u32>),
    Params(Params),
    Command(CommandLine),
}

impl RequestArgs {
    /// What may be done to others.
    pub fn options(&self) -> Options {
        Options {
            pause_damon_stat: self.pause_damon_stat,
            force: self.force,
        }
    }

    /// The parameters, checked, and the command.
    ///
    /// # Errors
    /// What was typed cannot be right, or there can be no use of DAMON at all.
    pub fn request(&self) -> Result<Request> {
        let options = self.options();
        let mut deduced = Deduced::default();
        let mut command = None;
        match self.target()? {
            Target::Params(params) => {
                return Ok(Request {
                    params,
                    command,
                    options,
                });
            }
            Target::Pids(pids) => deduced.pids = pids,
            Target::Command(line) => {
                deduced.pids = vec![Watched::stand_in()];
                command = Some(line);
            }
            Target::Physical => deduced.physical = true,
            Target::None => deduced.physical = self.params.names_no_target(),
        }
        if deduced.physical || self.params.wants_ram() {
            // Without the rights, the addresses read as zeros: ask first.
            Session::check(&System::live(), options)?;
            let ram = iomem::system_ram()?.into_iter();
            deduced.ram = ram.map(|(start, end)| Region { start, end }).collect();
        }
        let params = self.params.params(&deduced)?;
        if command.is_some() && params.contexts().any(|(.., c)| c.ops == Ops::Paddr) {
            return Err(UsageError(format!(
                "--ops paddr does not go with the target '{}': paddr watches the physical memory, the others watch processes",
                self.words().join(OsStr::new(" ")).display(),
            ))
            .into());
        }
        Ok(Request {
            params,
            command,
            options,
        })
    }

    /// The target's words: also those that an option of many words took.
    fn words(&self) -> Vec<OsString> {
        let swallowed = self.params.swallowed().iter().map(OsString::from);
        self.target.iter().cloned().chain(swallowed).collect()
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
        if !self.params.is_empty() {
            let text = format!("{name}: says everything; leave the other options out");
            return Err(UsageError(text).into());
        }
        let text =
            fs::read_to_string(path).map_err(|error| UsageError(format!("{name}: {error}")))?;
        let params = parse_params(&name, &text)?;
        let checked = params.validate();
        checked.map_err(|error| UsageError(format!("{name}: {error}")))?;
        Ok(Some(params))
    }
}

impl Request {
    /// Prints the writes that it would come to, in their order, as a shell would
    /// do them.
    ///
    /// # Errors
    /// This kernel's DAMON cannot do what is asked.
    pub fn print(&self, out: &mut dyn Write) -> Result<Outcome> {
        let system = System::live();
        let interface = Interface::Sysfs(system.admin(), system.release);
        if let Some(command) = &self.command {
            let words: Vec<String> = command
                .argv()
                .iter()
                .map(|word| word.to_string_lossy().into_owned())
                .collect();
            writeln!(out, "# PID is the process id of: {}", words.join(" "))?;
        }
        let stand_in = Watched::stand_in().to_string();
        for write in interface.plan(&self.params)? {
            let value = match self.command.is_some() && write.path.ends_with("/pid_target") {
                true if write.value == stand_in => "\"$PID\"".to_owned(),
                _ => quoted(&write.value),
            };
            let path = system.sysfs_admin.join(&write.path);
            writeln!(out, "echo {value} > {}", path.display())?;
        }
        Ok(Outcome::Done)
    }
}

/// As a shell takes it for one word.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// The words, if all are made of digits: `$(pidof …)` may give several in one
/// argument.
fn pids(words: &[OsString]) -> Result<Option<Vec<u32>>, UsageError> {
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
        args: RequestArgs,
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
        for unusable in ["99999999999", "0", "", "sleep 'x'", "no-such.json"] {
            let error = target(&[unusable]).err().unwrap();
            assert!(error.is::<UsageError>(), "{unusable}: {error}");
        }
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

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("12"), "12");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
