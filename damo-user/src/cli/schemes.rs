//! `damo schemes`: DAMON with schemes, for as long as the command runs.

use std::io::{Write, stderr};
use std::time::Duration;

use anyhow::{Result, bail};

use super::request::RequestArgs;
use super::{Outcome, UsageError, record};
use crate::control::params::Params;
use crate::watch::{self, Ended, Holding};

/// Apply schemes to memory, until the target ends
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  echo \"2M max  90 max  100ms max  hugepage\" > my_thp_scheme
  sudo damo schemes --schemes my_thp_scheme $(pidof foo)
  sudo damo schemes --damos_action pageout --damos_age 60s max \"./workload\"")]
pub struct Args {
    #[command(flatten)]
    request: RequestArgs,

    /// Stop after this time; a number is in seconds
    #[arg(long, value_name = "TIME", value_parser = record::parse_timeout)]
    timeout: Option<Duration>,
}

/// Runs the command.
///
/// # Errors
/// DAMON could not be switched on, or not be put back.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome> {
    let request = args.request.request()?;
    let bare = |params: &Params| params.contexts().all(|(.., c)| c.schemes.is_empty());
    if bare(&request.params) {
        let text = "there are no schemes; name them with --schemes or --damos_action";
        return Err(UsageError(text.to_owned()).into());
    }
    if args.request.dry_run {
        return request.print(out);
    }
    let holding = Holding {
        params: request.params,
        command: request.command,
        as_root: args.request.as_root,
        options: request.options,
        timeout: args.timeout,
    };
    record::announce(holding.command.as_ref());
    let ended = watch::hold(holding, || {
        let _ = writeln!(stderr(), "damo: schemes are applied");
    })?;
    match ended {
        Ended::SwitchedOff => bail!("DAMON was switched off before the end, by somebody else"),
        Ended::Target(Some(status)) => Ok(Outcome::Child(status.code())),
        Ended::Target(None) | Ended::Timeout | Ended::Signal => Ok(Outcome::Done),
    }
}
