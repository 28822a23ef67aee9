//! DAMON's parameters as options, for every command that takes them.
//!
//! Options of a context are repeated once per context, `--damos_*` once per
//! scheme: the i-th use goes to the i-th. `--nr_targets` and `--nr_schemes`
//! say how many of them each context gets. Or markers stand before the options
//! of each: see [`marked`]. Addresses are typed in bytes.

mod context;
mod filters;
mod marked;
mod numa;
mod options;
mod overlay;
mod refused;
mod schemes;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

use super::UsageError;
use crate::control::params::{Params, Region};
pub(in crate::cli) use filters::{filters_of, words_of_filters};
use options::{COMMON, OPTIONS};
use refused::REFUSED;

/// What was typed: for every option, its uses, and the words of each.
#[derive(Clone, Debug, Default)]
pub struct ParamArgs {
    uses: BTreeMap<&'static str, Vec<Vec<String>>>,
    /// The uses in the order in which they were typed: option and which of its
    /// uses.
    order: Vec<(&'static str, usize)>,
    /// Something that is asked for and that no kernel has.
    refused: Option<UsageError>,
    /// Words that an option of many words took, and that are not its own.
    swallowed: Vec<String>,
}

/// What the command's own argument came to.
#[derive(Clone, Debug, Default)]
pub struct Deduced {
    /// The physical address space.
    pub physical: bool,
    /// Processes.
    pub pids: Vec<u32>,
    /// What to watch of the physical address space, if nothing else is said.
    pub ram: Vec<Region>,
}

impl clap::Args for ParamArgs {
    fn augment_args(command: Command) -> Command {
        let command = REFUSED.iter().fold(command, |command, option| {
            let arg = Arg::new(option.name).long(option.name).hide(true);
            command.arg(arg.action(ArgAction::Append).num_args(1..))
        });
        OPTIONS.iter().fold(command, |command, option| {
            let (least, most) = option.words;
            let mut arg = Arg::new(option.name)
                .long(option.name)
                .help(option.help)
                .help_heading(option.heading)
                .action(ArgAction::Append)
                .num_args(least..=most)
                .hide_short_help(!COMMON.contains(&option.name))
                // For our own words about it.
                .allow_negative_numbers(most > 0);
            arg = if most == 0 {
                // Each use of a flag has its place on the command line, too.
                arg.default_missing_value("")
            } else {
                arg.value_names(option.values.split(' '))
            };
            if let Some(short) = option.short {
                arg = arg.short(short);
            }
            command.arg(arg)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        ParamArgs::augment_args(command)
    }
}

impl FromArgMatches for ParamArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<ParamArgs, clap::Error> {
        let mut args = ParamArgs::default();
        let mut places = Vec::new();
        for option in OPTIONS {
            let uses = matches.get_occurrences::<String>(option.name);
            let mut words = matches.indices_of(option.name).into_iter().flatten();
            for (nth, use_) in uses.into_iter().flatten().enumerate() {
                let use_: Vec<String> = use_.cloned().collect();
                // Places are of words; a use is where its first word is.
                let place = words.next();
                for _ in 1..use_.len() {
                    words.next();
                }
                places.push((place, option.name, nth));
                let flag = option.words.1 == 0;
                let use_ = if flag { Vec::new() } else { use_ };
                args.uses.entry(option.name).or_default().push(use_);
            }
        }
        places.sort_unstable();
        args.order = places
            .into_iter()
            .map(|(_, name, nth)| (name, nth))
            .collect();
        args.refused = REFUSED.iter().find_map(|option| {
            let mut words = matches.get_many::<String>(option.name)?;
            let word = words.find(|word| !option.allowed.contains(&word.as_str()))?;
            Some(UsageError(format!(
                "--{} {word}: {}",
                option.name, option.rule
            )))
        });
        for option in OPTIONS
            .iter()
            .filter(|option| option.words.1 == options::MANY)
        {
            let last = args
                .uses
                .get_mut(option.name)
                .and_then(|uses| uses.last_mut());
            if let Some(words) = last {
                let own = match option.name {
                    "damos_action" => schemes::words_of_action(words),
                    "damos_filter" | "probe_filter" => filters::words_of_filters(words),
                    _ => numbers_of(words),
                };
                args.swallowed.extend(words.split_off(own));
            }
        }
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = ParamArgs::from_arg_matches(matches)?;
        Ok(())
    }
}

impl ParamArgs {
    /// Words at the end of an option of any number of words that do not belong
    /// there: the target, in `--damos_action pageout 4242`.
    pub fn swallowed(&self) -> &[String] {
        &self.swallowed
    }

    /// Whether anything was typed.
    pub fn is_empty(&self) -> bool {
        self.uses.is_empty() && self.refused.is_none()
    }

    /// Whether nothing but this was typed, once.
    pub fn is_only(&self, name: &str) -> bool {
        self.uses.len() == 1 && self.uses(name).len() == 1 && self.refused.is_none()
    }

    /// One more use of an option, the last of all.
    fn push(&mut self, name: &'static str, words: Vec<String>) {
        let uses = self.uses.entry(name).or_default();
        self.order.push((name, uses.len()));
        uses.push(words);
    }

    /// Refuses options that are used more than `most` times.
    fn at_most(&self, most: usize, names: &[&str], why: &str) -> Result<(), UsageError> {
        match names.iter().find(|name| self.uses(name).len() > most) {
            None => Ok(()),
            Some(name) => Err(UsageError(format!(
                "--{name}: given {} times for {most} {why}",
                self.uses(name).len()
            ))),
        }
    }

    /// Refuses a target beside `--kdamonds`, which says everything.
    ///
    /// # Errors
    /// Both are there.
    pub fn take_target(&self, words: &OsStr) -> Result<(), UsageError> {
        match self.uses("kdamonds").is_empty() || words.is_empty() {
            true => Ok(()),
            false => Err(UsageError(format!(
                "--kdamonds and the target '{}': the first says everything; leave the second out",
                words.display()
            ))),
        }
    }

    /// Refuses options beside a text called `name`, which says everything.
    ///
    /// # Errors
    /// There are options.
    pub fn leave_all_to(&self, name: &str) -> Result<(), UsageError> {
        match self.is_empty() {
            true => Ok(()),
            false => Err(UsageError(format!(
                "{name}: says everything; leave the other options out"
            ))),
        }
    }

    /// Whether addresses to watch are named.
    pub fn names_regions(&self) -> bool {
        !self.uses("regions").is_empty()
    }

    /// Whether nothing says what to watch.
    pub fn names_no_target(&self) -> bool {
        let telling = [
            "kdamonds",
            "target_pid",
            "regions",
            "numa_node",
            "nr_targets",
        ];
        let process = |ops: &[String]| ops.iter().any(|ops| ops != "paddr");
        telling.into_iter().all(|name| self.uses(name).is_empty())
            && !self.uses("ops").iter().any(|ops| process(ops))
    }

    /// Whether all of the physical memory is to be watched, or may be.
    pub fn wants_ram(&self) -> bool {
        let mut ops = self.uses("ops").iter().flatten();
        self.uses("regions").is_empty() && ops.any(|ops| ops == "paddr")
    }

    /// The parameters, validated.
    ///
    /// # Errors
    /// What cannot be right, by its option.
    pub fn params(&self, deduced: &Deduced) -> Result<Params, UsageError> {
        if let Some(error) = &self.refused {
            return Err(error.clone());
        }
        let params = match self.single("kdamonds")? {
            Some(text) => {
                if let Some(other) = self.uses.keys().find(|name| **name != "kdamonds") {
                    return Err(UsageError(format!(
                        "--kdamonds and --{other}: the first says everything; put the second into it"
                    )));
                }
                parse_params("--kdamonds", &text_or_file("--kdamonds", text)?)?
            }
            None if marked::is_marked(self) => marked::params(self, deduced)?,
            None => context::params(self, deduced)?,
        };
        params
            .validate()
            .map_err(|error| UsageError(error.to_string()))?;
        Ok(params)
    }

    /// An option's uses.
    fn uses(&self, name: &str) -> &[Vec<String>] {
        self.uses.get(name).map_or(&[], Vec::as_slice)
    }

    /// The i-th use of an option.
    fn nth(&self, name: &str, index: usize) -> Option<&[String]> {
        self.uses(name).get(index).map(Vec::as_slice)
    }

    /// The only word of the i-th use of an option.
    fn word(&self, name: &str, index: usize) -> Option<&str> {
        self.nth(name, index)?.first().map(String::as_str)
    }

    /// The word of an option that is given once at most.
    fn single(&self, name: &str) -> Result<Option<&str>, UsageError> {
        match self.uses(name).len() {
            0 | 1 => Ok(self.word(name, 0)),
            uses => Err(UsageError(format!(
                "--{name}: given {uses} times; once is enough"
            ))),
        }
    }

    /// All words of all uses, parsed.
    fn all<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, UsageError> {
        self.uses(name)
            .iter()
            .flatten()
            .map(|word| value(name, word, &parse))
            .collect()
    }

    /// The word of the i-th use, parsed into `place` if there is one.
    fn set<T>(
        &self,
        place: &mut T,
        name: &str,
        index: usize,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<(), UsageError> {
        if let Some(word) = self.word(name, index) {
            *place = value(name, word, parse)?;
        }
        Ok(())
    }
}

/// How many of these words are numbers, at least the first.
fn numbers_of(words: &[String]) -> usize {
    let number = |word: &&String| word.bytes().all(|b| b.is_ascii_digit());
    words.iter().take_while(number).count().max(1)
}

/// Parses an option's word.
fn value<T>(
    name: &str,
    word: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, UsageError> {
    parse(word).map_err(|message| UsageError(format!("--{name} {word}: {message}")))
}

/// Reads json, or yaml where it is none.
///
/// # Errors
/// Neither.
pub fn parse_params(what: &str, text: &str) -> Result<Params, UsageError> {
    let read = match is_json(text) {
        true => Params::from_json(text),
        false => Params::from_yaml(text),
    };
    read.map_err(|error| UsageError(format!("{what}: {error}")))
}

/// Whether a text is meant to be json, and not yaml.
pub fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

/// A text as typed, or the content of the file of that name.
///
/// # Errors
/// There is such a file, and it cannot be read.
pub fn text_or_file(option: &str, text: &str) -> Result<String, UsageError> {
    let is_text = text.contains(['\n', '{', '[', ' ', ':']) || text.is_empty();
    if is_text && !Path::new(text).is_file() {
        return Ok(text.to_owned());
    }
    std::fs::read_to_string(text).map_err(|error| UsageError(format!("{option} {text}: {error}")))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_marked;
#[cfg(test)]
mod tests_overlay;
