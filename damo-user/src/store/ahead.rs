//! Two cores for reading: one takes frames apart while the other looks at what
//! is in them.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use rustix::fs::{Mode, OFlags};

use crate::model::{About, Item, Items, Meta, ReadError, Record};

use super::Reader;

/// Items of a pass that borrows nothing.
pub(super) type OwnedItems = Box<dyn Iterator<Item = Result<Item, ReadError>> + Send>;

/// A record that several passes may read at once.
pub trait Passes: Record {
    /// The items, or those of a time, with nothing borrowed.
    fn pass(&self, time: Option<Range<u64>>) -> OwnedItems;

    /// How much there is to read, in bytes.
    fn bytes(&self) -> u64;
}

impl Passes for Reader<Arc<File>> {
    fn pass(&self, time: Option<Range<u64>>) -> OwnedItems {
        Box::new(self.clone().into_items(time))
    }

    fn bytes(&self) -> u64 {
        self.totals().bytes
    }
}

/// Below so many bytes a thread costs more than it saves.
const WORTH_A_THREAD: u64 = 256 << 10;
/// Region samples, or items, that go from thread to thread at a time.
const BATCH: usize = 4096;
/// Batches that wait for the analysis: none, since one may hold a snapshot of
/// half a million regions.
const BATCHES: usize = 0;

/// A record of which a second thread reads on while the items are looked at.
#[derive(Clone, Debug)]
pub struct ReadAhead<T>(pub T);

impl<T: Passes> Record for ReadAhead<T> {
    fn meta(&self) -> &Meta {
        self.0.meta()
    }

    fn about(&self) -> About {
        self.0.about()
    }

    fn items(&mut self) -> Result<Items<'_>, ReadError> {
        match self.0.bytes() < WORTH_A_THREAD {
            true => self.0.items(),
            false => Ok(in_a_thread(self.0.pass(None))),
        }
    }

    fn items_in(&mut self, time: Range<u64>) -> Result<Items<'_>, ReadError> {
        match self.0.bytes() < WORTH_A_THREAD {
            true => self.0.items_in(time),
            false => Ok(in_a_thread(self.0.pass(Some(time)))),
        }
    }
}

type Batch = Vec<Result<Item, ReadError>>;

struct Ahead {
    /// `None` once the pass is over or given up.
    batches: Option<Receiver<Batch>>,
    current: std::vec::IntoIter<Result<Item, ReadError>>,
    thread: Option<JoinHandle<()>>,
}

/// Without a thread to be had, the items as they are.
fn in_a_thread(items: OwnedItems) -> Items<'static> {
    let (send, batches) = sync_channel(BATCHES);
    // The iterator must survive a thread that cannot be made.
    let shared = Arc::new(std::sync::Mutex::new(Some(items)));
    let theirs = Arc::clone(&shared);
    let take = |shared: &std::sync::Mutex<Option<OwnedItems>>| {
        shared.lock().ok().and_then(|mut items| items.take())
    };
    let work = move || {
        let (mut batch, mut weight) = (Vec::new(), 0);
        for item in take(&theirs).into_iter().flatten() {
            weight += weigh(&item);
            batch.push(item);
            if weight >= BATCH {
                weight = 0;
                if send.send(std::mem::take(&mut batch)).is_err() {
                    return;
                }
            }
        }
        // Nobody may be listening any more.
        let _ = send.send(batch);
    };
    match std::thread::Builder::new()
        .name("damo-reader".to_owned())
        .spawn(work)
    {
        Ok(thread) => Box::new(Ahead {
            batches: Some(batches),
            current: Vec::new().into_iter(),
            thread: Some(thread),
        }),
        Err(_) => Box::new(take(&shared).into_iter().flatten()),
    }
}

fn weigh(item: &Result<Item, ReadError>) -> usize {
    match item {
        Ok(Item::Snapshot(snapshot)) => 1 + snapshot.regions.len(),
        _ => 1,
    }
}

impl Iterator for Ahead {
    type Item = Result<Item, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.current.next() {
                return Some(item);
            }
            match self.batches.as_ref()?.recv() {
                Ok(batch) => self.current = batch.into_iter(),
                Err(_) => self.end(),
            }
        }
    }
}

impl Ahead {
    /// Ends the thread; a panic in it is one here.
    fn end(&mut self) {
        self.batches = None;
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // Whoever still sends finds nobody to listen.
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Opens a file for reading, unless it is something that would make us wait.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("not a regular file")),
    }
}
