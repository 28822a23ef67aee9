//! `damo record --summary`: how often, and what it cannot be used with.

use std::time::Duration;

use super::UsageError;
use super::record::parse_timeout;

/// Summaries instead of a stream.
#[derive(Clone, Debug, clap::Args)]
pub struct SummaryArgs {
    /// Record no regions, but count in the kernel: bytes by access rate and by idle
    /// time, and working sets; a few hundred bytes each time
    #[arg(
        long,
        conflicts_with_all = [
            "snapshot", "max_cpu", "schemes_target_regions",
            "sz_region", "access_rate", "age", "address",
        ]
    )]
    summary: bool,

    /// How often the counts of --summary are written; a number is in seconds
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        requires = "summary",
        value_parser = parse_every
    )]
    every: Duration,
}

impl SummaryArgs {
    /// Whether summaries are wanted.
    pub fn is_wanted(&self) -> bool {
        self.summary
    }

    /// How often there is to be one, if at all. `access`: whether what DAMON finds
    /// is recorded.
    ///
    /// # Errors
    /// It is not.
    pub fn every(&self, access: bool) -> Result<Option<Duration>, UsageError> {
        if self.summary && !access {
            let text = "--summary: is of what DAMON finds; add access to --do_record";
            return Err(UsageError(text.to_owned()));
        }
        Ok(self.summary.then_some(self.every))
    }
}

/// A second to a day.
fn parse_every(text: &str) -> Result<Duration, String> {
    let every = parse_timeout(text).map_err(|error| error.to_string())?;
    let day = Duration::from_secs(86_400);
    match (Duration::from_secs(1)..=day).contains(&every) {
        true => Ok(every),
        false => Err("must be 1s to 1d".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::record::Args;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn parse(words: &str) -> Result<Args, String> {
        let words = std::iter::once("record").chain(words.split_whitespace());
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        Ok(cli.args)
    }

    #[test]
    fn summaries_come_as_often_as_typed() {
        let every = |words: &str| {
            let args = parse(words)?;
            args.summary.every(true).map_err(|error| error.to_string())
        };
        let minute = Duration::from_secs(60);
        assert_eq!(every("paddr"), Ok(None));
        assert_eq!(every("--summary paddr"), Ok(Some(minute)));
        let ten = Ok(Some(Duration::from_secs(10)));
        assert_eq!(every("--summary --every 10 paddr"), ten);
        for (words, says) in [
            ("--every 10s paddr", "--summary"),
            ("--summary --every 0 paddr", "1s to 1d"),
            ("--summary --every 2d paddr", "1s to 1d"),
            ("--summary --max-cpu 1% paddr", "--max-cpu"),
            ("--summary --snapshot 1 2 paddr", "--snapshot"),
            ("--summary --age 1 2 paddr", "--age"),
            (
                "--summary --schemes_target_regions paddr",
                "--schemes_target_regions",
            ),
        ] {
            let error = every(words).unwrap_err();
            assert!(error.contains(says), "{words}: {error}");
        }
        let args = parse("--summary --do_record footprint -- paddr").unwrap();
        assert!(args.summary.every(false).is_err());
    }
}
