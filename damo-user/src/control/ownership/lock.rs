//! One damo at a time: whoever changes DAMON's parameters holds a lock meanwhile.
//!
//! The kernel lets go of it when its process ends, however it ends.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{By, store};
use crate::control::sysfs::retry;

/// The longest holder's name that is read back.
const NAME_BYTES: u64 = 16 << 10;

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another damo has it.
    #[error(
        "another damo is changing DAMON ({holder}); waited {:.0} s; try again when it has ended",
        waited.as_secs_f64()
    )]
    Held {
        /// Who, as far as it is known.
        holder: String,
        /// How long it was tried.
        waited: Duration,
    },
    /// The file.
    #[error("cannot lock {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The lock. It is let go when this is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the folder `dir`, for `by`.
    ///
    /// # Errors
    /// Another process kept it for all of `patience`, or there is no such file.
    pub fn take(dir: &Path, by: &By, patience: Duration) -> Result<Lock, LockError> {
        let path = dir.join("lock");
        let failed = |source: io::Error| LockError::File {
            path: path.clone(),
            source,
        };
        store::make_folder(&path).map_err(failed)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)
            .map_err(failed)?;
        let locked = retry(
            patience,
            || flock(&file, FlockOperation::NonBlockingLockExclusive),
            |error| matches!(*error, Errno::WOULDBLOCK | Errno::INTR),
        );
        match locked {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(LockError::Held {
                    holder: holder(&mut file),
                    waited: patience,
                });
            }
            Err(error) => return Err(failed(error.into())),
        }
        // Who it is helps others; not being able to say so harms nobody.
        let _ = sign(&mut file, by);
        Ok(Lock { _file: file })
    }
}

fn sign(file: &mut File, by: &By) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(by.to_string().as_bytes())
}

fn holder(file: &mut File) -> String {
    let mut name = Vec::new();
    let _ = file.take(NAME_BYTES).read_to_end(&mut name);
    match String::from_utf8_lossy(&name).trim() {
        "" => "it has not said which".to_owned(),
        name => name.to_owned(),
    }
}
