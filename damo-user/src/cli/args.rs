//! `damo args`: what options mean, without doing it.

use std::io::Write;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Subcommand, ValueEnum};
use serde_json::Value;

use super::params::{Deduced, ParamArgs, is_json, parse_params, text_or_file};
use super::{Outcome, UsageError, target};
use crate::control::params::{Kdamond, Params, Region, yaml_of};
use crate::sys::command_line::CommandLine;
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

    /// Leave out what is as by default
    #[arg(long = "omit_defaults")]
    omit_defaults: bool,

    /// Put the kdamonds behind those of a file
    #[arg(long, value_name = "FILE", group = "edit")]
    add: Option<String>,

    /// Print a file's kdamonds without one of them
    #[arg(long, num_args = 2, value_names = ["FILE", "INDEX"], group = "edit")]
    remove: Option<Vec<String>>,

    /// Put the kdamond in the place of one of a file
    #[arg(long, num_args = 2, value_names = ["FILE", "INDEX"], group = "edit")]
    replace: Option<Vec<String>>,

    /// Write to a file, which may be the one that is edited
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    #[command(flatten)]
    params: ParamArgs,
}

/// A form to print parameters in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// An object with kdamonds
    Json,
    /// The same as yaml
    Yaml,
    /// For people
    Report,
}

/// Runs the command.
///
/// # Errors
/// What was typed cannot be right.
pub fn run(args: Args, out: &mut dyn Write) -> Result<Outcome> {
    let Kind::Damon(args) = args.kind;
    args.run(out)
}

impl Format {
    /// Prints one of the two, whose making may take time.
    pub(super) fn print(
        self,
        json: impl FnOnce() -> Value,
        text: impl FnOnce() -> String,
        out: &mut dyn Write,
    ) -> Result<()> {
        match self {
            Format::Json => {
                serde_json::to_writer_pretty(&mut *out, &json())?;
                writeln!(out)?;
            }
            Format::Yaml => out.write_all(yaml_of(&json())?.as_bytes())?,
            Format::Report => out.write_all(text().as_bytes())?,
        }
        Ok(())
    }
}

impl DamonArgs {
    fn run(&self, out: &mut dyn Write) -> Result<Outcome> {
        if self.out.is_some() && self.format == Format::Report {
            let message = "--out: a report cannot be read back; use --format json or yaml";
            return Err(UsageError(message.to_owned()).into());
        }
        let params = self.edited()?;
        let json = || match self.omit_defaults {
            true => params.to_json_without_defaults(self.raw),
            false => params.to_json(self.raw),
        };
        let text = || match self.omit_defaults {
            true => params.report_without_defaults(self.raw),
            false => params.report(self.raw),
        };
        match &self.out {
            None => self.format.print(json, text, out)?,
            Some(path) => {
                let mut content = Vec::new();
                self.format.print(json, text, &mut content)?;
                save(path, &content)?;
            }
        }
        Ok(Outcome::Done)
    }

    /// The parameters of the options, or a file's with these in them.
    fn edited(&self) -> Result<Params> {
        if let Some(file) = &self.add {
            let mut params = params_of("--add", file)?;
            params.kdamonds.extend(self.typed()?.kdamonds);
            return valid(params);
        }
        if let Some([file, index]) = self.remove.as_deref() {
            if !self.target.is_empty() || !self.params.is_empty() {
                let message = "--remove: takes only a file and the number of a kdamond in it; leave the rest out";
                return Err(UsageError(message.to_owned()).into());
            }
            let mut params = params_of("--remove", file)?;
            let index = index_of("--remove", file, index, params.kdamonds.len())?;
            params.kdamonds.remove(index);
            return valid(params);
        }
        if let Some([file, index]) = self.replace.as_deref() {
            let mut params = params_of("--replace", file)?;
            let index = index_of("--replace", file, index, params.kdamonds.len())?;
            let typed = self.typed()?.kdamonds;
            let count = typed.len();
            let (Ok([kdamond]), Some(place)) = (
                <[Kdamond; 1]>::try_from(typed),
                params.kdamonds.get_mut(index),
            ) else {
                return Err(UsageError(format!(
                    "--replace {file} {index}: the options say {count} kdamonds; one takes the place of one"
                ))
                .into());
            };
            *place = kdamond;
            return valid(params);
        }
        self.typed()
    }

    /// The parameters of the options and of the target.
    fn typed(&self) -> Result<Params> {
        let typed: Vec<&String> = self.target.iter().chain(self.params.swallowed()).collect();
        let words: Vec<&str> = typed
            .iter()
            .flat_map(|word| word.split_whitespace())
            .collect();
        self.params.take_target(words.join(" ").as_ref())?;
        let pids = match words.is_empty() {
            true => Some(Vec::new()),
            false => target::pids(&words.iter().map(Into::into).collect::<Vec<_>>())?,
        };
        let deduced = match (words.as_slice(), pids) {
            (["paddr"], _) => Deduced {
                physical: true,
                pids: Vec::new(),
                ram: ram(),
            },
            // `--ops paddr` says as much without the argument.
            (_, Some(pids)) => Deduced {
                physical: false,
                pids,
                ram: ram(),
            },
            (words, None) => return self.of_file(&typed, words),
        };
        Ok(self.params.params(&deduced)?)
    }

    /// The parameters of a file, or of the json that was typed as the target.
    fn of_file(&self, typed: &[&String], words: &[&str]) -> Result<Params> {
        let words = words.join(" ");
        let text = match typed {
            [text] if is_json(text) => (*text).clone(),
            [file] if Path::new(file).is_file() => std::fs::read_to_string(file)
                .map_err(|error| UsageError(format!("{file}: {error}")))?,
            // What it would watch is known when it runs; it is not for this
            // command to start it.
            _ if CommandLine::parse(&words).is_ok_and(|line| line.check().is_ok()) => {
                return Err(UsageError(format!(
                    "{words}: this is a command, and has a process id only when it runs; `damo args` starts nothing: name a running process, paddr or a file with parameters"
                ))
                .into());
            }
            _ => {
                return Err(UsageError(format!(
                    "{words}: neither process ids, nor paddr, nor a file with parameters"
                ))
                .into());
            }
        };
        self.params.leave_all_to(&words)?;
        valid(parse_params(&words, &text)?)
    }
}

/// A file's parameters, or those typed instead of its name.
fn params_of(option: &str, file: &str) -> Result<Params> {
    let text = text_or_file(option, file)?;
    if text == file && !is_json(file) {
        return Err(UsageError(format!("{option} {file}: there is no such file")).into());
    }
    Ok(parse_params(&format!("{option} {file}"), &text)?)
}

fn index_of(option: &str, file: &str, index: &str, count: usize) -> Result<usize> {
    let found = index.parse().ok().filter(|index: &usize| *index < count);
    let message = || format!("{option} {file} {index}: it has {count} kdamonds, counted from 0");
    Ok(found.ok_or_else(|| UsageError(message()))?)
}

fn valid(params: Params) -> Result<Params> {
    params
        .validate()
        .map_err(|error| UsageError(error.to_string()))?;
    Ok(params)
}

/// Writes a file as a whole, or leaves it as it was.
fn save(path: &Path, content: &[u8]) -> Result<()> {
    let (name, error) = (path.display(), "cannot be written");
    if path.exists() && !path.is_file() {
        return std::fs::write(path, content).with_context(|| format!("{name}: {error}"));
    }
    let file = path.file_name().context(format!("{name}: names no file"))?;
    let mut new = file.to_owned();
    new.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(new);
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&new)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| std::fs::rename(&new, path));
    if written.is_err() {
        // The error that counts is the first.
        let _ = std::fs::remove_file(&new);
    }
    written.with_context(|| format!("{name}: {error}"))
}

/// The physical memory; none where only root may know.
fn ram() -> Vec<Region> {
    let ranges = iomem::system_ram().unwrap_or_default();
    ranges
        .into_iter()
        .map(|(start, end)| Region { start, end })
        .collect()
}
