//! `damo args`: what options mean, without doing it.
//! `damo status`: what DAMON is set to, in the same forms.

use std::io::Write;

use anyhow::Result;
use clap::{Subcommand, ValueEnum};

use super::params::{Deduced, ParamArgs, parse_params};
use super::{Outcome, UsageError};
use crate::control::params::{Params, Region, read};
use crate::control::{System, others};
use crate::sys::iomem;

/// Print what parameter options mean, as json, yaml or text
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// DAMON's parameters
    Damon(DamonArgs),
}

#[derive(Debug, clap::Args)]
struct DamonArgs {
    /// What to watch: process ids, `paddr`, or a json or yaml file
    #[arg(value_name = "TARGET")]
    target: Vec<String>,

    /// Form to print
    #[arg(long, value_enum, default_value = "json")]
    format: Format,

    /// Print numbers without units
    #[arg(long)]
    raw: bool,

    #[command(flatten)]
    params: ParamArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Json,
    Yaml,
    Report,
}

/// Runs the command.
///
/// # Errors
/// What was typed cannot be right.
pub fn run(args: Args, out: &mut dyn Write) -> Result<Outcome> {
    let Kind::Damon(args) = args.kind;
    print(&args.params()?, args.format, args.raw, out)?;
    Ok(Outcome::Done)
}

/// What DAMON's sysfs files say, and who runs; changes nothing
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Form to print
    #[arg(long, value_enum, default_value = "report")]
    format: Format,

    /// Print numbers without units
    #[arg(long)]
    raw: bool,
}

/// Runs `status`.
///
/// # Errors
/// DAMON's files cannot be read.
pub fn status(args: &StatusArgs, out: &mut dyn Write) -> Result<Outcome> {
    let system = System::live();
    let tree = system.damon()?;
    print(&read(&tree)?, args.format, args.raw, out)?;
    if let Format::Report = args.format {
        for kdamond in others::kdamonds(&system)? {
            writeln!(out, "{kdamond} is on")?;
        }
        for running in others::modules(&system)? {
            writeln!(out, "{} is on", running.module)?;
        }
    }
    Ok(Outcome::Done)
}

fn print(params: &Params, format: Format, raw: bool, out: &mut dyn Write) -> Result<()> {
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, &params.to_json(raw))?;
            writeln!(out)?;
        }
        Format::Yaml => out.write_all(params.to_yaml(raw)?.as_bytes())?,
        Format::Report => out.write_all(params.report(raw).as_bytes())?,
    }
    Ok(())
}

impl DamonArgs {
    fn params(&self) -> Result<Params> {
        let words: Vec<&str> = self
            .target
            .iter()
            .chain(self.params.swallowed())
            .flat_map(|word| word.split_whitespace())
            .collect();
        let pids: Option<Vec<u32>> = words.iter().map(|word| word.parse().ok()).collect();
        let deduced = match (words.as_slice(), pids) {
            (["paddr"], _) => Deduced {
                physical: true,
                ram: ram(),
                ..Deduced::default()
            },
            (_, Some(pids)) => Deduced {
                pids,
                ..Deduced::default()
            },
            ([file], None) => {
                if !self.params.is_empty() {
                    return Err(UsageError(format!(
                        "{file}: says everything; leave the other options out"
                    ))
                    .into());
                }
                let text = std::fs::read_to_string(file)
                    .map_err(|error| UsageError(format!("{file}: neither a process id, nor paddr, nor a file with parameters: {error}")))?;
                let params = parse_params(file, &text)?;
                params
                    .validate()
                    .map_err(|error| UsageError(error.to_string()))?;
                return Ok(params);
            }
            _ => {
                return Err(UsageError(format!(
                    "{}: name process ids, paddr or a file with parameters",
                    words.join(" ")
                ))
                .into());
            }
        };
        Ok(self.params.params(&deduced)?)
    }
}

/// The physical memory; none where only root may know.
fn ram() -> Vec<Region> {
    let ranges = iomem::system_ram().unwrap_or_default();
    ranges
        .into_iter()
        .map(|(start, end)| Region { start, end })
        .collect()
}
