//! `damo status`, also called `damo report damon`: what DAMON is set to, who
//! runs, and what schemes have done. Only kdamonds of our own are asked for
//! fresh numbers.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};

use super::args::Format;
use super::params::is_json;
use super::request::InterfaceArg;
use super::{Outcome, UsageError, recorders};
use crate::control::params::{FormError, Params};
use crate::control::results::{
    Results, SchemeResults, Stats, Unit, read_cpu_usage, read_debugfs_results, read_results,
};
use crate::control::{Interface, System, others, refresh};
use crate::model::units::{format_number, format_size};
use crate::sys::tell::tell;

/// What DAMON's sysfs files say, who runs, and what schemes have done
///
/// Kdamonds that `damo start` began are asked for fresh numbers first; of
/// others, what their files say is printed.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("only"))]
pub struct Args {
    /// Form to print
    #[arg(long, value_enum, default_value = "report")]
    format: Format,

    /// The same as --format json
    #[arg(long, hide = true, conflicts_with = "format")]
    json: bool,

    /// Print numbers without units
    #[arg(long)]
    raw: bool,

    /// Print what kdamonds use of the processors, too
    #[arg(long = "show_cpu_usage")]
    show_cpu_usage: bool,

    /// Print only a line for each kdamond
    #[arg(long = "kdamonds_summary", group = "only")]
    kdamonds_summary: bool,

    /// Who records, and how it goes
    #[arg(long, group = "only", conflicts_with = "input_file")]
    recorder: bool,

    /// Print only the statistics of schemes
    #[arg(long = "damos_stats", group = "only")]
    damos_stats: bool,

    /// Statistics to print
    #[arg(long = "damos_stat_fields", value_name = "FIELD", num_args = 1.., requires = "damos_stats",
          value_parser = PossibleValuesParser::new(Stats::NAMES))]
    damos_stat_fields: Vec<String>,

    /// Ask for the regions that schemes try now, which takes up to an apply
    /// interval
    #[arg(long = "damos_tried_regions", conflicts_with_all = ["omit_damos_tried_regions", "input_file"])]
    damos_tried_regions: bool,

    /// Leave out the regions that schemes tried
    #[arg(long = "omit_damos_tried_regions")]
    omit_damos_tried_regions: bool,

    /// Print only the parameters
    #[arg(long = "damon_params", group = "only")]
    damon_params: bool,

    /// Print only the parameters that are not as by default
    #[arg(long = "damon_params_omit_defaults", group = "only")]
    damon_params_omit_defaults: bool,

    /// Which of DAMON's interfaces to read: sysfs where it is, else debugfs
    #[arg(long, value_enum, default_value = "auto")]
    interface: InterfaceArg,

    /// Read a file that --format json or yaml made, not the kernel
    #[arg(
        long = "input_file",
        value_name = "FILE",
        conflicts_with = "show_cpu_usage"
    )]
    input_file: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// DAMON's files, or the one named, cannot be read.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome> {
    let format = if args.json { Format::Json } else { args.format };
    if args.recorder {
        return recorders::run(format, out);
    }
    let (params, mut results, others) = match &args.input_file {
        Some(path) => {
            let (params, results) = saved(path)?;
            (params, results, Vec::new())
        }
        None => current(args)?,
    };
    if args.omit_damos_tried_regions {
        results.forget_tried_regions();
    }
    let (raw, fields) = (args.raw, args.damos_stat_fields.as_slice());
    if args.kdamonds_summary {
        format.print(|| summary_json(&results, raw), || summary(&results), out)?;
    } else if args.damos_stats {
        let text = || stats(&results, fields, raw);
        format.print(|| stats_json(&results, fields, raw), text, out)?;
    } else if args.damon_params {
        format.print(|| params.to_json(raw), || params.report(raw), out)?;
    } else if args.damon_params_omit_defaults {
        let text = || params.report_without_defaults(raw);
        format.print(|| params.to_json_without_defaults(raw), text, out)?;
    } else {
        let text = || match params.kdamonds.is_empty() {
            true => "no kdamonds\n".to_owned(),
            false => params.report_with(&results, raw),
        };
        format.print(|| results.to_json(&params, raw), text, out)?;
        if let Format::Report = format {
            for other in others {
                writeln!(out, "{other} is on")?;
            }
        }
    }
    Ok(Outcome::Done)
}

/// A line for each kdamond.
fn summary(results: &Results) -> String {
    let lines = results.kdamonds.iter().enumerate();
    lines
        .map(|(k, kdamond)| format!("{k}\t{kdamond}\n"))
        .collect()
}

fn summary_json(results: &Results, raw: bool) -> Value {
    let kdamonds = results.kdamonds.iter();
    kdamonds
        .map(|kdamond| Value::Object(kdamond.summary(raw)))
        .collect()
}

/// Statistics of every scheme, under its place if there are several; a single
/// one without its name.
fn stats(results: &Results, fields: &[String], raw: bool) -> String {
    let schemes: Vec<_> = results.schemes().collect();
    let mut text = String::new();
    for ([k, c, s], scheme) in &schemes {
        if schemes.len() > 1 {
            text += &format!("kdamond {k} / context {c} / scheme {s}\n");
        }
        let stats = scheme.stats.unwrap_or_default();
        for (name, value, unit) in stats.all() {
            let value = match unit {
                _ if raw => value.to_string(),
                Unit::Count => format_number(value),
                Unit::Bytes => format_size(value as f64),
            };
            match fields {
                [] => text += &format!("{name}: {value}\n"),
                [only] if only == name => text += &format!("{value}\n"),
                several if several.len() > 1 && several.iter().any(|field| field == name) => {
                    text += &format!("{name}: {value}\n");
                }
                _ => {}
            }
        }
        if schemes.len() > 1 {
            text.push('\n');
        }
    }
    text
}

/// A list of pairs: whose, and what.
fn stats_json(results: &Results, fields: &[String], raw: bool) -> Value {
    let pair = |([k, c, s], scheme): ([usize; 3], &SchemeResults)| {
        let stats = scheme.stats.unwrap_or_default();
        json!([{ "kdamond": k, "context": c, "scheme": s }, stats.to_json(fields, raw)])
    };
    results.schemes().map(pair).collect()
}

/// What DAMON's files say now, and which modules run DAMON besides.
fn current(args: &Args) -> Result<(Params, Results, Vec<others::Module>)> {
    let system = System::live();
    let interface = Interface::choose(&system, args.interface.into())?;
    if let Err(error) = refresh(&system, args.damos_tried_regions) {
        // What the files say is still worth reading.
        tell(format_args!("damo: these numbers are not fresh: {error}"));
    }
    let params = interface.read()?;
    let mut results = match &interface {
        Interface::Sysfs(tree, _) => read_results(tree)?,
        Interface::Debugfs(debugfs) => read_debugfs_results(debugfs)?,
    };
    if args.show_cpu_usage {
        read_cpu_usage(&mut results, &system.proc_tree());
    }
    let running = others::modules(&system)?;
    let modules = running.into_iter().map(|running| running.module);
    Ok((params, results, modules.collect()))
}

/// What a file says that this command, or the peer's, has made.
fn saved(path: &Path) -> Result<(Params, Results)> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("{name}: cannot be read"))?;
    let read = || match is_json(&text) {
        true => Ok::<_, FormError>((Params::from_json(&text)?, Results::from_json(&text)?)),
        false => Ok((Params::from_yaml(&text)?, Results::from_yaml(&text)?)),
    };
    Ok(read().map_err(|error| UsageError(format!("{name}: {error}")))?)
}
