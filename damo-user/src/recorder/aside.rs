//! What is recorded beside regions, by a thread that may look into other
//! processes when the others no longer may.

use std::sync::mpsc::{Receiver, TryRecvError};

use super::around::{Around, Choice};
use crate::model::Note;
use crate::sys::outside::Outside;
use crate::sys::privileges::{Needs, PrivilegeError, confine, drop_capabilities};
use crate::sys::tell::tell;

/// Looks around without keeping anybody waiting.
pub struct Aside {
    /// `None` while it is looking, or if there is nothing to look at.
    around: Option<Around>,
    outside: Option<Outside>,
    looking: Option<Receiver<(Around, Vec<Note>)>>,
    /// A new segment has begun meanwhile.
    again: bool,
}

impl Aside {
    /// Gives up all privileges but what `needs` says; from now on this thread,
    /// and those that it starts, have no others. Where that cannot be done it is
    /// told, and the recording goes on.
    pub fn confined(choice: Choice, needs: &Needs) -> Aside {
        let around = (choice != Choice::default()).then(|| Around::new(choice));
        let mut aside = Aside {
            around,
            outside: None,
            looking: None,
            again: false,
        };
        if let Err(error) = aside.give_up(needs) {
            tell(format_args!("damo: going on with all privileges: {error}"));
        }
        aside
    }

    fn give_up(&mut self, needs: &Needs) -> Result<(), PrivilegeError> {
        drop_capabilities(needs)?;
        if self.around.is_some() {
            // Without it, mappings are not to be had, and that is told.
            self.outside = Outside::start().ok();
        }
        confine(needs).map(drop)
    }

    /// A new segment has begun, which says everything anew.
    pub fn write_again(&mut self) {
        self.again = true;
    }

    /// Gives `out` what the last look found.
    pub fn collect(&mut self, out: &mut dyn FnMut(Note)) {
        match self.looking.as_ref().map(Receiver::try_recv) {
            Some(Ok((around, notes))) => {
                self.around = Some(around);
                notes.into_iter().for_each(&mut *out);
                self.looking = None;
            }
            Some(Err(TryRecvError::Disconnected)) => self.looking = None,
            Some(Err(TryRecvError::Empty)) | None => {}
        }
    }

    /// Gives `out` what the last look found, and looks again if it is time.
    pub fn look(
        &mut self,
        now_ns: u64,
        pids: Vec<u32>,
        kdamonds: Vec<u32>,
        out: &mut dyn FnMut(Note),
    ) {
        self.collect(out);
        let Some(mut around) = self.around.take() else {
            return;
        };
        if std::mem::take(&mut self.again) {
            around.write_again();
        }
        let Some(outside) = &self.outside else {
            around.look(now_ns, &pids, &kdamonds, out);
            self.around = Some(around);
            return;
        };
        self.looking = outside.begin(move || {
            let mut notes = Vec::new();
            around.look(now_ns, &pids, &kdamonds, &mut |note| notes.push(note));
            (around, notes)
        });
    }
}
