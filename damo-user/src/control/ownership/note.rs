//! Which kdamonds are ours, who made them so, and the way back.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::store;
use crate::control::interface::{Interface, SavedBy};
use crate::control::others::{Module, Thread};
use crate::control::save::Saved;
use crate::control::session;
use crate::control::sysfs::FileError;
use crate::control::system::System;
use crate::sys::clock;
use crate::sys::process::Process;

/// A process that uses DAMON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// Its id.
    pub pid: u32,
    /// When it started, in clock ticks after boot; 0 if that is not known.
    pub start_ticks: u64,
    /// What was typed.
    pub command: String,
}

impl By {
    /// This process.
    pub fn myself() -> By {
        let pid = std::process::id();
        let words: Vec<String> = std::env::args_os()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        By {
            pid,
            start_ticks: Process::find(pid).map_or(0, |process| process.start_ticks),
            command: words.join(" "),
        }
    }

    /// Whether it still runs.
    pub fn is_alive(&self) -> bool {
        Process::find(self.pid).is_ok_and(|process| process.start_ticks == self.start_ticks)
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A command line may hold anything.
        let command: String = self.command.chars().take(200).collect();
        write!(f, "process {}, {:?}", self.pid, command)
    }
}

/// A kdamond that we switched on, or were about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Its folder's number.
    pub index: usize,
    /// Its thread, once known.
    pub thread: Option<Thread>,
}

/// What was done, and is to be undone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Note {
    /// The boot that all of this is about.
    pub boot_id: String,
    /// Who did it.
    pub by: By,
    /// Wall clock, nanoseconds since 1970.
    pub begun_ns: u64,
    /// It is meant to stay when its process ends, until `damo stop`.
    pub stays: bool,
    /// Parameters as they were before.
    pub saved: SavedBy,
    /// Parameters may be ours by now.
    pub staged: bool,
    /// Kdamonds that are ours.
    pub kdamonds: Vec<Claim>,
    /// Modules that were switched off for it.
    pub paused: Vec<Module>,
    /// Somebody else's kdamonds that were switched off for it, by `--force`.
    pub stopped: Vec<usize>,
    /// CLOCK_MONOTONIC of the last commit, in nanoseconds.
    #[serde(default)]
    pub committed_ns: Option<u64>,
    /// While a tune writes: what the files said before it.
    #[serde(default)]
    pub tuning: Option<Saved>,
}

impl Note {
    /// A new one of this process, not written yet.
    pub fn begin(boot_id: &str, saved: SavedBy) -> Note {
        Note {
            boot_id: boot_id.to_owned(),
            by: By::myself(),
            begun_ns: clock::wall_ns(),
            stays: false,
            saved,
            staged: false,
            kdamonds: Vec::new(),
            paused: Vec::new(),
            stopped: Vec::new(),
            committed_ns: None,
            tuning: None,
        }
    }

    /// Those of its kdamonds that are on.
    ///
    /// # Errors
    /// DAMON's files cannot be read.
    pub fn running(&self, system: &System) -> Result<Vec<Claim>, FileError> {
        let mut running = Vec::new();
        // Without its interface nothing of it can be on.
        let Ok(interface) = Interface::of(system, &self.saved) else {
            return Ok(running);
        };
        for claim in &self.kdamonds {
            if session::is_on(system, &interface, claim)? {
                running.push(*claim);
            }
        }
        Ok(running)
    }

    /// What its process left behind, in words.
    pub fn left(&self, system: &System) -> String {
        let mut left = Vec::new();
        match self.running(system) {
            Ok(running) => left.extend(running.iter().map(|claim| match claim.thread {
                Some(Thread { tid, .. }) => {
                    format!("kdamond {} (thread {tid}) on", claim.index)
                }
                None => format!("kdamond {} on", claim.index),
            })),
            Err(_) => left.push("kdamonds, perhaps, on".to_owned()),
        }
        if self.staged {
            left.push("DAMON's parameters changed".to_owned());
        }
        left.extend(self.paused.iter().map(|module| format!("{module} off")));
        let stopped = self.stopped.iter();
        left.extend(stopped.map(|index| format!("somebody else's kdamond {index} off")));
        let left = if left.is_empty() {
            "nothing but its note".to_owned()
        } else {
            left.join(", ")
        };
        format!("damo ({}) was killed and left {left}", self.by)
    }
}

/// Whose what runs is.
#[derive(Debug)]
pub enum Whose {
    /// Nothing was written down.
    Nobodys,
    /// A process that still runs.
    Process(Note),
    /// `damo start`'s, until `damo stop`.
    Ours(Note),
    /// A process was killed before it could put things back.
    Stale(Note),
}

/// Why a note cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot write down in {} what damo changes: {source}; nothing is changed without that",
    path.display()
)]
pub struct NoteError {
    path: PathBuf,
    source: io::Error,
}

/// The place of the note.
#[derive(Clone, Debug)]
pub struct Notes {
    path: PathBuf,
    boot_id: String,
}

impl Notes {
    /// In the folder `dir`.
    pub fn new(dir: &Path, boot_id: String) -> Notes {
        Notes {
            path: dir.join("kdamonds"),
            boot_id,
        }
    }

    /// What was written down in this boot.
    pub fn read(&self) -> Whose {
        let note: Option<Note> = store::read(&self.path);
        match note.filter(|note| note.boot_id == self.boot_id) {
            None => Whose::Nobodys,
            Some(note) if note.stays => Whose::Ours(note),
            Some(note) if note.by.is_alive() => Whose::Process(note),
            Some(note) => Whose::Stale(note),
        }
    }

    /// Writes it down.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn write(&self, note: &Note) -> Result<(), NoteError> {
        store::write(&self.path, note).map_err(|source| self.failed(source))
    }

    /// Forgets it.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn remove(&self) -> Result<(), NoteError> {
        store::remove(&self.path).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> NoteError {
        NoteError {
            path: self.path.clone(),
            source,
        }
    }
}
