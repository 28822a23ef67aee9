//! DAMON's trace events as the kernel's own text, through an instance of tracefs
//! that is ours alone: nobody else's tracing is touched.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::model::similar;
use crate::sys::tracefs::{self, TracefsError};

/// Why events cannot be printed.
#[derive(Debug, thiserror::Error)]
pub enum TraceTextError {
    /// There is no tracefs.
    #[error(transparent)]
    Tracefs(#[from] TracefsError),
    /// The kernel has no event of that name.
    #[error("{typed}: this kernel's DAMON has no such event{near}; it has {known}")]
    NoEvent {
        /// As it was typed.
        typed: String,
        /// Which may have been meant, in words.
        near: String,
        /// All of them.
        known: String,
    },
    /// Anything else.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was to be done.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Which events to print, as typed; with or without `damon:`. None, or `all`:
/// every one.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// These.
    pub events: Vec<String>,
    /// But not these.
    pub without: Vec<String>,
}

/// Events that are being traced. Dropping it removes the instance.
#[derive(Debug)]
pub struct TraceText {
    folder: PathBuf,
    /// Closed before the folder goes.
    pipe: Option<File>,
}

impl TraceText {
    /// Begins to trace. Called on the main thread, before others start.
    ///
    /// # Errors
    /// See [`TraceTextError`]; nothing is traced then.
    pub fn start(wanted: &Wanted) -> Result<TraceText, TraceTextError> {
        let tracefs = tracefs::find_or_mount()?;
        let known = names(&tracefs.join("events/damon"))?;
        let events = wanted.of(&known)?;
        let folder = tracefs.join(format!("instances/damo-{}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| failed(&folder, "make an instance", error))?;
        let mut text = TraceText { folder, pipe: None };
        let path = text.folder.join("trace_pipe");
        let pipe = OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC)
            .open(&path)
            .map_err(|error| failed(&path, "open it", error))?;
        text.pipe = Some(pipe);
        for event in events {
            let path = text.folder.join("events/damon").join(event).join("enable");
            fs::write(&path, "1").map_err(|error| failed(&path, "switch it on", error))?;
        }
        Ok(text)
    }

    /// Reads whole lines, as far as there are any; 0 for none at the moment.
    ///
    /// # Errors
    /// The system refused.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TraceTextError> {
        let Some(pipe) = &mut self.pipe else {
            return Ok(0);
        };
        match pipe.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            read => read.map_err(|error| failed(&self.folder.join("trace_pipe"), "read it", error)),
        }
    }
}

impl Drop for TraceText {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // Of an instance that cannot be removed, nothing is left running at least.
        let _ = fs::write(self.folder.join("events/enable"), "0");
        let _ = fs::remove_dir(&self.folder);
    }
}

impl Wanted {
    /// The names of the events to trace, of those that there are.
    fn of(&self, known: &[String]) -> Result<Vec<String>, TraceTextError> {
        let find = |typed: &String| {
            let name = typed.strip_prefix("damon:").unwrap_or(typed);
            let found = known.iter().find(|known| *known == name).cloned();
            found.ok_or_else(|| TraceTextError::NoEvent {
                typed: typed.clone(),
                near: similar(name, known.iter().map(String::as_str))
                    .map_or(String::new(), |near| format!(", but {near}")),
                known: known.join(", "),
            })
        };
        let all = self.events.is_empty() || self.events.iter().any(|event| event == "all");
        let events: Vec<String> = match all {
            true => known.to_vec(),
            false => self.events.iter().map(find).collect::<Result<_, _>>()?,
        };
        let without: Vec<String> = self.without.iter().map(find).collect::<Result<_, _>>()?;
        Ok(events
            .into_iter()
            .filter(|event| !without.contains(event))
            .collect())
    }
}

/// The events in a folder, by name.
fn names(folder: &Path) -> Result<Vec<String>, TraceTextError> {
    let entries =
        fs::read_dir(folder).map_err(|error| failed(folder, "look for DAMON's events", error))?;
    let events = entries.flatten().filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = events
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

fn failed(path: &Path, action: &'static str, source: io::Error) -> TraceTextError {
    TraceTextError::Io {
        path: path.to_owned(),
        action,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_chosen_by_either_name() {
        let known = ["damon_aggregated", "damos_before_apply"].map(str::to_owned);
        let of = |events: &[&str], without: &[&str]| {
            let wanted = Wanted {
                events: events.iter().map(ToString::to_string).collect(),
                without: without.iter().map(ToString::to_string).collect(),
            };
            wanted.of(&known).map_err(|error| error.to_string())
        };
        assert_eq!(of(&[], &[]).unwrap(), known);
        assert_eq!(
            of(&["all"], &["damon:damon_aggregated"]).unwrap(),
            known[1..]
        );
        assert_eq!(of(&["damon_aggregated"], &[]).unwrap(), known[..1]);
        let error = of(&["damon:damon_agregated"], &[]).unwrap_err();
        assert!(error.contains(", but damon_aggregated; it has"), "{error}");
        assert!(of(&[], &["sched_switch"]).is_err());
    }
}
