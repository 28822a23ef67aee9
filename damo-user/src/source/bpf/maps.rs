//! Whose events the program lets through, whose children it tells of, and what it has
//! counted: what user space writes into its maps, and reads from them.

use std::collections::BTreeSet;

use aya::maps::MapError;
use damo_ebpf::{Kdamond, mode};

use super::{Counters, SourceError, Tap};

/// The kernel's flag for "only if there is no such key".
const BPF_NOEXIST: u64 = 1;

impl Tap {
    /// Whether kdamonds that are not known are let through, too.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn learn(&mut self, whether: bool) -> Result<(), SourceError> {
        Ok(self.learn.set(0, u32::from(whether), 0)?)
    }

    /// Lets a kdamond through from now on, or goes on doing so.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn record(&mut self, tid: u32) -> Result<(), SourceError> {
        // Never over an entry that has begun to count: the program writes that one.
        match self
            .kdamonds
            .insert(tid, of_mode(mode::RECORD), BPF_NOEXIST)
        {
            Ok(()) => Ok(()),
            Err(error) => match self.kdamonds.get(&tid, 0) {
                Ok(counters) if counters.0.mode == mode::RECORD => Ok(()),
                Ok(_) => Ok(self.kdamonds.insert(tid, of_mode(mode::RECORD), 0)?),
                Err(_) => Err(error.into()),
            },
        }
    }

    /// Lets a kdamond through no more, and forgets its counters. Its thread is
    /// to be gone, or to be one that was never recorded.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn forget(&mut self, tid: u32) -> Result<(), SourceError> {
        match self.kdamonds.remove(&tid) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Forgets all kdamonds but these: there is room for 256 only.
    ///
    /// # Errors
    /// The map cannot be read or written.
    pub fn forget_all_but(&mut self, tids: &[u32]) -> Result<(), SourceError> {
        let known: Vec<u32> = self.kdamonds.keys().collect::<Result<_, _>>()?;
        let mut others = known.into_iter().filter(|tid| !tids.contains(tid));
        others.try_for_each(|tid| self.forget(tid))
    }

    /// From now on, does not let a kdamond through, whose thread lives on.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn ignore(&mut self, tid: u32) -> Result<(), SourceError> {
        Ok(self.kdamonds.insert(tid, of_mode(mode::IGNORE), 0)?)
    }

    /// From now on, lets through these kdamonds alone.
    ///
    /// # Errors
    /// The maps cannot be written.
    pub fn only(&mut self, tids: &[u32]) -> Result<(), SourceError> {
        // First of all, so that none of their events falls between.
        for tid in tids {
            self.record(*tid)?;
        }
        self.learn(false)?;
        for tid in self.known()? {
            if !tids.contains(&tid) {
                self.ignore(tid)?;
            }
        }
        Ok(())
    }

    /// Kdamonds that are let through.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn known(&self) -> Result<Vec<u32>, SourceError> {
        let all: Vec<(u32, Counters)> = self.kdamonds.iter().collect::<Result<_, _>>()?;
        let recorded = all.iter().filter(|(_, it)| it.0.mode == mode::RECORD);
        Ok(recorded.map(|(tid, _)| *tid).collect())
    }

    /// Tells of processes that this one begins.
    ///
    /// # Errors
    /// The map is full, or cannot be written.
    pub fn follow(&mut self, pid: u32) -> Result<(), SourceError> {
        Ok(self.followed.insert(pid, 1, 0)?)
    }

    /// Tells of them no more.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn unfollow(&mut self, pid: u32) -> Result<(), SourceError> {
        match self.followed.remove(&pid) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Tells of these, and no others.
    ///
    /// # Errors
    /// As for [`Tap::follow`].
    pub fn follow_only(&mut self, pids: &BTreeSet<u32>) -> Result<(), SourceError> {
        let known: Vec<u32> = self.followed.keys().collect::<Result<_, _>>()?;
        for pid in known.iter().filter(|pid| !pids.contains(pid)) {
            self.unfollow(*pid)?;
        }
        pids.iter().try_for_each(|pid| self.follow(*pid))
    }

    /// How many forks and execs could not be told of, or follow, so far.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn untold(&self) -> Result<u64, SourceError> {
        Ok(self.untold.get(&0, 0)?)
    }

    /// The program's counters for a kdamond: zeros if it never fired.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn counters(&self, tid: u32) -> Result<Kdamond, SourceError> {
        match self.kdamonds.get(&tid, 0) {
            Ok(counters) => Ok(counters.0),
            Err(MapError::KeyNotFound) => Ok(Kdamond::default()),
            Err(error) => Err(error.into()),
        }
    }
}

pub(super) fn of_mode(mode: u32) -> Counters {
    Counters(Kdamond {
        mode,
        ..Kdamond::default()
    })
}
