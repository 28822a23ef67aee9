//! `damo monitor`: what is being recorded, shown while that goes on. One
//! recording writes segments, and each is shown when it is closed: nothing
//! falls between two views.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{IsTerminal, Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use super::Outcome;
use super::report::Page;
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
/// Rows of the picture, and lines of functions.
const ROWS: usize = 16;
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
    let shown = runtime.block_on(async {
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
                () = signals.next() => return Ok(true),
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        Ok::<_, anyhow::Error>(false)
    });
    // Also if nobody reads any longer.
    let ended = monitor.end();
    match shown? {
        // A recorder that had not begun yet says that it failed.
        true => Ok(Outcome::Done),
        false => ended.map(|()| Outcome::Done),
    }
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
        let target = self.args.target.join(OsStr::new(" "));
        let target = target.to_string_lossy();
        let target = crate::model::printable(&target);
        let seconds = self.args.delay.as_secs_f64();
        writeln!(
            out,
            "# {target}, view {} of {seconds} s",
            self.shown.saturating_add(1)
        )?;
        let profile = self.profile.take().and_then(Profile::end);
        let page = Page {
            record: &path,
            footprints: &path,
            profile: profile.as_deref(),
            rows: ROWS,
            functions: FUNCTIONS,
        };
        match self.args.report_type {
            ReportType::Heats => page.heats(out)?,
            ReportType::Wss => page.wss(out)?,
            ReportType::Holistic => page.write(out)?,
        };
        if let Some(profile) = profile {
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
    fn end(&mut self) -> Result<()> {
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

impl Drop for Monitor<'_> {
    /// A recorder that is killed, as helpers are, puts nothing back.
    fn drop(&mut self) {
        let _ = self.recorder.end(GRACE);
    }
}

/// Whether it was not the target's own exit code.
fn failed(status: ExitStatus) -> bool {
    matches!(status.code(), Some(1 | 2))
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
}
