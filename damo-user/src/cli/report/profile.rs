//! `damo report profile`: what `perf report` says of the profile beside a record,
//! for the times at which something in the record fits.

use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

use super::times;
use crate::analyze::Losses;
use crate::cli::filters::FilterArgs;
use crate::cli::snapshot_filters::SnapshotFilterArgs;
use crate::model::printable;

/// The program, looked for in `PATH`.
const PERF: &str = "perf";

/// The kernel takes no longer arguments than 128 KiB.
const LONGEST: usize = 100_000;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  damo record --do_record access cpu_profile -- ./workload
  damo report profile --access_rate 50 100 --address 0x7f0000000000 0x7fffffffffff")]
pub struct Args {
    /// Record, and the profile that was made beside it
    #[arg(long, num_args = 2, value_names = ["FILE", "PROFILE"],
          default_values = ["damon.data", "damon.data.profile"])]
    inputs: Vec<PathBuf>,
    /// The program to run
    #[arg(long = "perf_path", value_name = "PATH", default_value = PERF)]
    perf_path: OsString,
    #[command(flatten)]
    regions: FilterArgs,
    #[command(flatten)]
    snapshots: SnapshotFilterArgs,
}

pub fn run(args: &Args, out: &mut dyn Write) -> Result<Losses> {
    let [data, profile] = args.inputs.as_slice() else {
        bail!("--inputs: once is enough");
    };
    let (found, losses) = times::found(data, &args.regions, &args.snapshots)?;
    let times = joined(found.into_iter().flat_map(|of| of.times).collect());
    if times.is_empty() {
        bail!("nothing in {} fits; widen the filters", data.display());
    }
    let count = times.len();
    let times = slices(&times);
    if times.len() > LONGEST {
        bail!(
            "{count} spells fit, more than perf takes; narrow the filters, or see damo report times"
        );
    }
    if !profile.exists() {
        bail!(
            "{}: there is no such profile; make one with damo record --do_record access cpu_profile",
            profile.display()
        );
    }
    let mut command = Command::new(&args.perf_path);
    command
        .arg("report")
        .arg("--input")
        .arg(profile)
        .args(["--time", &times]);
    // It prints, or shows it on the terminal, by itself.
    out.flush()?;
    let status = match command.status() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(no_perf(&args.perf_path)),
        status => status.with_context(|| format!("{} report", args.perf_path.display()))?,
    };
    match status.success() {
        true => Ok(losses),
        false => bail!("perf report failed ({status})"),
    }
}

/// All of the times, each once, in order.
fn joined(mut times: Vec<Range<u64>>) -> Vec<Range<u64>> {
    times.sort_unstable_by_key(|time| time.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for time in times {
        match joined.last_mut() {
            Some(last) if time.start <= last.end => last.end = last.end.max(time.end),
            _ => joined.push(time),
        }
    }
    joined
}

/// As perf takes them: seconds, with a space between two.
fn slices(times: &[Range<u64>]) -> String {
    let seconds = |ns: u64| format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
    let slice = |time: &Range<u64>| format!("{},{}", seconds(time.start), seconds(time.end));
    times.iter().map(slice).collect::<Vec<_>>().join(" ")
}

fn no_perf(perf: &OsStr) -> anyhow::Error {
    anyhow::anyhow!(
        "there is no {} to read a profile (Debian: apt install linux-perf)",
        perf.display()
    )
}

/// The functions that take most of the time, a line each, at most `lines`.
///
/// # Errors
/// There is no perf, or it cannot read the profile.
pub fn hot_functions(profile: &Path, lines: usize) -> Result<String> {
    let mut command = Command::new(PERF);
    command
        .args([
            "report",
            "--stdio",
            "--quiet",
            "--no-children",
            "--sort",
            "comm,dso,symbol",
        ])
        .arg("--input")
        .arg(profile);
    let output = said(PERF.as_ref(), command)?;
    Ok(top(&String::from_utf8_lossy(&output.stdout), lines))
}

/// The first lines that say something.
fn top(text: &str, lines: usize) -> String {
    let telling = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
    let lines = text.lines().filter(telling).take(lines);
    lines
        .map(|line| format!("{}\n", printable(line.trim_end())))
        .collect()
}

/// Runs perf to its end.
fn said(perf: &OsStr, mut command: Command) -> Result<Output> {
    let output = match command.stdin(Stdio::null()).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(no_perf(perf)),
        output => output.with_context(|| format!("{} report", perf.display()))?,
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().find(|line| !line.trim().is_empty());
        bail!(
            "perf report failed ({}): {}",
            output.status,
            printable(line.unwrap_or("it said nothing"))
        );
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        std::fs::write(
            &data,
            "kdamond.0 1 [000] 1.0: damon:damon_aggregated: target_id=0 nr_regions=1 4096-8192: 1 1\n\
             kdamond.0 1 [000] 1.1: damon:damon_aggregated: target_id=0 nr_regions=1 4096-8192: 0 1\n",
        )
        .unwrap();
        let run = |perf: &str, profile: &str, region: &str| {
            let line = [
                "profile",
                "--perf_path",
                perf,
                "--sz_region",
                region,
                region,
                "--inputs",
            ];
            let line = line.map(OsString::from).into_iter();
            let line = line.chain([data.clone().into(), dir.path().join(profile).into()]);
            let command = <Args as clap::Args>::augment_args(clap::Command::new("profile"));
            let matches = command.try_get_matches_from(line).unwrap();
            let args = <Args as clap::FromArgMatches>::from_arg_matches(&matches).unwrap();
            super::run(&args, &mut Vec::new()).map_err(|error| error.to_string())
        };
        let error = run("true", "data", "1G").unwrap_err();
        assert!(error.contains("widen the filters"), "{error}");
        let error = run("true", "missing", "4K").unwrap_err();
        assert!(error.contains("cpu_profile"), "{error}");
        let error = run("/nowhere/perf", "data", "4K").unwrap_err();
        assert!(error.contains("apt install"), "{error}");
        let error = run("false", "data", "4K").unwrap_err();
        assert!(error.contains("perf report failed"), "{error}");
        run("true", "data", "4K").unwrap();
    }

    #[test]
    fn times_are_given_as_perf_takes_them() {
        let times = joined(vec![5..7, 1_500_000_000..1_500_000_009, 1..3, 2..4, 7..8]);
        assert_eq!(times, [1..4, 5..8, 1_500_000_000..1_500_000_009]);
        assert_eq!(
            slices(&times[1..]),
            "0.000000005,0.000000008 1.500000000,1.500000009"
        );
    }

    #[test]
    fn lines_that_say_nothing_are_left_out() {
        let text = "\n# Overhead\n\n  70.00%  a  [k] f \n  20.00%  b  [.] \x1b[31mg\n  9%  c\n";
        assert_eq!(
            top(text, 2),
            "  70.00%  a  [k] f\n  20.00%  b  [.] \\u{1b}[31mg\n"
        );
        assert_eq!(top("", 2), "");
    }

    #[test]
    fn no_perf_is_told_with_what_to_do() {
        let error = said("perf".as_ref(), Command::new("/nowhere/perf")).unwrap_err();
        assert!(error.to_string().contains("apt install"), "{error}");
        let mut command = Command::new("sh");
        command.args(["-c", "echo >&2 broken; exit 3"]);
        let error = said("perf".as_ref(), command).unwrap_err();
        assert!(error.to_string().contains("broken"), "{error}");
    }
}
