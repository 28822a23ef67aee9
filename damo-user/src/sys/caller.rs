//! The user on whose behalf root works: the one who typed `sudo`.

use std::env;
use std::path::PathBuf;

use super::users;

/// Why the caller cannot be known. Running a command as root instead would
/// give it rights that nobody meant to give.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// A variable of sudo's is not what sudo writes.
    #[error(
        "{variable}='{value}' is not an id; unset SUDO_UID and SUDO_GID to run as root altogether"
    )]
    NotAnId {
        /// The environment variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// A user without a group.
    #[error(
        "SUDO_UID={uid} is set without SUDO_GID, and no such user is known; unset SUDO_UID to run as root altogether"
    )]
    NoGroup {
        /// The user.
        uid: u32,
    },
    /// The system's user database fails.
    #[error("cannot look up the groups of user {uid}: {source}")]
    Lookup {
        /// The user.
        uid: u32,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A user with everything that a process of theirs has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// All group ids.
    pub groups: Vec<u32>,
    /// Login name, or the user id where there is none.
    pub name: String,
    /// Home folder, where known.
    pub home: Option<PathBuf>,
}

impl Caller {
    /// Who called sudo; `None` if nobody did, if root did, or if this process
    /// is not root anyway.
    ///
    /// # Errors
    /// See [`CallerError`].
    pub fn from_env() -> Result<Option<Caller>, CallerError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        Caller::from_vars(|name| {
            env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    /// As [`Caller::from_env`] for root, with the environment given.
    ///
    /// # Errors
    /// See [`CallerError`].
    pub fn from_vars(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Caller>, CallerError> {
        let id = |name: &'static str| {
            variable(name)
                .map(|value| {
                    parse_id(&value).ok_or(CallerError::NotAnId {
                        variable: name,
                        value,
                    })
                })
                .transpose()
        };
        let (Some(uid), gid) = (id("SUDO_UID")?, id("SUDO_GID")?) else {
            return Ok(None);
        };
        if uid == 0 {
            return Ok(None);
        }
        let lookup = |source| CallerError::Lookup { uid, source };
        let account = users::account(uid).map_err(lookup)?;
        let gid = gid
            .or_else(|| account.as_ref().map(|account| account.gid))
            .ok_or(CallerError::NoGroup { uid })?;
        Ok(Some(match account {
            Some(account) => Caller {
                uid,
                gid,
                groups: users::groups(&account.name, gid).map_err(lookup)?,
                name: account.name,
                home: Some(account.home),
            },
            // A user that no database knows has no further groups.
            None => Caller {
                uid,
                gid,
                groups: vec![gid],
                name: uid.to_string(),
                home: None,
            },
        }))
    }

    /// Owner for files made on the caller's behalf.
    pub fn owner(&self) -> (u32, u32) {
        (self.uid, self.gid)
    }
}

/// Digits only; the largest number means "no change" to the kernel.
fn parse_id(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|&id| id != u32::MAX)
}
