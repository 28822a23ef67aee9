//! From a file to a frame's decompressed columns: what a second core can do
//! while the first takes the columns apart and looks at what is in them.

use std::borrow::BorrowMut;
use std::io;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::JoinHandle;

use super::column::Columns;
use super::format::{FrameHeader, kind};
use super::notes;
use super::recover::{Found, Walk};
use super::source::{ReadAt, Source};

/// Frames that wait to be looked at.
const WAITING: usize = 2;

/// What a pass comes upon.
pub(super) struct Step {
    pub found: Found,
    /// Whether the frame could be decompressed, if it holds items of the time
    /// that is wanted.
    pub intact: bool,
}

/// Gives what a pass comes upon, step by step.
pub(super) trait Fetch {
    /// The next step; a frame's columns go into `columns`. `None` at the end.
    fn next(&mut self, columns: &mut Columns) -> io::Result<Option<Step>>;
}

/// Whether a frame has samples or notes.
pub(super) fn holds_items(header: &FrameHeader) -> bool {
    header.kind == kind::DATA || notes::is_one(header.kind)
}

/// Whether nothing in a frame is about the time that is wanted.
pub(super) fn is_outside(header: &FrameHeader, time: Option<&Range<u64>>) -> bool {
    time.is_some_and(|time| header.last_ns < time.start || header.first_ns >= time.end)
}

/// Reads when it is asked. Owns its source, or borrows it from a reader.
pub(super) struct Direct<R, S> {
    pub source: S,
    pub input: PhantomData<R>,
    pub walk: Walk,
    /// What alone is wanted.
    pub time: Option<Range<u64>>,
    /// Offset from which on nothing is.
    pub stop: u64,
    /// Columns of DATA frames that nobody looks at.
    pub unwanted: &'static [u8],
    pub payload: Vec<u8>,
}

impl<R: ReadAt, S: BorrowMut<Source<R>>> Fetch for Direct<R, S> {
    fn next(&mut self, columns: &mut Columns) -> io::Result<Option<Step>> {
        let time = self.time.as_ref();
        let source = self.source.borrow_mut();
        let found = self.walk.next(source, &mut self.payload, |header| {
            !is_outside(header, time)
        })?;
        let intact = match found {
            None => return Ok(None),
            Some(Found::Frame(offset, _)) if offset >= self.stop => return Ok(None),
            Some(Found::Frame(_, header)) if holds_items(&header) && !is_outside(&header, time) => {
                let unwanted = match header.kind {
                    kind::DATA => self.unwanted,
                    _ => &[],
                };
                let (payload, count) = (&self.payload, header.columns);
                let read = columns.read_without(unwanted, payload, count, header.raw_len);
                read.is_ok()
            }
            Some(_) => true,
        };
        Ok(found.map(|found| Step { found, intact }))
    }
}

/// Reads on in a thread while the last frames are looked at. Columns go there
/// and back: nothing is allocated in one thread and freed in the other.
pub(super) struct Ahead {
    /// `None` once the thread is to end.
    steps: Option<Receiver<io::Result<(Step, Columns)>>>,
    spare: Sender<Columns>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Starts the thread; without one to be had, `fetch` as it is.
    pub fn start(fetch: Box<dyn Fetch + Send>) -> Box<dyn Fetch + Send> {
        let (send, steps) = sync_channel(WAITING);
        let (spare, spares) = channel();
        // Handed over afterwards: a thread that cannot be made must not take
        // it along.
        let (hand_over, handed) = channel::<Box<dyn Fetch + Send>>();
        let work = move || {
            let Ok(mut fetch) = handed.recv() else { return };
            loop {
                let mut columns: Columns = spares.try_recv().unwrap_or_default();
                let step = match fetch.next(&mut columns) {
                    Ok(None) => return,
                    Ok(Some(step)) => Ok((step, columns)),
                    Err(error) => Err(error),
                };
                let failed = step.is_err();
                // Nobody may be listening any more.
                if send.send(step).is_err() || failed {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("damo-reader".to_owned());
        let Ok(thread) = thread.spawn(work) else {
            return fetch;
        };
        match hand_over.send(fetch) {
            Ok(()) => Box::new(Ahead {
                steps: Some(steps),
                spare,
                thread: Some(thread),
            }),
            Err(unsent) => unsent.0,
        }
    }
}

impl Fetch for Ahead {
    fn next(&mut self, columns: &mut Columns) -> io::Result<Option<Step>> {
        match self.steps.as_ref().map(Receiver::recv) {
            Some(Ok(Ok((step, read)))) => {
                let used = std::mem::replace(columns, read);
                // A thread that has ended needs no more.
                let _ = self.spare.send(used);
                Ok(Some(step))
            }
            Some(Ok(Err(error))) => Err(error),
            Some(Err(_)) | None => {
                self.steps = None;
                if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
                    std::panic::resume_unwind(panic);
                }
                Ok(None)
            }
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // Whoever still sends finds nobody to listen.
        self.steps = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl<F: Fetch + ?Sized> Fetch for Box<F> {
    fn next(&mut self, columns: &mut Columns) -> io::Result<Option<Step>> {
        (**self).next(columns)
    }
}
