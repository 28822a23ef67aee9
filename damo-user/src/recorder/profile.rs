//! `perf record` beside a recording, for where the processors' time goes.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::sys::helper::Helper;
use crate::sys::output::{Output, OutputError};
use crate::sys::tell::tell;

/// The program, looked for in `PATH`.
const PERF: &str = "perf";

/// Where it finds its output: under no name that somebody could have taken.
const OUTPUT: &str = "/proc/self/fd/0";

/// How long it may take to finish its file: it looks at every program that it
/// saw.
const GRACE: Duration = Duration::from_secs(30);

/// So much of what it says is looked at.
const SAID: u64 = 4096;

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
enum ProfileError {
    /// Its file.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// It is not installed.
    #[error("there is no perf to make it (Debian: apt install linux-perf)")]
    Missing,
    /// It cannot be started, or not be waited for.
    #[error("perf record: {0}")]
    Io(#[from] io::Error),
    /// It failed.
    #[error("perf record failed ({status}): {said}")]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// What it said of that.
        said: String,
    },
}

/// A profile that is being made. Dropping it kills perf and leaves no file.
///
/// To be started by a thread that stays until the end: see [`Helper`].
#[derive(Debug)]
pub struct Profile {
    perf: Helper,
    output: Output,
    /// What perf says.
    said: File,
}

impl Profile {
    /// Starts `perf record` for a recording into `record`: of the processes
    /// `pids` and what they start, or without any of the whole machine. The
    /// file will be `record` with `.profile`, of the permissions `mode` and of
    /// `owner` (user, group), as [`Output`] makes it. `None` if perf cannot be
    /// started, which is told on stderr.
    ///
    /// # Errors
    /// There can be no such file; nothing was started then.
    pub fn start(
        record: &Path,
        mode: u32,
        owner: Option<(u32, u32)>,
        pids: &[u32],
    ) -> Result<Option<Profile>, OutputError> {
        match Profile::begin(PERF.as_ref(), record, mode, owner, pids) {
            Ok(profile) => Ok(Some(profile)),
            Err(ProfileError::Output(error)) => Err(error),
            Err(error) => {
                tell(format_args!(
                    "damo: no cpu_profile: {error}; going on without it"
                ));
                Ok(None)
            }
        }
    }

    fn begin(
        program: &OsStr,
        record: &Path,
        mode: u32,
        owner: Option<(u32, u32)>,
        pids: &[u32],
    ) -> Result<Profile, ProfileError> {
        let output = Output::create(&beside(record), mode, owner)?;
        let said = tempfile::tempfile()?;
        let mut command = Command::new(program);
        // The record's clock, so that its times are those of the profile.
        command.args(["record", "--quiet", "--clockid=mono", "--output", OUTPUT]);
        let list: Vec<String> = pids.iter().map(u32::to_string).collect();
        match pids {
            [] => command.arg("--all-cpus"),
            _ => command.args(["--pid", &list.join(",")]),
        };
        command
            .stdin(output.file().try_clone()?)
            .stdout(Stdio::null())
            .stderr(said.try_clone()?);
        let perf = Helper::start(command).map_err(|error| match error.kind() {
            ErrorKind::NotFound => ProfileError::Missing,
            _ => error.into(),
        })?;
        Ok(Profile { perf, output, said })
    }

    /// Asks perf to end, without waiting: so that it has something to do while
    /// the recording is put back. [`Profile::end`] waits.
    pub fn interrupt(&self) {
        self.perf.interrupt();
    }

    /// Ends perf (SIGINT; SIGKILL 30 s later), waits for it and gives the file
    /// its name; what goes wrong is told on stderr. Gives the file's path, if
    /// there is one.
    pub fn end(self) -> Option<PathBuf> {
        match self.finish(GRACE) {
            Ok(path) => Some(path),
            Err(error) => {
                tell(format_args!("damo: no cpu_profile: {error}"));
                None
            }
        }
    }

    fn finish(mut self, grace: Duration) -> Result<PathBuf, ProfileError> {
        let status = self.perf.end(grace)?;
        // It finishes its file and ends by the signal that it was sent, or by
        // itself with its targets.
        let asked = status.success() || status.signal() == Some(Signal::SIGINT as i32);
        if !asked || self.output.file().metadata()?.len() == 0 {
            let said = self.last_words().unwrap_or_default();
            return Err(ProfileError::Failed { status, said });
        }
        self.output.keep()?;
        Ok(self.output.path().to_owned())
    }

    /// The beginning of what perf said, in a line.
    fn last_words(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.said.rewind()?;
        (&self.said).take(SAID).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        // `Error:` stands alone before what it is.
        let words: Vec<&str> = lines.take(3).collect();
        Ok(words.join(" "))
    }
}

/// `FILE.profile`.
fn beside(record: &Path) -> PathBuf {
    let mut name = record.file_name().unwrap_or_default().to_owned();
    name.push(".profile");
    record.with_file_name(name)
}

#[cfg(test)]
mod tests;
