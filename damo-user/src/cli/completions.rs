//! `damo completions` and `damo man`: the command line for shells and for man.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, ValueEnum};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::tree::{tree, walk};
use super::{Outcome, UsageError};
use crate::sys::output::Output;

/// Print what a shell needs to complete damo's commands and options
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  damo completions bash > /etc/bash_completion.d/damo
  damo completions zsh > \"${fpath[1]}/_damo\"
  damo completions fish > ~/.config/fish/completions/damo.fish")]
pub struct Args {
    /// The shell [default: the one that SHELL names]
    #[arg(value_enum)]
    shell: Option<Shell>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Write man pages into a folder, one for each command
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  damo man /usr/local/share/man/man1")]
pub struct ManArgs {
    /// The folder, which is there already
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Runs `damo completions`.
///
/// # Errors
/// No shell is named, or `out` cannot be written.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome> {
    let shell = match args.shell {
        Some(shell) => shell,
        None => of_environment()?,
    };
    out.write_all(&script(shell))?;
    Ok(Outcome::Done)
}

/// The shell that the user logs in with.
fn of_environment() -> Result<Shell, UsageError> {
    let shell = std::env::var_os("SHELL").unwrap_or_default();
    let name = Path::new(&shell).file_name().unwrap_or_default();
    Shell::from_str(&name.to_string_lossy(), false).map_err(|_| {
        UsageError(format!(
            "SHELL is '{}'; name a shell: damo completions bash, zsh or fish",
            shell.display()
        ))
    })
}

/// What a shell is to read.
fn script(shell: Shell) -> Vec<u8> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    // Into memory: it panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut shown_of(&tree()), "damo", &mut script);
    script
}

/// What is shown of a command. Generated scripts name hidden options, too, and
/// clap takes none away: it is made anew.
fn shown_of(command: &Command) -> Command {
    let about = command.get_about().cloned().unwrap_or_default();
    let args = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let commands = command.get_subcommands().filter(|it| !it.is_hide_set());
    let shown = match command.get_version() {
        Some(version) => Command::new(command.get_name().to_owned()).version(version.to_owned()),
        None => Command::new(command.get_name().to_owned()),
    };
    shown
        .about(about)
        .disable_help_subcommand(true)
        .args(args.map(shown_arg))
        .subcommands(commands.map(shown_of))
}

/// An option without what binds it to others.
fn shown_arg(arg: &Arg) -> Arg {
    let mut shown = Arg::new(arg.get_id().clone())
        .value_hint(arg.get_value_hint())
        .help(arg.get_help().cloned().unwrap_or_default());
    shown = match arg.get_long() {
        Some(long) => shown.long(long.to_owned()),
        None => shown,
    };
    shown = match arg.get_short() {
        Some(short) => shown.short(short),
        None => shown,
    };
    let words = arg.get_num_args();
    if !arg.get_action().takes_values() || words.is_some_and(|words| !words.takes_values()) {
        return shown.action(ArgAction::Count);
    }
    let values = arg.get_possible_values();
    shown = match values.is_empty() {
        true => shown,
        false => shown.value_parser(PossibleValuesParser::new(values)),
    };
    let names = arg.get_value_names().unwrap_or_default().to_vec();
    match words {
        Some(words) => shown.num_args(words).value_names(names),
        None => shown.value_names(names),
    }
    .action(arg.get_action().clone())
    .required(arg.is_required_set())
}

/// Runs `damo man`.
///
/// # Errors
/// The pages cannot be written.
pub fn man(args: &ManArgs) -> Result<Outcome> {
    for (name, page) in pages()? {
        let path = args.dir.join(name);
        // For everybody to read; an older page is not kept beside it.
        let mut output = Output::create(&path, 0o644, None)?;
        let mut file = output.file();
        file.write_all(&page)
            .with_context(|| format!("{}: cannot be written", path.display()))?;
        match File::open(&path) {
            Ok(older) => output.replace(&older)?,
            Err(_) => output.keep()?,
        }
    }
    Ok(Outcome::Done)
}

/// Every command's page, by its file name.
fn pages() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut tree = tree();
    tree.build();
    let mut pages = Vec::new();
    walk(&tree, &mut |path, command| {
        let name = path.join("-");
        pages.push((format!("{name}.1"), page(name, command, path.len() == 1)));
    });
    pages
        .into_iter()
        .map(|(name, page)| Ok((name, page?)))
        .collect()
}

/// A command's page; the first one has what holds for all of them.
fn page(name: String, command: &Command, is_first: bool) -> std::io::Result<Vec<u8>> {
    let man = Man::new(command.clone()).title(name);
    let mut page = Vec::new();
    man.render(&mut page)?;
    if is_first {
        let mut more = Roff::default();
        more.control("SH", ["EXIT STATUS"]).control("nf", []);
        more.text([roman(super::help::EXIT_CODES)])
            .control("fi", []);
        more.to_writer(&mut page)?;
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::process::Command as Process;

    use super::*;

    /// The long options of a command that are shown.
    fn options(command: &Command) -> BTreeSet<String> {
        let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
        let longs = shown.filter_map(clap::Arg::get_long);
        longs.map(|long| format!("--{long}")).collect()
    }

    /// Every command that is shown: its words, its options, and what may follow it.
    fn commands() -> Vec<(Vec<String>, BTreeSet<String>, BTreeSet<String>)> {
        let mut all = Vec::new();
        let mut tree = tree();
        tree.build();
        walk(&tree, &mut |path, command| {
            let words = path.iter().map(|word| (*word).to_owned()).collect();
            let names = command.get_subcommands().filter(|it| !it.is_hide_set());
            let names = names.map(|it| it.get_name().to_owned()).collect();
            all.push((words, options(command), names));
        });
        assert!(all.len() > 25, "{}", all.len());
        all
    }

    #[test]
    fn bash_completes_every_command_and_option() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("damo.bash");
        std::fs::write(&file, script(Shell::Bash)).unwrap();
        let mut ask = format!("source '{}'\n", file.display());
        for (words, ..) in commands() {
            for typed in ["--", ""] {
                ask += &format!(
                    "COMP_WORDS=({} '{typed}') COMP_CWORD={} COMPREPLY=()\n\
                     _damo damo '{typed}' {}\necho \"${{COMPREPLY[*]}}\"\n",
                    words.join(" "),
                    words.len(),
                    words.last().unwrap(),
                );
            }
        }
        let output = Process::new("bash")
            .args(["--norc", "-c", &ask])
            .output()
            .unwrap();
        assert!(
            output.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let said = String::from_utf8(output.stdout).unwrap();
        let answers: Vec<BTreeSet<String>> = said
            .lines()
            .map(|line| line.split_whitespace().map(str::to_owned).collect())
            .collect();
        let commands = commands();
        assert_eq!(answers.len(), 2 * commands.len());
        for ((words, options, names), answers) in commands.iter().zip(answers.chunks(2)) {
            assert_eq!(&answers[0], options, "{words:?}");
            assert!(
                names.is_subset(&answers[1]),
                "{words:?}: {names:?}, but {answers:?}"
            );
        }
    }

    #[test]
    fn scripts_of_other_shells_have_every_option_the_right_number_of_times() {
        for (shell, written) in [(Shell::Zsh, "--NAME"), (Shell::Fish, " -l NAME ")] {
            let script = String::from_utf8(script(shell)).unwrap();
            let mut expected = std::collections::BTreeMap::<String, usize>::new();
            for (words, options, names) in commands() {
                // For fish, clap_complete goes no deeper than `damo module reclaim`.
                if matches!(shell, Shell::Fish) && words.len() > 3 {
                    continue;
                }
                for name in names {
                    assert!(script.contains(&name), "{shell:?}: {words:?} {name}");
                }
                for option in options {
                    *expected.entry(option).or_default() += 1;
                }
            }
            for (option, count) in expected {
                let written = written.replace("NAME", option.trim_start_matches('-'));
                let found = script.matches(&written).count();
                assert!(
                    found >= count,
                    "{shell:?}: {option} {found} times, not {count}"
                );
            }
        }
    }

    #[test]
    fn every_command_has_a_page_with_every_option() {
        let pages = pages().unwrap();
        let commands = commands();
        assert_eq!(pages.len(), commands.len());
        for ((words, options, _), (name, page)) in commands.iter().zip(&pages) {
            assert_eq!(name, &format!("{}.1", words.join("-")));
            let page = String::from_utf8_lossy(page).replace("\\-", "-");
            assert!(page.contains(&format!(".TH {}", words.join("-"))), "{page}");
            for option in options {
                assert!(page.contains(option.as_str()), "{name}: {option}: {page}");
            }
        }
    }

    #[test]
    fn pages_are_written_for_everybody_and_again() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let args = ManArgs {
            dir: dir.path().to_owned(),
        };
        man(&args).unwrap();
        let first = dir.path().join("damo.1");
        std::fs::write(&first, "older").unwrap();
        man(&args).unwrap();
        let page = std::fs::read_to_string(&first).unwrap();
        assert!(page.contains("EXIT STATUS"), "{page}");
        let mode = std::fs::metadata(&first).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            commands().len()
        );
    }

    /// Whether a line has the words one after the other; it may have several in
    /// one place, as in `damo module stat|reclaim`.
    fn has(line: &str, words: &[String]) -> bool {
        let plain = |c: char| !c.is_alphanumeric() && c != '_';
        let tokens: Vec<Vec<&str>> = line
            .split_whitespace()
            .map(|token| token.split('|').map(|it| it.trim_matches(plain)).collect())
            .collect();
        let fits = |tokens: &[Vec<&str>]| {
            let mut pairs = tokens.iter().zip(words);
            pairs.all(|(token, word)| token.contains(&word.as_str()))
        };
        tokens.windows(words.len()).any(fits)
    }

    #[test]
    fn every_command_is_in_the_manual() {
        let manual = include_str!("../../../docs/MANUAL.md");
        let missing: Vec<String> = commands()
            .into_iter()
            .filter(|(words, ..)| !manual.lines().any(|line| has(line, words)))
            .map(|(words, ..)| words.join(" "))
            .collect();
        assert!(
            missing.is_empty(),
            "docs/MANUAL.md says nothing of {missing:?}"
        );
    }
}
