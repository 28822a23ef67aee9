//! `--do_record`: what goes into a record.

use std::collections::BTreeSet;

use super::UsageError;
use crate::recorder::around::Choice;

/// What to record.
#[derive(Clone, Debug, clap::Args)]
pub struct DoRecordArgs {
    /// What to record: access, mappings, footprint, cpu_time, cpu_profile
    ///
    /// access: what DAMON finds. mappings: those of the targets, when they
    /// change. footprint: their memory, and the machine's. cpu_time: theirs and
    /// the kdamonds'. cpu_profile: `perf record` beside it, into FILE.profile.
    /// The three in the middle are looked at once a second at most. damo 3's
    /// words mean the same: vmas, mem_footprint, proc_stats, damon_trace_events.
    /// By default all but cpu_profile; with --summary, no mappings either, and the
    /// rest as often as a summary.
    #[arg(
        long = "do_record",
        value_name = "WHAT",
        num_args = 1..,
        value_parser = parse
    )]
    do_record: Vec<What>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Access,
    Mappings,
    Footprint,
    CpuTime,
    CpuProfile,
}

/// What to record, altogether.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoRecord {
    /// Snapshots of what DAMON finds.
    pub access: bool,
    /// What is known around them.
    pub around: Choice,
    /// `perf record` beside it.
    pub cpu_profile: bool,
}

impl DoRecordArgs {
    /// What was asked for, in any number of uses, or else what there is by
    /// default, for a summary or a stream.
    pub fn choice(&self, is_summary: bool) -> DoRecord {
        let mut words: BTreeSet<What> = self.do_record.iter().copied().collect();
        if words.is_empty() {
            words.extend([What::Access, What::Footprint, What::CpuTime]);
            // Without addresses they would say little, and take most of the room.
            words.extend((!is_summary).then_some(What::Mappings));
        }
        let has = |what| words.contains(&what);
        DoRecord {
            access: has(What::Access),
            around: Choice {
                mappings: has(What::Mappings),
                footprint: has(What::Footprint),
                cpu_time: has(What::CpuTime),
            },
            cpu_profile: has(What::CpuProfile),
        }
    }
}

/// Our word or the peer's.
fn parse(word: &str) -> Result<What, UsageError> {
    Ok(match word {
        // The peer's trace events are the text of what we keep as access.
        "access" | "damon_trace_events" => What::Access,
        "mappings" | "vmas" => What::Mappings,
        "footprint" | "mem_footprint" => What::Footprint,
        "cpu_time" | "proc_stats" => What::CpuTime,
        "cpu_profile" => What::CpuProfile,
        _ => {
            let text = "must be access, mappings, footprint, cpu_time or cpu_profile; a target goes before --do_record, or after --";
            return Err(UsageError(text.to_owned()));
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        target: Vec<String>,
        #[command(flatten)]
        args: DoRecordArgs,
    }

    fn choice(words: &str) -> Result<DoRecord, String> {
        let words = std::iter::once("damo").chain(words.split_whitespace());
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        Ok(cli.args.choice(false))
    }

    fn of(letters: &str) -> DoRecord {
        let has = |letter| letters.contains(letter);
        DoRecord {
            access: has('a'),
            around: Choice {
                mappings: has('m'),
                footprint: has('f'),
                cpu_time: has('c'),
            },
            cpu_profile: has('p'),
        }
    }

    #[test]
    fn words_of_ours_and_of_the_peers() {
        for (words, letters) in [
            ("", "amfc"),
            ("1 2", "amfc"),
            ("--do_record access", "a"),
            ("--do_record mappings", "m"),
            ("--do_record footprint cpu_time -- 4242", "fc"),
            ("4242 --do_record cpu_profile access access", "ap"),
            ("--do_record access --do_record vmas", "am"),
            (
                "--do_record access cpu_profile mem_footprint vmas proc_stats damon_trace_events",
                "amfcp",
            ),
            ("--do_record damon_trace_events", "a"),
        ] {
            assert_eq!(choice(words), Ok(of(letters)), "{words}");
        }
    }

    #[test]
    fn other_words_are_told_what_there_is() {
        for words in ["--do_record access 4242", "--do_record Access"] {
            let error = choice(words).unwrap_err();
            assert!(
                error.contains("a target goes before --do_record"),
                "{error}"
            );
        }
        assert!(choice("--do_record").is_err());
    }
}
