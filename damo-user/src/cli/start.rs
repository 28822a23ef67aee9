//! `damo start`: DAMON on, to stay.

use std::io::Write;

use anyhow::Result;

use super::Outcome;
use super::request::RequestArgs;
use crate::watch::{self, Holding};

/// Switch DAMON on and leave it on
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo damo start $(pidof postgres)      watch running processes
  sudo damo start --damos_access_rate 0 0 --damos_sz_region 4K max \\
      --damos_age 60s max --damos_action pageout --target_pid 4242
  sudo damo start parameters.json        as `damo args damon` prints them
Then: damo status, damo tune, damo stop")]
pub struct Args {
    #[command(flatten)]
    request: RequestArgs,
}

/// Runs the command.
///
/// # Errors
/// DAMON could not be switched on; everything is as it was then.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome> {
    let request = args.request.request()?;
    if args.request.dry_run {
        return request.print(out);
    }
    watch::leave(Holding {
        params: request.params,
        command: request.command,
        as_root: args.request.as_root,
        options: request.options,
        timeout: None,
    })?;
    Ok(Outcome::Done)
}
