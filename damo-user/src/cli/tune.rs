//! `damo tune`: other parameters for what runs.

use std::io::{Write, stderr};
use std::time::Duration;

use anyhow::Result;

use super::request::{print_write, tell_of_idle};
use super::target::{Deduction, TargetArgs};
use super::{Outcome, UsageError};
use crate::control::params::Params;
use crate::control::{Commit, System, Tuning};

/// Change what `damo start` began, while it runs
///
/// Only what is named changes: options of a context go to the context of their
/// position, those of a scheme to the scheme of their position. Lists that are
/// named, such as targets and filters, are replaced as a whole.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo damo tune --damos_quota_space 100MiB     only that of the first scheme
  sudo damo tune --sample 1ms --aggr 20ms
  sudo damo tune --replace parameters.json      everything else to its default")]
pub struct Args {
    #[command(flatten)]
    what: TargetArgs,

    /// Give everything that is not named its default again
    #[arg(long)]
    replace: bool,

    /// Commit the goals of quotas only, which disturbs nothing else
    #[arg(long = "quota_goals_only", conflicts_with = "replace")]
    quota_goals_only: bool,

    /// Change others' kdamonds, too
    #[arg(long)]
    force: bool,

    /// Print what would be written, and write nothing
    #[arg(long = "dry-run")]
    dry_run: bool,
}

/// A wait that is worth a word.
const LONG: Duration = Duration::from_secs(1);

/// Runs the command.
///
/// # Errors
/// Nothing of ours runs, or it cannot be changed so.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome> {
    if args.what.words().is_empty() && args.what.params.is_empty() {
        let text = "nothing to change; name it, as in --damos_quota_space 100MiB";
        return Err(UsageError(text.to_owned()).into());
    }
    let system = System::live();
    // What was typed is judged first, as far as it can be on its own.
    let deduction = args
        .what
        .deduce(args.replace, || Ok(system.damon().map(drop)?))?;
    let what = match args.quota_goals_only {
        true => Commit::QuotaGoals,
        false => Commit::Everything,
    };
    let mut tuning = Tuning::begin(&system, args.force, what)?;
    // Judged before anything is asked of DAMON.
    let writes = tuning.plan(&args.params(&deduction, tuning.before())?)?;
    if args.dry_run {
        for write in writes {
            print_write(&system.sysfs_admin, &write, out)?;
        }
        return Ok(Outcome::Done);
    }
    let pause = tuning.pause()?;
    if pause > LONG {
        let _ = writeln!(
            stderr(),
            "damo: waiting {:.0} s: on this kernel a change begins the aggregation anew, and the last change is not two aggregations old",
            pause.as_secs_f64()
        );
    }
    tuning.refresh()?;
    let params = args.params(&deduction, tuning.before())?;
    tell_of_idle(&params);
    tuning.commit(&params)?;
    Ok(Outcome::Done)
}

impl Args {
    /// What is to be set, where `before` is.
    fn params(&self, deduction: &Deduction, before: &Params) -> Result<Params, UsageError> {
        match deduction {
            Deduction::Params(params) => Ok(params.clone()),
            Deduction::Target(_, Some(command)) => Err(UsageError(format!(
                "{:?}: tune starts no command; name process ids",
                command.argv()
            ))),
            Deduction::Target(deduced, None) if self.replace => self.what.params.params(deduced),
            Deduction::Target(deduced, None) => self.what.params.applied_to(before, deduced),
        }
    }
}
