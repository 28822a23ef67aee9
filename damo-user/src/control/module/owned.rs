//! Which modules damo has enabled: a note per module in `/run/damo/modules`.
//!
//! The kernel keeps no owner. A note holds for the boot that it was written in,
//! and for the kdamond that it names, where the kernel tells which that is.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::ModuleError;
use crate::control::others::{Module, Thread};
use crate::control::ownership::store;
use crate::sys::clock;

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
        let Some(note) = store::read::<Note>(&self.path(module)) else {
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
        store::write(&path, &note).map_err(|source| ModuleError::Note { path, source })
    }

    /// Forgets the module.
    ///
    /// # Errors
    /// [`ModuleError::Note`].
    pub fn remove(&self, module: Module) -> Result<(), ModuleError> {
        let path = self.path(module);
        store::remove(&path).map_err(|source| ModuleError::Note { path, source })
    }
}
