//! What damo in Python has under names that are not ours: each is answered by
//! what to use.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};

/// Its commands, and what to use instead.
const COMMANDS: &[(&str, &str)] = &[
    ("show", "is `damo report access` since damo 2.6"),
    (
        "stat",
        "is `damo status`, or `damo report damon --damos_stats` for the schemes alone",
    ),
    (
        "fmt_json",
        "is `damo args damon --format json` with the same options",
    ),
    (
        "translate_damos",
        "is `damo args damon --schemes FILE`, which reads the classic text form and prints json",
    ),
    (
        "replay",
        "is not here: damo records accesses and does not repeat them",
    ),
    ("heats", "is `damo report heats`"),
    ("heatmap", "is `damo report heatmap`"),
    ("raw", "is `damo report raw`"),
    ("wss", "is `damo report wss`"),
    ("access", "is `damo report access`"),
    (
        "args accesses_filter",
        "is not here: the filters are options of `damo report access` and `damo record`; see `damo help access_filter_options`",
    ),
    (
        "args accesses_format",
        "is not here: the formats are options of `damo report access`; see `damo help access_format_options`",
    ),
    (
        "report attrs",
        "is not here: what probes hit is in `damo convert IN OUT --format ndjson`",
    ),
    ("pa_layout", "is `damo report pa_layout`"),
];

/// Its options that some command does not take, and what to do about it.
const OPTIONS: &[(&str, &str)] = &[
    ("perf_path", "damo records without perf: leave it out"),
    ("rbuf", "is --ring here, with a size such as 4MiB"),
    (
        "damon_tracer",
        "damo records without perf and trace-cmd: leave it out",
    ),
    ("tracer", "damo traces by itself: leave it out"),
    (
        "output_type",
        "damo writes its own format; make another one of the record with `damo convert IN OUT --format FORMAT`",
    ),
    (
        "output_flush_sec",
        "what is recorded is on disk after a second: leave it out, or see --rotate",
    ),
    (
        "debug_damon",
        "is --dry-run here: it prints what would be written, and writes nothing",
    ),
    (
        "damon_interface_DEPRECATED",
        "is --interface here: sysfs, debugfs or auto",
    ),
    ("invalidate_cache", "nothing is cached: leave it out"),
    (
        "infer_version",
        "nothing is inferred from versions: leave it out",
    ),
    (
        "quota_goals_only",
        "`damo tune` changes only what is named: leave it out",
    ),
    (
        "tried_regions_of",
        "is `--input tried_regions_of KDAMOND CONTEXT SCHEME`",
    ),
    ("input_file", "is --input here"),
    ("on_cache", "nothing is cached: leave it out"),
    (
        "sz_snapshot",
        "is for reports: record all of it, and choose with damo report access or damo adjust",
    ),
    (
        "snapshot_time",
        "is for reports: record all of it, and choose with damo report access or damo adjust",
    ),
    (
        "snapshot_idx",
        "is for reports: record all of it, and choose with damo report access or damo adjust",
    ),
    (
        "temperature",
        "is for reports: record all of it, and choose with damo report access or damo adjust",
    ),
    (
        "heatmap_time_last_n_sec",
        "all of the record is shown: leave it out",
    ),
    (
        "max_cols",
        "lines are as long as the kernel makes them: leave it out",
    ),
    (
        "include_child_tasks",
        "damo start does not stay to look for children: damo record does; or name them",
    ),
];

/// An error of clap's, or what is to be said instead of it.
pub(super) fn answer(tree: &mut Command, words: &[OsString], error: Error) -> Error {
    let said = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            typed(&error, ContextKind::InvalidSubcommand).and_then(|name| command(words, &name))
        }
        ErrorKind::UnknownArgument => typed(&error, ContextKind::InvalidArg)
            .filter(|name| name.starts_with("--"))
            .and_then(|name| {
                let plain = name.trim_start_matches('-').replace('-', "_");
                let (_, instead) = OPTIONS.iter().find(|(option, _)| *option == plain)?;
                Some(format!("{name}: {instead}"))
            }),
        _ => None,
    };
    match said {
        Some(said) => tree.error(error.kind(), said),
        None => error,
    }
}

fn typed(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// What is to be said of the command that ends in `name`.
fn command(words: &[OsString], name: &str) -> Option<String> {
    let end = words.iter().position(|word| word == name)?;
    let path: Vec<_> = words
        .get(1..=end)?
        .iter()
        .map(|it| it.to_string_lossy())
        .collect();
    let path = path.join(" ").replace('-', "_");
    let (_, instead) = COMMANDS.iter().find(|(command, _)| *command == path)?;
    Some(format!("`damo {path}` {instead}"))
}

#[cfg(test)]
mod tests {
    use super::super::tree::{parse, tree, walk};
    use super::*;

    /// All of them, from 1.7.3 to 3.4.3.
    const THEIRS: &[&str] = &[
        "start",
        "tune",
        "stop",
        "record",
        "report",
        "replay",
        "module",
        "reclaim",
        "lru_sort",
        "setup_cli_completion",
        "help",
        "args",
        "version",
        "schemes",
        "monitor",
        "features",
        "validate",
        "adjust",
        "convert_record_format",
        "diagnose",
        "record_info",
        "pa_layout",
        "show",
        "status",
        "stat",
        "fmt_json",
        "translate_damos",
        "report access",
        "report heatmap",
        "report heats",
        "report wss",
        "report nr_regions",
        "report footprints",
        "report record_info",
        "report sysinfo",
        "report damon",
        "report trace",
        "report pa_layout",
        "report times",
        "report profile",
        "report holistic",
        "report attrs",
        "report raw",
        "args damon",
        "args accesses_filter",
        "args accesses_format",
        "module stat",
        "module reclaim",
        "module lru_sort",
    ];

    #[test]
    fn every_command_of_the_peers_is_here_or_answered() {
        let mut ours = Vec::new();
        walk(&tree(), &mut |path, command| {
            let above = path.get(1..path.len() - 1).unwrap_or_default();
            let names = std::iter::once(command.get_name()).chain(command.get_all_aliases());
            ours.extend(names.map(|name| [above, &[name]].concat().join(" ")));
        });
        let ours = |path: &str| ours.iter().any(|it| it == path);
        for path in THEIRS {
            let answered = COMMANDS.iter().any(|(command, _)| command == path);
            assert!(
                ours(path) != answered,
                "{path}: ours {}, answered {answered}",
                ours(path)
            );
        }
        for (path, _) in COMMANDS {
            assert!(!ours(path), "{path}: it is here");
            let words = std::iter::once("damo").chain(path.split(' '));
            let error = parse(words.map(OsString::from).collect())
                .unwrap_err()
                .to_string();
            assert!(error.contains(&format!("`damo {path}` is ")), "{error}");
        }
    }

    #[test]
    fn options_of_the_peers_are_answered_in_either_spelling() {
        for (words, said) in [
            (
                "damo record --perf_path /usr/bin/perf -- true",
                "--perf_path: damo records without",
            ),
            (
                "damo record --output-type json -- true",
                "--output-type: damo writes its own",
            ),
            ("damo report wss --invalidate_cache", "leave it out"),
        ] {
            let error = parse(words.split(' ').map(OsString::from).collect()).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
