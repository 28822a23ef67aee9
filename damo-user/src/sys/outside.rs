//! A thread that stays outside of what [`confine`](super::privileges::confine)
//! does to the others: for what landlock forbids whatever the rules say, which
//! is to look into other processes (`/proc/PID/maps` and the like).
//!
//! It shares the process's memory, so that it is no help against somebody who
//! runs code in it; landlock guards against mistakes, and capabilities, which
//! are given up before this starts, against more.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

type Work = Box<dyn FnOnce() + Send>;

/// The thread. Dropping this waits for its end.
#[derive(Debug)]
pub struct Outside {
    works: Option<SyncSender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Outside {
    /// Starts the thread, with the rights of the calling one: to be called
    /// between `drop_capabilities` and `confine`.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start() -> io::Result<Outside> {
        let (works, queue) = sync_channel::<Work>(1);
        let thread = Builder::new()
            .name("damo-outside".to_owned())
            .spawn(move || queue.into_iter().for_each(|work| work()))?;
        Ok(Outside {
            works: Some(works),
            thread: Some(thread),
        })
    }

    /// Has the thread do something, and gives where its result will come. One
    /// work may wait while another is done; `None` if one waits already.
    pub fn begin<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<Receiver<T>> {
        let (send, result) = sync_channel(1);
        let work = Box::new(move || {
            // Nobody may wait for it any more.
            let _ = send.send(work());
        });
        self.works.as_ref()?.try_send(work).ok()?;
        Some(result)
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.works = None;
        if let Some(thread) = self.thread.take() {
            // What it was to tell, it has told.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn works_are_done_in_order_and_one_may_wait() {
        let outside = Outside::start().unwrap();
        let (go, wait) = sync_channel::<()>(0);
        let first = outside.begin(move || wait.recv().unwrap()).unwrap();
        // Until the thread has taken the first, it is the one that waits.
        let second = loop {
            if let Some(second) = outside.begin(|| 7) {
                break second;
            }
            std::thread::yield_now();
        };
        assert!(outside.begin(|| 8).is_none());
        go.send(()).unwrap();
        first.recv().unwrap();
        assert_eq!(second.recv().unwrap(), 7);
    }
}
