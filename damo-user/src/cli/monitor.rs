//! `damo monitor`: what is being recorded, shown while that goes on. One
//! recording writes segments, and each is shown when it is closed: nothing
//! falls between two views.

use std::ffi::OsString;
use std::fs::File;
use std::io::{IsTerminal, Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use super::report::hot_functions;
use super::{Outcome, dispatch, is_broken_pipe, one_line, tree};
use crate::import;
use crate::model::units::{self, TimeUnit};
use crate::recorder::Profile;
use crate::store::segment_name;
use crate::sys::helper::Helper;
use crate::watch::{self, Signals};

/// Record, and show what comes, again and again
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo damo monitor $(pidof postgres)
  sudo damo monitor paddr --report_type wss --delay 10s
  sudo damo monitor ongoing --report_type holistic --count 1")]
pub struct Args {
    /// What to watch, as for damo record: a command line, process ids, paddr, or ongoing
    #[arg(value_name = "TARGET", required = true)]
    target: Vec<OsString>,

    /// What to show
    #[arg(long = "report_type", value_enum, default_value = "heats")]
    report_type: ReportType,

    /// Time that each view is of, 1 s at least; a number is in seconds
    #[arg(long, value_name = "TIME", default_value = "3", value_parser = parse_delay)]
    delay: Duration,

    /// How many views; 0 for no end but the target's
    #[arg(long, value_name = "N", default_value = "0")]
    count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReportType {
    /// Access frequency over time and address
    Heats,
    /// Distribution of working set sizes
    Wss,
    /// Heats, working set, memory, and which functions take the time (by perf)
    Holistic,
}

/// How often it is looked for a closed segment.
const LOOK: Duration = Duration::from_millis(50);
/// How long the recorder may take to put DAMON back.
const GRACE: Duration = Duration::from_secs(60);
/// Lines of functions.
const FUNCTIONS: usize = 10;

fn parse_delay(text: &str) -> Result<Duration, String> {
    let ns = units::parse_time_ns(text, TimeUnit::S).map_err(|error| error.to_string())?;
    match Duration::from_nanos(ns) {
        delay if delay < Duration::from_secs(1) => Err("must be 1 s at least".to_owned()),
        delay => Ok(delay),
    }
}

/// Runs the command.
///
/// # Errors
/// It cannot be recorded, or `out` cannot be written.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<Outcome> {
    let folder = tempfile::tempdir().context("no temporary folder; set TMPDIR to another")?;
    // From before the recorder starts: it has to end before we do.
    let runtime = watch::runtime()?;
    let _inside = runtime.enter();
    let mut signals = Signals::listen()?;
    let mut monitor = Monitor::start(args, folder.path())?;
    runtime.block_on(async {
        while args.count == 0 || monitor.shown < args.count {
            if monitor.show(out)? {
                continue;
            }
            if monitor.recorder.has_ended()? {
                // Closed since it was looked for.
                while monitor.show(out)? {}
                break;
            }
            tokio::select! {
                () = signals.next() => break,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        Ok::<_, anyhow::Error>(())
    })?;
    monitor.end()?;
    Ok(Outcome::Done)
}

struct Monitor<'a> {
    args: &'a Args,
    folder: &'a Path,
    recorder: Helper,
    /// What the recorder says.
    said: File,
    profile: Option<Profile>,
    /// The next segment.
    number: u32,
    shown: u64,
}

impl<'a> Monitor<'a> {
    /// Starts a recorder into a folder below `folder`.
    fn start(args: &'a Args, folder: &'a Path) -> Result<Monitor<'a>> {
        let said = tempfile::tempfile()?;
        let ms = |time: Duration| format!("{}ms", time.as_millis());
        let mut command = Command::new("/proc/self/exe");
        command
            .args(["record", "--rotate", &ms(args.delay)])
            // Segments are removed after they were shown; this is for when that takes long.
            .args(["--keep-age", &ms(args.delay.saturating_mul(10))])
            .arg("--out")
            .arg(folder.join("record"))
            .arg("--")
            .args(&args.target)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said.try_clone()?)
            // Ctrl-C is for us: we end it.
            .process_group(0);
        let mut monitor = Monitor {
            args,
            folder,
            recorder: Helper::start(command).context("cannot start the recorder")?,
            said,
            profile: None,
            number: 0,
            shown: 0,
        };
        monitor.begin_profile()?;
        Ok(monitor)
    }

    fn segment(&self, number: u32) -> PathBuf {
        self.folder.join("record").join(segment_name(number))
    }

    /// Shows the next segment, if it is closed: whether it was.
    fn show(&mut self, out: &mut dyn Write) -> Result<bool> {
        let path = self.segment(self.number);
        match import::open(&path) {
            Ok(record) if record.about().closed == Some(true) => {}
            // Removed, since we were slow.
            Err(_) if self.segment(self.number.saturating_add(1)).exists() && !path.exists() => {
                self.number = self.number.saturating_add(1);
                return Ok(true);
            }
            _ => return Ok(false),
        }
        if std::io::stdout().is_terminal() {
            // To the top left, and nothing below.
            write!(out, "\x1b[H\x1b[J")?;
        } else if self.shown > 0 {
            writeln!(out)?;
        }
        let target = self.args.target.join(std::ffi::OsStr::new(" "));
        let target = target.to_string_lossy();
        let target = crate::model::printable(&target);
        let seconds = self.args.delay.as_secs_f64();
        writeln!(
            out,
            "# {target}, view {} of {seconds} s",
            self.shown.saturating_add(1)
        )?;
        let profile = self.profile.take().and_then(Profile::end);
        for words in reports_of(self.args.report_type) {
            report(&words, &path, out)?;
        }
        if let Some(profile) = profile {
            writeln!(out, "# functions that take the time")?;
            match hot_functions(&profile, FUNCTIONS) {
                Ok(text) => out.write_all(text.as_bytes())?,
                Err(error) => writeln!(out, "# {}", one_line(&error))?,
            }
            let _ = std::fs::remove_file(profile);
        }
        out.flush()?;
        let _ = std::fs::remove_file(path);
        self.begin_profile()?;
        self.number = self.number.saturating_add(1);
        self.shown = self.shown.saturating_add(1);
        Ok(true)
    }

    fn begin_profile(&mut self) -> Result<()> {
        if self.args.report_type == ReportType::Holistic {
            let path = self.folder.join("view");
            self.profile = Profile::start(&path, 0o600, None, &[])?;
        }
        Ok(())
    }

    /// Ends the recorder, and waits until DAMON is put back.
    fn end(mut self) -> Result<()> {
        drop(self.profile.take());
        let status = self.recorder.end(GRACE)?;
        let said = self.last_words();
        // Why nothing could be recorded is what the user wants to know.
        match self.shown == 0 && failed(status) {
            true => bail!("{said}"),
            false => Ok(()),
        }
    }

    /// The last line of what the recorder said.
    fn last_words(&mut self) -> String {
        let mut text = String::new();
        let read = self
            .said
            .rewind()
            .and_then(|()| (&self.said).take(64 << 10).read_to_string(&mut text));
        let line = text.lines().rev().find(|line| !line.trim().is_empty());
        match (read, line) {
            (Ok(_), Some(line)) => line.trim_start_matches("damo: ").to_owned(),
            _ => "the recorder failed and said nothing; try damo record".to_owned(),
        }
    }
}

/// The reports of a view, as they would be typed.
fn reports_of(report_type: ReportType) -> Vec<Vec<&'static str>> {
    let heats = vec!["heats", "--heatmap", "stdout", "--resol", "16", "80"];
    let wss = vec!["wss", "--collapse_targets", "--exclude_samples", "0"];
    match report_type {
        ReportType::Heats => vec![heats],
        ReportType::Wss => vec![wss],
        ReportType::Holistic => vec![heats, wss],
    }
}

/// Whether it was not the target's own exit code.
fn failed(status: ExitStatus) -> bool {
    matches!(status.code(), Some(1 | 2))
}

/// Prints a report of a segment; what is wrong with it is printed in its place.
fn report(words: &[&str], segment: &Path, out: &mut dyn Write) -> Result<()> {
    let start = ["damo", "report"].iter().chain(words);
    let mut line: Vec<OsString> = start.map(OsString::from).collect();
    line.extend(["--input".into(), segment.into()]);
    let done = match tree::parse(line) {
        Ok(cli) => dispatch(cli.command, out),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(_) => Ok(()),
        Err(error) if is_broken_pipe(&error) => Err(error),
        Err(error) => Ok(writeln!(out, "# {}", one_line(&error))?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_a_second_at_least() {
        assert_eq!(parse_delay("3"), Ok(Duration::from_secs(3)));
        assert_eq!(parse_delay("1.5s"), Ok(Duration::from_millis(1500)));
        for bad in ["0", "999ms", "x"] {
            assert!(parse_delay(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reports_of_every_type_are_as_they_are_typed() {
        for report_type in ReportType::value_variants() {
            for words in reports_of(*report_type) {
                let line = ["damo", "report"].iter().chain(&words).map(OsString::from);
                tree::parse(line.collect()).unwrap();
            }
        }
    }
}
