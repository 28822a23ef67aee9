//! A record's end: its frames are made full, and the disk is waited for.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::mpsc;

use rustix::fs::fstatvfs;

use super::{Destination, lock};
use crate::analyze::Losses;
use crate::model::{ReadError, Record};
use crate::recorder::RecordError;
use crate::recorder::spool::DiskState;
use crate::store::{self, Reader, Segments, Stats};
use crate::sys::output::Output;

impl Destination {
    /// Closes the record, makes its frames full, and waits for the disk. `seen`
    /// is how many region samples there were in all, if that is known.
    ///
    /// # Errors
    /// The disk failed: what is kept is told.
    pub fn close(mut self, seen: Option<u64>) -> Result<Stats, RecordError> {
        let removed = self.is_removed();
        if let Some(disk) = self.disks.last() {
            disk.wait_for_room();
        }
        // Errors are the disk's, which keeps its first one.
        self.clock();
        let _ = self.writer.finish();
        let mut stats = self.stats();
        let mut spool = self.writer.into_sink();
        let (send, compacted) = mpsc::channel();
        let (output, segments) = (self.output, self.segments);
        spool.then({
            let segments = segments.clone();
            move |file| {
                let smaller = make_full(file, &lock(&output)).ok().flatten();
                let _ = send.send(smaller);
                if let Some(segments) = segments {
                    segments.remove_old();
                }
                Ok(())
            }
        });
        let finished = spool.finish();
        for thread in self.closing {
            // It has told of its errors.
            let _ = thread.join();
        }
        let failed = self.disks.iter().find_map(DiskState::failure);
        let removed = removed.then(|| io::ErrorKind::NotFound.into());
        if let Some(source) = finished.err().or(failed).or(removed) {
            let kept = kept(&self.path, self.options.uuid);
            // What was removed to make room had been recorded.
            let removed = segments.map_or(0, |segments| segments.removed_samples());
            let known = kept.saturating_add(removed);
            let lost = seen.unwrap_or(stats.samples).max(known) - known;
            let path = self.path;
            return Err(match source.kind() {
                io::ErrorKind::NotFound => RecordError::Removed { path, kept, lost },
                _ => RecordError::Broken {
                    path,
                    kept,
                    lost,
                    source,
                },
            });
        }
        match segments {
            Some(segments) => stats.bytes = segments.bytes(),
            None => {
                if let Ok(Some(smaller)) = compacted.recv() {
                    stats.bytes = smaller;
                }
            }
        }
        Ok(stats)
    }
}

/// Puts a file of full frames in place of a closed one of small frames. Gives
/// its size, if that was worth it.
pub(super) fn make_full(
    file: &File,
    output: &Output,
) -> Result<Option<u64>, Box<dyn std::error::Error>> {
    let mut reader = Reader::from_source(file.try_clone()?, output.path())?;
    if !reader.was_clean() || !store::is_worth_compacting(&reader) {
        return Ok(None);
    }
    // Twice the room, for a while, must not be what others lack.
    let free = fstatvfs(file)?;
    if free.f_bavail.saturating_mul(free.f_frsize) / 2 < file.metadata()?.len() {
        return Ok(None);
    }
    let full = output.again()?;
    let stats = store::compact(&mut reader, full.file().try_clone()?)?;
    full.replace(file)?;
    Ok(Some(stats.bytes))
}

/// Region samples that a record holds which could not be finished. Another one
/// may have taken its name.
fn kept(path: &Path, uuid: Option<[u8; 16]>) -> u64 {
    let count = || -> Result<u64, ReadError> {
        let mut record: Box<dyn Record> = if path.is_dir() {
            Box::new(Segments::open(path)?.recording(uuid.unwrap_or_default()))
        } else {
            let reader = Reader::open(path)?;
            if reader.about().uuid != uuid {
                return Ok(0);
            }
            Box::new(reader)
        };
        let mut losses = Losses::default();
        for item in record.items()? {
            losses.add(&item?);
        }
        Ok(losses.stored)
    };
    count().unwrap_or(0)
}
