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

use super::error::ControlError;
use super::interface::{SavedBy, state};
use super::others;
use super::ownership::{Lock, Note, Notes, Whose};
use super::params::{Features, Params, Release, Scope, plan_params, read};
use super::plan::Write;
use super::save::Saved;
use super::sysfs::{FileError, Tree};
use super::system::System;
use crate::sys::clock;
use crate::sys::deferred::Deferred;

/// Kernels on which each commit begins the aggregation anew.
const RESTARTING: std::ops::RangeInclusive<Release> = Release(6, 14)..=Release(6, 17);

const COMMIT: &str = "commit";
const COMMIT_GOALS: &str = "commit_schemes_quota_goals";

/// The first pid namespace, in which a commit looks up process ids.
const INIT_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Kdamonds that run, to be changed.
#[derive(Debug)]
pub struct Tuning {
    system: System,
    tree: Tree,
    /// Those that are on.
    running: Vec<usize>,
    before: Params,
    note: Option<Note>,
    notes: Option<Notes>,
    _lock: Option<Lock>,
}

impl Tuning {
    /// Finds what runs and is ours, and brings tuned intervals up to date in its
    /// files. With `force`, others' kdamonds are taken as well.
    ///
    /// # Errors
    /// Nothing of ours is on.
    pub fn begin(system: &System, force: bool) -> Result<Tuning, ControlError> {
        let tree = system.damon()?;
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
            before: Params::default(),
            tree,
            running,
            note,
            notes,
            _lock: lock,
        };
        tuning.before = read(&tuning.tree)?;
        let tuned = |(k, kdamond): (usize, &super::params::Kdamond)| {
            let mut contexts = kdamond.contexts.iter();
            contexts
                .any(|context| context.fixed_intervals().is_none())
                .then_some(k)
        };
        let tuned: Vec<usize> = tuning
            .before
            .kdamonds
            .iter()
            .enumerate()
            .filter_map(tuned)
            .collect();
        for &index in tuned.iter().filter(|index| tuning.running.contains(index)) {
            tuning.command(index, "update_tuned_intervals")?;
        }
        if !tuned.is_empty() {
            tuning.before = read(&tuning.tree)?;
        }
        Ok(tuning)
    }

    /// What is set, with the intervals as DAMON has tuned them.
    pub fn before(&self) -> &Params {
        &self.before
    }

    /// The writes that bring `params` about, the commits last; `goals_only`: as
    /// far as these are goals of quotas, which are committed without touching
    /// anything else.
    ///
    /// # Errors
    /// DAMON would refuse them, or cannot take them while it runs.
    pub fn plan(&self, params: &Params, goals_only: bool) -> Result<Vec<Write>, ControlError> {
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
        let features = Features::read(&self.tree, self.system.release)?;
        let mut writes = plan_params(params, &features, Scope::Running)?;
        for &index in &self.running {
            writes.push(Write {
                path: state(index),
                value: match goals_only {
                    true => COMMIT_GOALS.to_owned(),
                    false => COMMIT.to_owned(),
                },
            });
        }
        Ok(writes)
    }

    /// Does it.
    ///
    /// # Errors
    /// The parameters are as they were then, unless it says otherwise.
    pub fn commit(mut self, params: &Params, goals_only: bool) -> Result<(), ControlError> {
        let writes = self.plan(params, goals_only)?;
        self.check_namespace(params)?;
        self.check_processes(params)?;
        let former = Saved::read(&self.tree)?;
        std::thread::sleep(self.pause());
        let _whole = Deferred::begin();
        let (values, commits) = writes.split_at(writes.len() - self.running.len());
        let staged: Result<(), FileError> = values
            .iter()
            .try_for_each(|Write { path, value }| self.tree.write(path, value));
        let running = self.running.clone();
        let done = staged.map_err(ControlError::from).and_then(|()| {
            let mut both = running.into_iter().zip(commits);
            both.try_for_each(|(index, Write { value, .. })| self.commit_one(index, value))
        });
        if let Err(error) = done {
            return Err(match former.restore_running(&self.tree) {
                Ok(()) => error,
                Err(left) => ControlError::AndFiles {
                    error: Box::new(error),
                    left,
                },
            });
        }
        self.forget_obsolete(params)
    }

    fn commit_one(&mut self, index: usize, command: &str) -> Result<(), ControlError> {
        self.command(index, command)?;
        if self.tree.read(state(index))? != "on" {
            return Err(ControlError::EndedByCommit(index));
        }
        if let (Some(note), Some(notes)) = (&mut self.note, &self.notes) {
            note.committed_ns = Some(clock::monotonic_ns());
            notes.write(note)?;
        }
        Ok(())
    }

    /// Sends a command to a kdamond that is seen to run.
    fn command(&self, index: usize, command: &str) -> Result<(), ControlError> {
        command_to(&self.tree, index, command)
    }

    /// How long [`Tuning::commit`] waits before it begins: on some kernels, until
    /// two aggregations have passed since the last commit.
    pub fn pause(&self) -> Duration {
        let release = self.system.release;
        let restarts = release.is_none_or(|release| RESTARTING.contains(&release));
        let committed = self.note.as_ref().and_then(|note| note.committed_ns);
        let (true, Some(committed)) = (restarts, committed) else {
            return Duration::ZERO;
        };
        let contexts = self.before.contexts();
        let aggr_us = contexts
            .map(|(.., context)| context.intervals.aggr_us)
            .max();
        // One that is under way, and a whole one, each a little late.
        let aggregations = Duration::from_micros(aggr_us.unwrap_or(0)).saturating_mul(5) / 2;
        let since = Duration::from_nanos(clock::monotonic_ns().saturating_sub(committed));
        aggregations.saturating_sub(since)
    }

    /// A commit looks process ids up in the first namespace, whatever ours is.
    fn check_namespace(&self, params: &Params) -> Result<(), ControlError> {
        let namespace = std::fs::read_link("/proc/self/ns/pid");
        let ours = namespace.map_or(true, |name| name.as_os_str() == INIT_PID_NAMESPACE);
        match ours || params.pids().is_empty() {
            true => Ok(()),
            false => Err(ControlError::PidNamespace),
        }
    }

    /// A target that has ended would be refused, and end the kdamond up to 6.13.
    fn check_processes(&self, params: &Params) -> Result<(), ControlError> {
        let proc = self.system.proc_tree();
        let contexts = params.contexts();
        let targets = contexts.flat_map(|(.., context)| &context.targets);
        let mut pids = targets
            .filter(|target| !target.obsolete)
            .filter_map(|target| target.pid);
        match pids.find(|pid| !proc.exists(pid.to_string())) {
            Some(pid) => Err(ControlError::NoProcess(pid)),
            None => Ok(()),
        }
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
