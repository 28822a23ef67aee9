//! A thread of its own for writing: a disk that stalls for seconds must not
//! keep the ring from being drained.

use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use bytes::Bytes;

use crate::store::Sink;

/// Writes that may wait for the disk: about a minute of frames at usual rates.
const QUEUE: usize = 64;

/// A [`Sink`] that hands each write to a thread. Once the thread has failed,
/// every later call fails with the same error.
pub struct Spool {
    jobs: Option<SyncSender<Job>>,
    failed: Arc<OnceLock<i32>>,
    thread: Option<JoinHandle<()>>,
}

enum Job {
    Write(Bytes),
    Sync,
}

impl Spool {
    /// Starts the thread. The file is written at its current position.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(file: File) -> io::Result<Spool> {
        let (jobs, queue) = sync_channel::<Job>(QUEUE);
        let failed = Arc::new(OnceLock::new());
        let failure = Arc::clone(&failed);
        let thread = std::thread::Builder::new()
            .name("damo-writer".to_owned())
            .spawn(move || {
                let mut disk = Disk { file, whole: 0 };
                for job in queue {
                    if let Err(error) = disk.run(&job) {
                        // Ends the queue: whoever sends next sees the error.
                        let _ = failure.set(error.raw_os_error().unwrap_or(EIO));
                        return;
                    }
                }
            })?;
        Ok(Spool {
            jobs: Some(jobs),
            failed,
            thread: Some(thread),
        })
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    /// The first error of the thread.
    pub fn finish(mut self) -> io::Result<()> {
        self.join();
        self.check()
    }

    fn join(&mut self) {
        self.jobs = None;
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            // It panicked; what it did not write is lost.
            let _ = self.failed.set(EIO);
        }
    }

    fn send(&mut self, job: Job) -> io::Result<()> {
        self.check()?;
        let sent = self.jobs.as_ref().map(|jobs| jobs.send(job));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => {
                // The thread is gone: wait for its last word.
                self.join();
                self.check()?;
                Err(io::Error::from_raw_os_error(EIO))
            }
        }
    }

    fn check(&self) -> io::Result<()> {
        match self.failed.get() {
            Some(&errno) => Err(io::Error::from_raw_os_error(errno)),
            None => Ok(()),
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.join();
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(Job::Write(Bytes::copy_from_slice(bytes)))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Spool {
    /// Asks for a sync and does not wait for it.
    fn sync(&mut self) -> io::Result<()> {
        self.send(Job::Sync)
    }
}

const EIO: i32 = rustix::io::Errno::IO.raw_os_error();

/// The file, and how much of it consists of whole writes.
struct Disk {
    file: File,
    whole: u64,
}

impl Disk {
    fn run(&mut self, job: &Job) -> io::Result<()> {
        match job {
            Job::Sync => self.file.sync_data(),
            Job::Write(bytes) => match self.file.write_all(bytes) {
                Ok(()) => {
                    self.whole += bytes.len() as u64;
                    Ok(())
                }
                Err(error) => {
                    // Half a frame is of no use; without it the file ends well.
                    let _ = self.file.set_len(self.whole);
                    Err(error)
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_in_order_and_waits_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spooled");
        let mut spool = Spool::start(File::create(&path).unwrap()).unwrap();
        let mut expected = Vec::new();
        for n in 0..1000u32 {
            spool.write_all(&n.to_le_bytes()).unwrap();
            expected.extend(n.to_le_bytes());
        }
        spool.sync().unwrap();
        spool.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), expected);
    }

    #[test]
    fn passes_the_disks_error_on() {
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut spool = Spool::start(full).unwrap();
        // The first may still be accepted; the error comes with a later one.
        let error = (0..10_000)
            .find_map(|_| spool.write_all(b"x").err())
            .expect("a full disk is noticed");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(
            spool.finish().unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
    }
}
