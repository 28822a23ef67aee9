//! Waiting, within tokio, for a descriptor to become readable.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor that tells when it becomes readable: edge-triggered, so
/// whoever is told takes everything before waiting again.
#[derive(Debug)]
pub struct Readiness(AsyncFd<OwnedFd>);

impl Readiness {
    /// Watches a descriptor. Called within a tokio runtime with I/O.
    ///
    /// # Errors
    /// The descriptor is of a kind that cannot be waited for.
    pub fn of(fd: OwnedFd) -> io::Result<Readiness> {
        // SAFETY: an OwnedFd is open, belongs to nobody else, and answers with
        // the same number for as long as it lives, which is within the AsyncFd.
        let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        Ok(Readiness(fd?))
    }

    /// Waits until it becomes readable.
    ///
    /// # Errors
    /// The runtime is being shut down.
    pub async fn wait(&self) -> io::Result<()> {
        // Cleared before anything is taken, so that what comes meanwhile
        // tells again.
        self.0.readable().await?.clear_ready();
        Ok(())
    }
}
