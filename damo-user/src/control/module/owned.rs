//! Which modules damo has enabled: a note per module in `/run/damo/modules`.
//!
//! The kernel keeps no owner. A note holds for the boot that it was written in,
//! and for the kdamond that it names, where the kernel tells which that is.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::ModuleError;
use crate::control::others::Module;
use crate::sys::clock;

/// A kdamond, as nothing else can be: thread ids come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// Its id.
    pub tid: u32,
    /// When it started, in clock ticks after boot.
    pub start_ticks: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    boot_id: String,
    /// Wall clock, nanoseconds since 1970.
    enabled_at_ns: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    kdamond: Option<Thread>,
}

/// The notes.
#[derive(Clone, Debug)]
pub struct Notes {
    dir: PathBuf,
    boot_id: String,
}

impl Notes {
    /// Notes in `dir`, which is made when there is something to write.
    pub fn new(dir: PathBuf, boot_id: String) -> Notes {
        Notes { dir, boot_id }
    }

    fn path(&self, module: Module) -> PathBuf {
        self.dir.join(module.name())
    }

    /// Whether damo has enabled what runs now. Damaged notes are none.
    pub fn ours(&self, module: Module, now: Option<Thread>) -> bool {
        let Ok(text) = fs::read(self.path(module)) else {
            return false;
        };
        let Ok(note) = serde_json::from_slice::<Note>(&text) else {
            return false;
        };
        let same_thread = match (note.kdamond, now) {
            (Some(noted), Some(now)) => noted == now,
            _ => true,
        };
        note.boot_id == self.boot_id && same_thread
    }

    /// Writes down that damo has enabled the module.
    ///
    /// # Errors
    /// [`ModuleError::Note`].
    pub fn write(&self, module: Module, kdamond: Option<Thread>) -> Result<(), ModuleError> {
        let path = self.path(module);
        let note = Note {
            boot_id: self.boot_id.clone(),
            enabled_at_ns: clock::wall_ns(),
            kdamond,
        };
        self.store(&path, &note)
            .map_err(|source| ModuleError::Note { path, source })
    }

    fn store(&self, path: &Path, note: &Note) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)?;
        let mut new = path.as_os_str().to_owned();
        new.push(format!(".{}", std::process::id()));
        let new = PathBuf::from(new);
        // A process of this id may have been killed here.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        let written = serde_json::to_writer(&file, note)
            .map_err(io::Error::from)
            .and_then(|()| file.write_all(b"\n"))
            .and_then(|()| fs::rename(&new, path));
        if written.is_err() {
            // The first error counts.
            let _ = fs::remove_file(&new);
        }
        written
    }

    /// Forgets the module.
    ///
    /// # Errors
    /// [`ModuleError::Note`].
    pub fn remove(&self, module: Module) -> Result<(), ModuleError> {
        let path = self.path(module);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(ModuleError::Note { path, source })
            }
            _ => Ok(()),
        }
    }
}
