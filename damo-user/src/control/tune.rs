//! Parameters of kdamonds that run: read, changed, committed.
//!
//! Traps of the kernel that this order of steps is for (all measured):
//! - Two commands to a kdamond that has stopped are a BUG on 6.14 to 6.17. Each
//!   command follows a look at `state`, and none follows one that failed.
//! - A commit sets intervals that DAMON tuned back to what their files say: the
//!   files are brought up to date first.
//! - Up to 6.13 a commit that DAMON refuses reports success and ends the
//!   kdamond: everything is checked first, and `state` is looked at afterwards.
//! - On 6.14 to 6.17 each commit begins the aggregation anew: one that follows
//!   another too soon would starve the snapshots.

use std::time::Duration;

use super::error::{ControlError, NotRestored};
use super::interface::{SavedBy, state};
use super::others;
use super::ownership::{Lock, Note, NoteError, Notes, Whose};
use super::params::{Features, Params, Release, Scope, plan_params, read};
use super::plan::Write;
use super::save::Saved;
use super::sysfs::Tree;
use super::system::System;
use crate::sys::clock;
use crate::sys::deferred::Deferred;

/// Kernels on which each commit begins the aggregation anew.
const RESTARTING: std::ops::RangeInclusive<Release> = Release(6, 14)..=Release(6, 17);

/// Longer than this, somebody may come again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The first pid namespace, in which a commit looks up process ids.
const INIT_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Kdamonds that run, to be changed.
#[derive(Debug)]
pub struct Tuning {
    system: System,
    tree: Tree,
    /// Those that are on.
    running: Vec<usize>,
    what: Commit,
    before: Params,
    note: Option<Note>,
    notes: Option<Notes>,
    _lock: Option<Lock>,
}

/// What of the parameters is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// All of them.
    Everything,
    /// Goals of quotas, without touching anything else.
    QuotaGoals,
}

impl Commit {
    fn command(self) -> &'static str {
        match self {
            Commit::Everything => "commit",
            Commit::QuotaGoals => "commit_schemes_quota_goals",
        }
    }
}

impl Tuning {
    /// Finds what runs and is ours; with `force`, others' kdamonds as well. Files
    /// that a tune has left half written, because it was killed, are put back.
    ///
    /// # Errors
    /// Nothing of ours is on.
    pub fn begin(system: &System, force: bool, what: Commit) -> Result<Tuning, ControlError> {
        if !system.is_root {
            return Err(ControlError::NotRoot);
        }
        let lock = system.lock()?;
        let notes = system.notes();
        let note = match notes.as_ref().map_or(Whose::Nobodys, Notes::read) {
            Whose::Process(note) => return Err(ControlError::AnotherDamo(note.by)),
            Whose::Stale(note) => return Err(ControlError::Stale(note.left(system))),
            Whose::Nobodys => None,
            Whose::Ours(note) if matches!(note.saved, SavedBy::Debugfs(_)) => {
                return Err(ControlError::DebugfsTune);
            }
            Whose::Ours(note) => Some(note),
        };
        let tree = system.damon()?;
        let ours = match &note {
            Some(note) => note.running(system)?,
            None => Vec::new(),
        };
        let mut running = Vec::new();
        let mut foreign = Vec::new();
        for kdamond in others::kdamonds(system)? {
            match ours.iter().any(|claim| claim.index == kdamond.index) || force {
                true => running.push(kdamond.index),
                false => foreign.push(kdamond.to_string()),
            }
        }
        if running.is_empty() {
            return Err(ControlError::NothingToTune { others: foreign });
        }
        if !foreign.is_empty() {
            // A commit to ours would do no harm, but the plan is of the whole tree.
            return Err(ControlError::NotAllOurs { others: foreign });
        }
        let mut tuning = Tuning {
            system: system.clone(),
            what,
            before: Params::default(),
            tree,
            running,
            note,
            notes,
            _lock: lock,
        };
        let half = tuning.note.as_ref().and_then(|note| note.tuning.clone());
        if let Some(former) = half {
            former
                .restore_running(&tuning.tree, &tuning.running)
                .map_err(|left| ControlError::NotRestored(NotRestored(vec![left.into()])))?;
            tuning.write_note(|note| note.tuning = None)?;
        }
        tuning.before = read(&tuning.tree)?;
        Ok(tuning)
    }

    fn write_note(&mut self, change: impl FnOnce(&mut Note)) -> Result<(), NoteError> {
        if let (Some(note), Some(notes)) = (&mut self.note, &self.notes) {
            change(note);
            notes.write(note)?;
        }
        Ok(())
    }

    /// What the files say: with intervals as DAMON has tuned them after
    /// [`Tuning::refresh`].
    pub fn before(&self) -> &Params {
        &self.before
    }

    /// The writes that bring `params` about, the commits last.
    ///
    /// # Errors
    /// DAMON would refuse them, or cannot take them while it runs.
    pub fn plan(&self, params: &Params) -> Result<Vec<Write>, ControlError> {
        params.validate()?;
        let shape = |params: &Params| -> Vec<usize> {
            params.kdamonds.iter().map(|k| k.contexts.len()).collect()
        };
        if shape(params) != shape(&self.before) {
            return Err(ControlError::OtherShape {
                running: self.before.kdamonds.len(),
                wanted: params.kdamonds.len(),
            });
        }
        check_namespace(params)?;
        check_running(&self.system, params, &self.running)?;
        let features = Features::read(&self.tree, self.system.release)?;
        let mut writes = plan_params(params, &features, Scope::Running)?;
        for &index in &self.running {
            writes.push(Write {
                path: state(index),
                value: self.what.command().to_owned(),
            });
        }
        Ok(writes)
    }

    /// How long [`Tuning::refresh`] waits before anything else: on some kernels,
    /// until two aggregations have passed since the last commit.
    ///
    /// # Errors
    /// [`ControlError::TooSoon`]: nobody would wait for so long.
    pub fn pause(&self) -> Result<Duration, ControlError> {
        let release = self.system.release;
        let restarts = release.is_none_or(|release| RESTARTING.contains(&release));
        if !restarts || self.what == Commit::QuotaGoals {
            return Ok(Duration::ZERO);
        }
        // Who committed to others' kdamonds, and when, is not known.
        let since = match &self.note {
            None => Duration::ZERO,
            Some(note) => match note.committed_ns {
                None => return Ok(Duration::ZERO),
                Some(at) => Duration::from_nanos(clock::monotonic_ns().saturating_sub(at)),
            },
        };
        let contexts = self.before.contexts();
        let aggr_us = contexts
            .map(|(.., context)| context.intervals.aggr_us)
            .max();
        // One that is under way, and a whole one, each a little late.
        let aggregations = Duration::from_micros(aggr_us.unwrap_or(0)).saturating_mul(5) / 2;
        match aggregations.saturating_sub(since) {
            pause if pause > LONGEST_PAUSE => Err(ControlError::TooSoon(pause)),
            pause => Ok(pause),
        }
    }

    /// Waits as long as [`Tuning::pause`] says, and then brings intervals that
    /// DAMON tunes up to date in the files: a commit would set them back.
    ///
    /// # Errors
    /// [`ControlError::TooSoon`], or a kdamond has ended.
    pub fn refresh(&mut self) -> Result<(), ControlError> {
        std::thread::sleep(self.pause()?);
        if self.what == Commit::QuotaGoals {
            return Ok(());
        }
        let tuned = |index: &usize| {
            let kdamond = self.before.kdamonds.get(*index);
            let mut contexts = kdamond.iter().flat_map(|kdamond| &kdamond.contexts);
            contexts.any(|context| context.fixed_intervals().is_none())
        };
        for index in self.running.iter().copied().filter(tuned) {
            command_to(&self.tree, index, "update_tuned_intervals")?;
        }
        self.before = read(&self.tree)?;
        Ok(())
    }

    /// Does it.
    ///
    /// # Errors
    /// The parameters are as they were then, unless it says otherwise.
    pub fn commit(mut self, params: &Params) -> Result<(), ControlError> {
        let writes = self.plan(params)?;
        let former = Saved::read(&self.tree)?;
        let _whole = Deferred::begin();
        self.write_note(|note| note.tuning = Some(former.clone()))?;
        let mut committed = Vec::new();
        let done = self.write_and_commit(&writes, &mut committed);
        let error = match done.and_then(|()| self.forget_obsolete(params)) {
            Ok(()) => return Ok(self.write_note(|note| note.tuning = None)?),
            Err(error) => error,
        };
        let mut back = self.running.clone();
        back.retain(|index| !committed.contains(index));
        let restored = former.restore_running(&self.tree, &back);
        let _ = self.write_note(|note| note.tuning = None);
        let error = match committed.is_empty() {
            true => error,
            false => ControlError::PartlyCommitted {
                error: Box::new(error),
                committed,
            },
        };
        match restored {
            Ok(()) => Err(error),
            Err(left) => Err(ControlError::AndFiles {
                error: Box::new(error),
                left,
            }),
        }
    }

    /// Writes values, and then commits; `committed` are the kdamonds that took
    /// theirs.
    fn write_and_commit(
        &mut self,
        writes: &[Write],
        committed: &mut Vec<usize>,
    ) -> Result<(), ControlError> {
        let values = writes.len().saturating_sub(self.running.len());
        for Write { path, value } in writes.iter().take(values) {
            self.tree.write(path, value)?;
        }
        for index in self.running.clone() {
            command_to(&self.tree, index, self.what.command())?;
            if self.tree.read(state(index))? != "on" {
                return Err(ControlError::EndedByCommit(index));
            }
            committed.push(index);
            if self.what == Commit::Everything {
                // Only a later tune's patience depends on it.
                let _ = self.write_note(|note| note.committed_ns = Some(clock::monotonic_ns()));
            }
        }
        Ok(())
    }

    /// After a commit has taken targets away, their folders have to go, too: the
    /// next commit would take others away by their numbers.
    fn forget_obsolete(&self, params: &Params) -> Result<(), ControlError> {
        let mut left = params.clone();
        let contexts = left.kdamonds.iter_mut().flat_map(|k| &mut k.contexts);
        let mut any = false;
        for context in contexts {
            any |= context.targets.iter().any(|target| target.obsolete);
            context.targets.retain(|target| !target.obsolete);
        }
        if !any {
            return Ok(());
        }
        let features = Features::read(&self.tree, self.system.release)?;
        for Write { path, value } in plan_params(&left, &features, Scope::Running)? {
            self.tree.write(path, &value)?;
        }
        Ok(())
    }
}

/// A commit looks process ids up in the first namespace, whatever ours is.
pub(super) fn check_namespace(params: &Params) -> Result<(), ControlError> {
    let namespace = std::fs::read_link("/proc/self/ns/pid");
    let ours = namespace.map_or(true, |name| name.as_os_str() == INIT_PID_NAMESPACE);
    match ours || params.pids().is_empty() {
        true => Ok(()),
        false => Err(ControlError::PidNamespace),
    }
}

/// A target that has ended would be refused, and end the kdamond up to 6.13.
pub(super) fn check_running(
    system: &System,
    params: &Params,
    running: &[usize],
) -> Result<(), ControlError> {
    let proc = system.proc_tree();
    let contexts = params.contexts();
    let mut pids = contexts
        .filter(|(index, ..)| running.contains(index))
        .flat_map(|(.., context)| &context.targets)
        .filter(|target| !target.obsolete)
        .filter_map(|target| target.pid);
    match pids.find(|pid| !proc.exists(pid.to_string())) {
        Some(pid) => Err(ControlError::NoProcess(pid)),
        None => Ok(()),
    }
}

/// Sends a command to a kdamond that is seen to run; nothing may follow one
/// that fails.
///
/// # Errors
/// It does not run, or the command failed.
pub(super) fn command_to(tree: &Tree, index: usize, command: &str) -> Result<(), ControlError> {
    if tree.read(state(index))? != "on" {
        return Err(ControlError::EndedMeanwhile(index));
    }
    match tree.write(state(index), command) {
        Ok(()) => Ok(()),
        // Why it failed is that its targets have ended, if they have.
        Err(error) => match tree.read(state(index)) {
            Ok(state) if state != "on" => Err(ControlError::EndedMeanwhile(index)),
            _ => Err(error.into()),
        },
    }
}
