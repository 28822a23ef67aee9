//! `damo help`: of a command, or on a topic.

use std::io::{IsTerminal, Write};

use anyhow::Result;
use clap::builder::StyledStr;
use clap::{Args as _, Command};

use super::filters::FilterArgs;
use super::params::ParamArgs;
use super::snapshot_filters::SnapshotFilterArgs;
use super::tree::{parse, tree};
use super::{Outcome, UsageError, dispatch};
use crate::model::similar;

/// Print help on a command or a topic
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A command, as in `damo help report wss`, or a topic
    #[arg(value_name = "COMMAND|TOPIC")]
    words: Vec<String>,
}

/// What there is to say something about, beside commands.
struct Topic {
    name: &'static str,
    about: &'static str,
    text: Text,
}

enum Text {
    /// As it is.
    Is(&'static str),
    /// The help of some options.
    Options(fn() -> Command),
}

const TOPICS: &[Topic] = &[
    Topic {
        name: "damon_param_options",
        about: "DAMON's parameters, for record, start, tune, schemes and args damon",
        text: Text::Options(|| ParamArgs::augment_args(Command::new("damo"))),
    },
    Topic {
        name: "access_filter_options",
        about: "Which regions and snapshots of a record are wanted",
        text: Text::Options(access_filters),
    },
    Topic {
        name: "access_format_options",
        about: "How damo report access shows them",
        text: Text::Options(access_format),
    },
    Topic {
        name: "exit-codes",
        about: "What damo's exit code says",
        text: Text::Is(EXIT_CODES),
    },
    Topic {
        name: "units",
        about: "Sizes, times and rates, as they are typed",
        text: Text::Is(UNITS),
    },
    Topic {
        name: "files",
        about: "What damo reads and writes",
        text: Text::Is(FILES),
    },
];

pub(super) const EXIT_CODES: &str = "\
0    done; also when who reads the output has had enough, like head
1    failed; the message says of what, and what to do
2    the command line cannot be right; nothing was done
3    done, but something is missing from the record: the message says how much

damo record and damo schemes pass on the exit code of a command that they
started and that ended by itself: 128 and the signal's number if one ended it.
";

const UNITS: &str = "\
Sizes    4096, 4K, 4KiB, 1,024, \"1.5 GiB\": B, K, M, G, T, P, E, always in powers of
         1024; min and max
Times    5ms, 1.5s, \"1 m 30 s\": ns, us, ms, s, m, h, d; min and max. A bare number
         has the unit that the option's help names: microseconds for DAMON's
         intervals and --damos_age, milliseconds for quotas, seconds for --age and
         --timeout, nanoseconds for --time_range
Rates    80 or 80% of the most there can be, '3 samples' per aggregation, '10 hz'
Ages     a time, or '2 aggr_intervals'
Shares   --damos_quota_goal and --monitoring_intervals_goal: 1/10000, or 4%;
         --damos_wmarks: 1/1000, or 60%
";

const FILES: &str = "\
damon.data           the record that damo record writes and reports read, unless
                     --out or --input names another; a folder with --rotate
damon.data.old       the record that had this name before
damon.data.profile   with --do_record cpu_profile: what perf recorded beside it
/run/damo            what damo has changed in DAMON, for damo stop
/etc/damo            what the systemd service damo@NAME records
/sys/kernel/mm/damon/admin
                     DAMON's parameters; damo status shows them
/sys/module/damon_*/parameters
                     DAMON's modules; damo module shows them

Records of damo in Python (json, json_compressed, perf_script, and the binary form
of damo 1), perf.data and any of these within gzip or zstd are read, too; `-` is
standard input.
";

fn access_filters() -> Command {
    SnapshotFilterArgs::augment_args(FilterArgs::augment_args(Command::new("damo")))
}

/// The options of `damo report access` that are neither about what to read nor
/// about which regions of it.
fn access_format() -> Command {
    let (tree, others) = (tree(), access_filters());
    let access = tree
        .find_subcommand("report")
        .and_then(|report| report.find_subcommand("access"));
    let read = ["input", "repeat", "snapshot_damos_filter"];
    let own = access
        .into_iter()
        .flat_map(Command::get_arguments)
        .filter(|arg| {
            let id = arg.get_id();
            !read.contains(&id.as_str()) && others.get_arguments().all(|other| other.get_id() != id)
        });
    Command::new("damo").args(own)
}

/// What can stand in the formats of `damo report access`, by damo 3's names.
const KEYWORDS: [&str; 3] = [
    "record_format_keywords",
    "snapshot_format_keywords",
    "region_format_keywords",
];

fn print_keywords(word: &str, out: &mut dyn Write) -> Result<Outcome> {
    let plain = word.replace('-', "_");
    if !KEYWORDS.contains(&plain.as_str()) {
        return Err(unknown("damo help access_format_options", word, &KEYWORDS).into());
    }
    let option = format!("--ls_{plain}");
    let line = ["damo", "report", "access", &option].map(Into::into);
    dispatch(parse(line.to_vec())?.command, out)
}

/// Runs the command.
///
/// # Errors
/// There is no such command or topic, or `out` cannot be written.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome> {
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    let topic = match words.as_slice() {
        [word, ..] => topic(word),
        [] => None,
    };
    match (topic, words.as_slice()) {
        (Some(topic), [_]) => return print_topic(topic, out),
        (Some(topic), [_, word]) if topic.name == "access_format_options" => {
            return print_keywords(word, out);
        }
        (Some(topic), [_, word, ..]) => {
            return Err(unknown(&format!("damo help {}", topic.name), word, &[]).into());
        }
        (None, _) | (Some(_), []) => {}
    }
    let mut tree = tree();
    tree.build();
    let mut command = &mut tree;
    for word in &words {
        let known = names(command);
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let path = command.get_bin_name().unwrap_or("damo").to_owned();
        command = command
            .find_subcommand_mut(word)
            .ok_or_else(|| unknown(&path, word, &known))?;
    }
    print(&command.render_long_help(), out)?;
    if words.is_empty() {
        writeln!(out, "\nTopics (damo help TOPIC):")?;
        for topic in TOPICS {
            writeln!(out, "  {:<22} {}", topic.name, topic.about)?;
        }
    }
    Ok(Outcome::Done)
}

fn topic(word: &str) -> Option<&'static Topic> {
    let plain = word.replace('-', "_");
    TOPICS.iter().find(|it| it.name.replace('-', "_") == plain)
}

fn print_topic(topic: &Topic, out: &mut dyn Write) -> Result<Outcome> {
    writeln!(out, "{}\n", topic.about)?;
    match topic.text {
        Text::Is(text) => out.write_all(text.as_bytes())?,
        Text::Options(command) => {
            let mut command = command().disable_help_flag(true).help_template("{options}");
            print(&command.render_long_help(), out)?;
        }
    }
    if topic.name == "access_format_options" {
        writeln!(
            out,
            "\nWhat can stand in formats: damo help {} {}",
            topic.name,
            KEYWORDS.join("|")
        )?;
    }
    Ok(Outcome::Done)
}

/// With the styles of `--help`, where that has them.
fn print(text: &StyledStr, out: &mut dyn Write) -> std::io::Result<()> {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match std::io::stdout().is_terminal() && !no_color {
        true => write!(out, "{}", text.ansi()),
        false => write!(out, "{text}"),
    }
}

/// What may follow a command.
fn names(command: &Command) -> Vec<String> {
    let commands = command.get_subcommands().filter(|it| !it.is_hide_set());
    commands.map(|it| it.get_name().to_owned()).collect()
}

fn unknown(path: &str, word: &str, known: &[&str]) -> UsageError {
    let topics = match path {
        "damo" => TOPICS.iter().map(|topic| topic.name).collect(),
        _ => Vec::new(),
    };
    let known: Vec<&str> = known.iter().copied().chain(topics).collect();
    let near = similar(word, known.iter().copied());
    UsageError(match (near, known.is_empty()) {
        (Some(near), _) => format!("help: `{path}` has no '{word}'; did you mean '{near}'?"),
        (None, true) => format!("help: `{path}` has nothing below it; leave '{word}' out"),
        (None, false) => format!("help: `{path}` has no '{word}', but {}", known.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::walk;
    use super::*;

    fn help(words: &str) -> Result<String> {
        let args = Args {
            words: words.split_whitespace().map(str::to_owned).collect(),
        };
        let mut out = Vec::new();
        run(&args, &mut out)?;
        Ok(String::from_utf8(out)?)
    }

    #[test]
    fn every_command_has_help_and_says_what_it_does() {
        let mut tree = tree();
        tree.build();
        walk(&tree, &mut |path, command| {
            let text = help(&path.get(1..).unwrap().join(" ")).unwrap();
            let about = command.get_about().map(ToString::to_string);
            let about = about.unwrap_or_else(|| panic!("{path:?} says nothing of itself"));
            assert!(text.contains(&about), "{path:?}: {text}");
            let usage = format!("Usage: {}", path.join(" "));
            assert!(text.contains(&usage), "{path:?}: {text}");
            for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
                assert!(
                    arg.get_help().is_some(),
                    "{path:?}: {} has no help",
                    arg.get_id()
                );
                let shown = arg
                    .get_long()
                    .is_none_or(|long| text.contains(&format!("--{long}")));
                assert!(shown, "{path:?}: {} is not in its help", arg.get_id());
            }
        });
    }

    #[test]
    fn short_help_fits_a_screen_or_two() {
        let mut tree = tree();
        tree.build();
        walk(&tree.clone(), &mut |path, command| {
            let lines = |text: StyledStr| text.to_string().lines().count();
            let mut command = command.clone();
            let (short, long) = (
                lines(command.render_help()),
                lines(command.render_long_help()),
            );
            assert!(short <= long, "{path:?}: {short} lines, {long} with --help");
            assert!(short <= 90, "{path:?}: {short} lines");
        });
    }

    #[test]
    fn topics_say_something_and_are_listed() {
        let all = help("").unwrap();
        for topic in TOPICS {
            assert!(
                all.contains(topic.name) && all.contains(topic.about),
                "{all}"
            );
            let text = help(topic.name).unwrap();
            assert!(text.lines().count() > 4, "{text}");
        }
        assert!(help("exit_codes").unwrap().contains("cannot be right"));
        let parameters = help("damon_param_options").unwrap();
        assert!(parameters.contains("--damos_action") && parameters.contains("--sample"));
        let filters = help("access_filter_options").unwrap();
        assert!(
            filters.contains("--sz_region") && !filters.contains("--help"),
            "{filters}"
        );
    }

    #[test]
    fn a_name_that_is_none_is_answered_with_the_nearest() {
        for (words, said) in [
            ("recrod", "did you mean 'record'?"),
            ("unit", "did you mean 'units'?"),
            ("report wsss", "did you mean 'wss'?"),
            ("report wss now", "leave 'now' out"),
            ("units now", "leave 'now' out"),
            (
                "access_format_options regoin_format_keywords",
                "did you mean 'region_format_keywords'?",
            ),
            ("report qqqq", "has no 'qqqq', but access, raw, "),
        ] {
            let error = help(words).unwrap_err();
            assert!(error.is::<UsageError>());
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
