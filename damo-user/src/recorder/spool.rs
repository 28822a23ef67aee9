//! A thread of its own for writing: a disk that stalls for seconds must not
//! keep the ring from being drained, nor a signal from being heard.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use bytes::Bytes;

use crate::store::Sink;

/// Writes that may wait for the disk: about a minute of frames at usual rates.
const QUEUE: usize = 64;

/// A [`Sink`] that hands each write to a thread. While the queue is full, it
/// refuses writes: the frame counts as lost, and the next may fit. Once the
/// thread has failed, every later call fails with the same error.
pub struct Spool {
    jobs: Option<SyncSender<Job>>,
    disk: DiskState,
    thread: Option<JoinHandle<()>>,
}

/// What others may know of the thread, and tell it.
#[derive(Clone, Debug, Default)]
pub struct DiskState(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    failed: OnceLock<i32>,
    patient: AtomicBool,
}

impl DiskState {
    /// Why nothing can be written any more, if that is so.
    pub fn failure(&self) -> Option<io::Error> {
        self.0
            .failed
            .get()
            .map(|&errno| io::Error::from_raw_os_error(errno))
    }

    /// Whether a thread still writes.
    pub fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// From now on, waits for room in the queue: when there is nothing left
    /// that must not wait.
    pub fn wait_for_room(&self) {
        self.0.patient.store(true, Ordering::Relaxed);
    }

    fn fail(&self, error: &io::Error) {
        // The first error is the one to tell.
        let _ = self.0.failed.set(error.raw_os_error().unwrap_or(EIO));
    }
}

/// Something to do with what was written so far.
type Work = Box<dyn FnOnce(&File) -> io::Result<()> + Send>;

enum Job {
    Write(Bytes),
    Sync,
    Then(Work),
}

impl Spool {
    /// Starts the thread. The file is written at its current position.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(file: File) -> io::Result<Spool> {
        Spool::with_room(file, || false)
    }

    /// As [`Spool::start`]; a full disk asks `make_room` whether there may be
    /// room now.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn with_room(
        file: File,
        mut make_room: impl FnMut() -> bool + Send + 'static,
    ) -> io::Result<Spool> {
        let (jobs, queue) = sync_channel::<Job>(QUEUE);
        let disk = DiskState::default();
        let state = disk.clone();
        let thread = std::thread::Builder::new()
            .name("damo-writer".to_owned())
            .spawn(move || {
                let mut disk = Disk { file, whole: 0 };
                for job in queue {
                    if let Err(error) = disk.run(job, &mut make_room) {
                        // Ends the queue: whoever sends next sees the error.
                        return state.fail(&error);
                    }
                }
            })?;
        Ok(Spool {
            jobs: Some(jobs),
            disk,
            thread: Some(thread),
        })
    }

    /// What others may know of the thread.
    pub fn disk(&self) -> DiskState {
        self.disk.clone()
    }

    /// Has the thread do something when everything until now is written; not,
    /// if the disk fails before, or does not keep up.
    /// Its error is the disk's.
    pub fn then(&mut self, work: impl FnOnce(&File) -> io::Result<()> + Send + 'static) {
        let _ = self.send(Job::Then(Box::new(work)));
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    /// The first error of the thread.
    pub fn finish(mut self) -> io::Result<()> {
        self.join();
        self.disk.failure().map_or(Ok(()), Err)
    }

    fn join(&mut self) {
        self.jobs = None;
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            // It panicked; what it did not write is lost.
            self.disk.fail(&io::Error::from_raw_os_error(EIO));
        }
    }

    /// Whether there was room.
    fn send(&mut self, job: Job) -> io::Result<bool> {
        let Some(jobs) = &self.jobs else {
            return Err(self
                .disk
                .failure()
                .unwrap_or_else(|| io::Error::from_raw_os_error(EIO)));
        };
        let sent = match self.disk.0.patient.load(Ordering::Relaxed) {
            true => jobs.send(job).map_err(|_| TrySendError::Disconnected(())),
            false => jobs.try_send(job).map_err(|error| match error {
                TrySendError::Full(_) => TrySendError::Full(()),
                TrySendError::Disconnected(_) => TrySendError::Disconnected(()),
            }),
        };
        match sent {
            Ok(()) => Ok(true),
            Err(TrySendError::Full(())) => Ok(false),
            Err(TrySendError::Disconnected(())) => {
                // The thread is gone: wait for its last word.
                self.join();
                Err(self
                    .disk
                    .failure()
                    .unwrap_or_else(|| io::Error::from_raw_os_error(EIO)))
            }
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
        match self.send(Job::Write(Bytes::copy_from_slice(bytes)))? {
            true => Ok(bytes.len()),
            false => Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                "the disk does not keep up",
            )),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Spool {
    /// Asks for a sync and does not wait for it; while the queue is full there
    /// is no room for one, and it is to be asked for again.
    fn sync(&mut self) -> io::Result<()> {
        match self.send(Job::Sync)? {
            true => Ok(()),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

const EIO: i32 = rustix::io::Errno::IO.raw_os_error();

/// The file, and how much of it consists of whole writes.
struct Disk {
    file: File,
    whole: u64,
}

impl Disk {
    fn run(&mut self, job: Job, make_room: &mut impl FnMut() -> bool) -> io::Result<()> {
        match job {
            Job::Sync => self.file.sync_data(),
            Job::Then(work) => work(&self.file),
            Job::Write(bytes) => loop {
                let Err(error) = self.file.write_all(&bytes) else {
                    self.whole += bytes.len() as u64;
                    return Ok(());
                };
                // Half a frame is of no use; without it the file ends well.
                let whole = Sink::truncate(&mut self.file, self.whole);
                let full = error.kind() == io::ErrorKind::StorageFull;
                if !full || whole.is_err() || !make_room() {
                    return Err(error);
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
        spool.disk().wait_for_room();
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
        spool.disk().wait_for_room();
        let error = (0..10_000)
            .find_map(|_| spool.write_all(b"x").err())
            .expect("a full disk is noticed");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(
            spool.finish().unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
    }
    #[test]
    fn a_full_queue_refuses_and_goes_on() {
        let (reader, writer) = io::pipe().unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(writer));
        let mut spool = Spool::start(file).unwrap();
        // Nobody reads: the pipe fills, then the queue.
        let chunk = [7; 4096];
        let mut accepted = 0u64;
        let error = loop {
            match spool.write_all(&chunk) {
                Ok(()) => accepted += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(spool.disk().failure().is_none());
        let drain = std::thread::spawn(move || io::copy(&mut { reader }, &mut io::sink()));
        spool.disk().wait_for_room();
        spool.write_all(&chunk).unwrap();
        spool.finish().unwrap();
        assert_eq!(drain.join().unwrap().unwrap(), (accepted + 1) * 4096);
    }
}
