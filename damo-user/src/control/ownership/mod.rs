//! What damo did to DAMON and has not undone yet, written down in `/run/damo`:
//! the kernel itself keeps no owner.
//!
//! A note is written before the first change and removed after everything is
//! back. One of a process that is gone tells what was left, and how it was
//! before.

mod lock;
mod note;
pub(crate) mod store;

pub use lock::{Lock, LockError};
pub use note::{By, Claim, Note, NoteError, Notes, Whose};
