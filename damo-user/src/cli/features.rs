//! `damo features`.

use std::io::Write;

use clap::ValueEnum;

use super::Outcome;
use crate::control::features::{Found, Look};
use crate::render::{features_json, no_damon};
use crate::sys::tell::tell;

/// Which of DAMON's features this kernel has; nothing is changed to find out
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which to print
    #[arg(value_enum, default_value = "all")]
    which: Which,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    /// Names of those that are there
    Supported,
    /// Names of those that are not
    Unsupported,
    /// All, and whether they are there
    All,
    /// All, with the versions that have them
    Json,
}

/// Runs the command.
///
/// # Errors
/// `out` cannot be written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let look = Look::live();
    let features = look.features();
    let mut names = |wanted: fn(&Found) -> bool| {
        features
            .iter()
            .filter(|found| wanted(found))
            .try_for_each(|found| writeln!(out, "{}", found.feature.full_name()))
    };
    match args.which {
        Which::Supported => names(|found| found.available)?,
        Which::Unsupported => names(|found| !found.available)?,
        Which::All => {
            for found in &features {
                let name = found.feature.full_name();
                let supported = match found.available {
                    true => "Supported",
                    false => "Unsupported",
                };
                writeln!(out, "{name}: {supported}")?;
            }
        }
        Which::Json => {
            let json = features_json(&features);
            writeln!(out, "{}", serde_json::to_string_pretty(&json)?)?;
        }
    }
    if !look.has_damon() {
        for line in no_damon(&look) {
            tell(line);
        }
    }
    Ok(Outcome::Done)
}
