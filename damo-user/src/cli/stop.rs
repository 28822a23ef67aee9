//! `damo stop`: the end of what `damo start` began.

use std::io::Write;

use anyhow::Result;

use super::request::quoted;
use super::{Outcome, UsageError};
use crate::control::{Stop, System};

/// End what `damo start` began, and put back what was before
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Put back what a damo that was killed has left
    #[arg(long)]
    stale: bool,

    /// Switch others' kdamonds, DAMON_RECLAIM and DAMON_LRU_SORT off as well
    #[arg(long)]
    force: bool,

    /// Print what would be written, and write nothing
    #[arg(long = "dry-run")]
    dry_run: bool,
}

/// Runs the command.
///
/// # Errors
/// Nothing of ours runs, or not everything could be put back.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome> {
    if args.stale && args.force {
        let text = "--stale and --force: the first puts back, the second cannot; use one";
        return Err(UsageError(text.to_owned()).into());
    }
    let system = System::live();
    let stop = Stop::find(&system, args.stale, args.force)?;
    if args.dry_run {
        for (path, value) in stop.plan() {
            writeln!(out, "echo {} > {}", quoted(&value), path.display())?;
        }
        return Ok(Outcome::Done);
    }
    for note in stop.run()? {
        writeln!(out, "{note}")?;
    }
    Ok(Outcome::Done)
}
