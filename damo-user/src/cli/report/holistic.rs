//! `damo report holistic`: accesses, memory and hot functions on one page.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::hot_functions;
use crate::cli::{Outcome, dispatch, is_broken_pipe, one_line, tree};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Record to read
    #[arg(
        short,
        long,
        visible_alias = "access_pattern",
        value_name = "FILE",
        default_value = "damon.data"
    )]
    input: PathBuf,
    /// Record with the memory of the processes [default: the same]
    #[arg(long, value_name = "FILE")]
    footprints: Option<PathBuf>,
    /// Profile that was made beside it [default: the record's name with .profile]
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// More rows and more functions
    #[arg(long)]
    long: bool,
}

/// What is shown.
pub struct Page<'a> {
    pub record: &'a Path,
    pub footprints: &'a Path,
    pub profile: Option<&'a Path>,
    /// Rows of the picture.
    pub rows: usize,
    /// Lines of functions.
    pub functions: usize,
}

pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome> {
    let usual = {
        let mut name = args.input.clone().into_os_string();
        name.push(".profile");
        PathBuf::from(name)
    };
    let profile = args.profile.clone().or(usual.exists().then_some(usual));
    // What is wrong with the record itself is no part of the page.
    crate::cli::watch::open(&args.input)?;
    let (rows, functions) = if args.long { (40, 40) } else { (10, 10) };
    let page = Page {
        record: &args.input,
        footprints: args.footprints.as_deref().unwrap_or(&args.input),
        profile: profile.as_deref(),
        rows,
        functions,
    };
    page.write(out)
}

impl Page<'_> {
    /// Writes the picture alone.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn heats(&self, out: &mut dyn Write) -> Result<Outcome> {
        let rows = self.rows.to_string();
        let words = ["heats", "--heatmap", "stdout", "--resol", &rows, "80"];
        report(&words, self.record, out)
    }

    /// Writes the working set sizes alone.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn wss(&self, out: &mut dyn Write) -> Result<Outcome> {
        let words = ["wss", "--collapse_targets", "--exclude_samples", "0"];
        report(&words, self.record, out)
    }

    /// Writes the page; what a record does not have is told in its place.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn write(&self, out: &mut dyn Write) -> Result<Outcome> {
        let mut outcome = self.heats(out)?;
        writeln!(out, "\n# working set sizes")?;
        outcome = worse(outcome, self.wss(out)?);
        writeln!(out, "\n# memory of the processes")?;
        outcome = worse(
            outcome,
            report(&["footprints", "rss"], self.footprints, out)?,
        );
        writeln!(out, "\n# functions that take the time")?;
        match self
            .profile
            .map(|profile| hot_functions(profile, self.functions))
        {
            None => writeln!(
                out,
                "# there is no profile; see damo record --do_record cpu_profile"
            )?,
            Some(Ok(text)) => out.write_all(text.as_bytes())?,
            Some(Err(error)) => writeln!(out, "# {}", one_line(&error))?,
        }
        Ok(outcome)
    }
}

fn worse(one: Outcome, other: Outcome) -> Outcome {
    match one {
        Outcome::Done => other,
        lost => lost,
    }
}

/// Prints a report of a record, as it would be typed; what is wrong with it is
/// printed in its place.
///
/// # Errors
/// `out` cannot be written.
fn report(words: &[&str], record: &Path, out: &mut dyn Write) -> Result<Outcome> {
    let start = ["damo", "report"].iter().chain(words).map(OsString::from);
    let input = [OsStr::new("--input"), record.as_os_str()].map(OsStr::to_owned);
    let done = match tree::parse(start.chain(input).collect()) {
        Ok(cli) => dispatch(cli.command, out),
        Err(error) => Err(error.into()),
    };
    match done {
        Err(error) if !is_broken_pipe(&error) => {
            writeln!(out, "# {}", one_line(&error))?;
            Ok(Outcome::Done)
        }
        done => done,
    }
}
