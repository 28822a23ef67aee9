//! `--snapshot` and what goes with it: a record without BPF.

use std::time::Duration;

use super::UsageError;
use super::params::{filters_of, words_of_filters};
use super::record::parse_timeout;
use crate::control::System;
use crate::control::params::{Features, Filter, Params, number};
use crate::recorder::{Ours, Plan, SnapshotPlan, add_stat_schemes};

/// Snapshots, as typed.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SnapshotArgs {
    /// Without BPF: take COUNT snapshots through DAMON's sysfs files, the first after DELAY and
    /// each DELAY after the one before; a number is in seconds
    #[arg(long, num_args = 2, value_names = ["DELAY", "COUNT"], conflicts_with_all = ["ring", "debug_bpf"])]
    snapshot: Option<Vec<String>>,

    /// Tell of each region how much of it passes: allow|reject [none] anon and so on, as
    /// --damos_filter; may be repeated
    #[arg(long = "snapshot_damos_filter", num_args = 1.., value_name = "FILTER", requires = "snapshot", hide_short_help = true)]
    filter: Vec<String>,
}

/// Snapshots that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshots {
    delay: Duration,
    count: u64,
    filters: Vec<Filter>,
}

impl SnapshotArgs {
    /// What was asked for, if anything.
    ///
    /// # Errors
    /// It cannot be right.
    pub fn snapshots(&self) -> Result<Option<Snapshots>, UsageError> {
        let refused =
            |error: &dyn ToString| UsageError(format!("--snapshot: {}", error.to_string()));
        let (delay, count) = match self.snapshot.as_deref() {
            None => return Ok(None),
            Some([delay, count]) => (delay, count),
            Some(_) => return Err(refused(&"once is enough")),
        };
        let (own, _) = self.filter.split_at(words_of_filters(&self.filter));
        let asked = Snapshots {
            delay: parse_timeout(delay).map_err(|error| refused(&error))?,
            count: number(count).map_err(|error| refused(&error))?,
            filters: filters_of("snapshot_damos_filter", own)?,
        };
        match asked.count {
            0 => Err(refused(&format!(
                "{delay} 0: at least one snapshot is to be taken"
            ))),
            _ => Ok(Some(asked)),
        }
    }

    /// Words behind the filters that belong to none: the target.
    pub fn swallowed(&self) -> &[String] {
        self.filter.split_at(words_of_filters(&self.filter)).1
    }
}

impl Snapshots {
    /// What is to be done.
    pub fn plan(self, ours: Ours, recording: Plan) -> SnapshotPlan {
        SnapshotPlan {
            ours,
            recording,
            delay: self.delay,
            count: self.count,
            filters: self.filters,
        }
    }

    /// Adds to what DAMON is told, to show it.
    ///
    /// # Errors
    /// This kernel has no such snapshots.
    pub fn show_in(&self, params: &mut Params) -> anyhow::Result<()> {
        let system = System::live();
        let features = Features::read(&system.admin(), system.release).unwrap_or_default();
        add_stat_schemes(params, &self.filters, &features)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::control::params::FilterKind;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: SnapshotArgs,
        #[arg(long)]
        ring: Option<String>,
        #[arg(long = "debug-bpf")]
        debug_bpf: bool,
    }

    fn parse(words: &[&str]) -> SnapshotArgs {
        let words = std::iter::once("damo").chain(words.iter().copied());
        Line::try_parse_from(words).unwrap().args
    }

    #[test]
    fn a_delay_a_count_and_filters() {
        assert_eq!(parse(&[]).snapshots().unwrap(), None);
        let args = parse(&[
            "--snapshot",
            "1.5",
            "1,000",
            "--snapshot_damos_filter",
            "allow",
            "anon",
            "reject",
            "none",
            "young",
            "4242",
        ]);
        let asked = args.snapshots().unwrap().unwrap();
        assert_eq!(asked.delay, Duration::from_millis(1500));
        assert_eq!(asked.count, 1000);
        let kinds: Vec<_> = asked
            .filters
            .iter()
            .map(|it| (&it.kind, it.matching, it.allow))
            .collect();
        assert_eq!(
            kinds,
            [
                (&FilterKind::Anon, true, true),
                (&FilterKind::Young, false, false)
            ]
        );
        assert_eq!(args.swallowed(), ["4242"]);
        assert_eq!(
            parse(&["--snapshot", "5ms", "1"]).snapshots().unwrap(),
            Some(Snapshots {
                delay: Duration::from_millis(5),
                count: 1,
                filters: Vec::new(),
            })
        );
    }

    #[test]
    fn what_cannot_be_right_is_told() {
        for (words, said) in [
            (&["--snapshot", "soon", "1"][..], "--snapshot: 'soon'"),
            (&["--snapshot", "1", "x"], "--snapshot: "),
            (&["--snapshot", "1", "0"], "at least one"),
            (&["--snapshot", "1", "2", "--snapshot", "1", "2"], "once"),
            (
                &["--snapshot", "1", "1", "--snapshot_damos_filter", "allow"],
                "--snapshot_damos_filter allow: ",
            ),
            (
                &["--snapshot", "1", "1", "--snapshot_damos_filter", "anon"],
                "--snapshot_damos_filter anon: ",
            ),
        ] {
            let error = parse(words).snapshots().unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        let alone = ["damo", "--snapshot_damos_filter", "allow", "anon"];
        assert!(Line::try_parse_from(alone).is_err());
        // Without BPF there is neither a ring nor anything that it logs.
        let words = ["damo", "--snapshot", "1", "1"];
        for other in [&["--ring", "4KiB"][..], &["--debug-bpf"]] {
            assert!(Line::try_parse_from([&words[..], other].concat()).is_err());
        }
        let line = Line::try_parse_from(words).unwrap();
        assert!(line.ring.is_none() && !line.debug_bpf);
    }
}
