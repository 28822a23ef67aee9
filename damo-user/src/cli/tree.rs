//! The whole command line as one tree, from which parsing, help, completions
//! and man pages are made.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::{Arg, Command, CommandFactory, FromArgMatches};

use super::{Cli, peers};

/// Every command with its options.
pub fn tree() -> Command {
    both_spellings(Cli::command())
}

/// Parses a command line.
pub(super) fn parse(words: Vec<OsString>) -> Result<Cli, clap::Error> {
    let mut tree = tree();
    let matches = tree
        .try_get_matches_from_mut(&words)
        .map_err(|error| peers::answer(&mut tree, &words, error))?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut tree))
}

/// Lets every option and command be typed with dashes and with underscores.
fn both_spellings(command: Command) -> Command {
    let mut taken: BTreeSet<String> = command.get_arguments().flat_map(names).collect();
    let command = command.mut_args(|arg| {
        let others: Vec<String> = names(&arg).iter().filter_map(|name| other(name)).collect();
        let free = others.into_iter().filter(|name| taken.insert(name.clone()));
        arg.aliases(free.collect::<Vec<_>>())
    });
    command.mut_subcommands(|command| {
        let names = std::iter::once(command.get_name()).chain(command.get_all_aliases());
        let others: Vec<String> = names.filter_map(other).collect();
        both_spellings(command.aliases(others))
    })
}

/// An option's long names.
fn names(arg: &Arg) -> Vec<String> {
    let aliases = arg.get_all_aliases().unwrap_or_default().into_iter();
    let all = arg.get_long().into_iter().chain(aliases);
    all.map(str::to_owned).collect()
}

/// A name's other spelling, if it has one.
fn other(name: &str) -> Option<String> {
    match (name.contains('_'), name.contains('-')) {
        (true, _) => Some(name.replace('_', "-")),
        (false, true) => Some(name.replace('-', "_")),
        (false, false) => None,
    }
}

/// Calls `visit` with every command that is shown, and the words that it is
/// called by.
pub(super) fn walk(command: &Command, visit: &mut dyn FnMut(&[&str], &Command)) {
    fn below<'c>(
        command: &'c Command,
        path: &mut Vec<&'c str>,
        visit: &mut dyn FnMut(&[&str], &Command),
    ) {
        path.push(command.get_name());
        visit(path, command);
        for command in command.get_subcommands().filter(|it| !it.is_hide_set()) {
            below(command, path, visit);
        }
        path.pop();
    }
    below(command, &mut Vec::new(), visit);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_no_fault_with_it() {
        tree().debug_assert();
    }

    #[test]
    fn every_option_may_be_typed_with_dashes_and_with_underscores() {
        let mut count = 0;
        walk(&tree(), &mut |path, command| {
            for arg in command.get_arguments() {
                let names = names(arg);
                for name in &names {
                    let other = other(name);
                    count += usize::from(other.is_some());
                    let known = other.is_none_or(|other| {
                        command
                            .get_arguments()
                            .any(|arg| self::names(arg).contains(&other))
                    });
                    assert!(known, "{path:?}: --{name} has one spelling: {names:?}");
                }
            }
        });
        assert!(count > 100, "{count}");
        for words in [
            "damo report wss --raw-number --nr-cols-bar 3 --exclude_samples 1",
            "damo record --damos-action pageout --damos_age 1s max --dry_run -- true",
            "damo record-info --raw-number",
        ] {
            let words = words.split(' ').map(OsString::from).collect();
            parse(words).unwrap();
        }
    }
}
