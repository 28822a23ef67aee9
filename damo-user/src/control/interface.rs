//! DAMON's interface: its files, as [`super::Session`] uses them.

use serde::{Deserialize, Serialize};

use super::error::ControlError;
use super::others;
use super::params::{Features, Params, Release, Scope, plan_params};
use super::plan::Write;
use super::save::{RestoreError, Saved};
use super::sysfs::{FileError, Tree};
use super::system::System;

/// DAMON's parameters as they were, and where they belong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SavedBy {
    /// The sysfs interface.
    Sysfs(Saved),
}

/// One of DAMON's interfaces.
#[derive(Clone, Debug)]
pub enum Interface {
    /// `/sys/kernel/mm/damon`.
    Sysfs(Tree, Option<Release>),
}

impl Interface {
    /// The one that parameters were saved by.
    pub fn of(system: &System, saved: &SavedBy) -> Interface {
        match saved {
            SavedBy::Sysfs(_) => Interface::Sysfs(system.admin(), system.release),
        }
    }

    /// Reads everything that can be set.
    ///
    /// # Errors
    /// A file cannot be read: what is not known cannot be put back.
    pub fn save(&self) -> Result<SavedBy, FileError> {
        match self {
            Interface::Sysfs(tree, _) => Saved::read(tree).map(SavedBy::Sysfs),
        }
    }

    /// The writes that [`Interface::stage`] would do, changing nothing: this
    /// kernel is judged by what can be seen of it.
    ///
    /// # Errors
    /// This kernel's DAMON cannot do what is asked.
    pub fn plan(&self, params: &Params) -> Result<Vec<Write>, ControlError> {
        match self {
            Interface::Sysfs(tree, release) => {
                let features = Features::read(tree, *release)?;
                let mut writes = plan_params(params, &features, Scope::Fresh)?;
                for index in 0..params.kdamonds.len() {
                    writes.push(Write {
                        path: state(index),
                        value: "on".to_owned(),
                    });
                }
                Ok(writes)
            }
        }
    }

    /// Makes the files say what `params` say, and sees that they do.
    ///
    /// # Errors
    /// Something cannot be written, or is not there; some of it may be written.
    pub fn stage(&self, params: &Params) -> Result<(), ControlError> {
        match self {
            Interface::Sysfs(tree, release) => stage(tree, *release, params),
        }
    }

    /// Switches a kdamond on, without waiting for DAMON's lock.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn switch_on(&self, index: usize) -> Result<(), FileError> {
        match self {
            Interface::Sysfs(tree, _) => tree.write_once(state(index), "on"),
        }
    }

    /// Switches a kdamond off that is on.
    ///
    /// # Errors
    /// What the kernel said; also that it was off already.
    pub fn switch_off(&self, index: usize) -> Result<(), FileError> {
        match self {
            Interface::Sysfs(tree, _) => tree.write(state(index), "off"),
        }
    }

    /// Whether a kdamond is on.
    ///
    /// # Errors
    /// DAMON's files cannot be read.
    pub fn is_on(&self, index: usize) -> Result<bool, FileError> {
        match self {
            Interface::Sysfs(tree, _) => {
                Ok(tree.exists(state(index)) && tree.read(state(index))? == "on")
            }
        }
    }

    /// A kdamond's thread, while it is on.
    ///
    /// # Errors
    /// DAMON's files cannot be read.
    pub fn tid(&self, index: usize) -> Result<Option<u32>, FileError> {
        match self {
            Interface::Sysfs(tree, _) => others::tid(tree, &format!("kdamonds/{index}/pid")),
        }
    }

    /// Puts parameters back. No kdamond may be on.
    ///
    /// # Errors
    /// What could not be put back.
    pub fn restore(&self, saved: &SavedBy) -> Result<(), RestoreError> {
        match (self, saved) {
            (Interface::Sysfs(tree, _), SavedBy::Sysfs(saved)) => saved.restore(tree),
        }
    }
}

/// A kdamond's switch, by a path below the `admin` folder.
pub(super) fn state(index: usize) -> String {
    format!("kdamonds/{index}/state")
}

fn stage(tree: &Tree, release: Option<Release>, params: &Params) -> Result<(), ControlError> {
    // What a kernel of long ago could do needs no folders made to look into.
    let ancient = Features::of_release(Release(0, 0));
    let writes = match plan_params(params, &ancient, Scope::Fresh) {
        Ok(writes) => writes,
        Err(_) => plan_params(params, &Features::probe(tree, release)?, Scope::Fresh)?,
    };
    for Write { path, value } in &writes {
        tree.write(path, value)?;
    }
    for (index, kdamond) in params.kdamonds.iter().enumerate() {
        for context in &kdamond.contexts {
            let available = format!("kdamonds/{index}/contexts/0/avail_operations");
            if !tree.exists(&available) {
                continue;
            }
            let available = tree.read(available)?;
            let mut words = available.split_whitespace();
            if !words.any(|ops| ops == context.ops.keyword()) {
                return Err(ControlError::NoOps {
                    ops: context.ops,
                    available: available.split_whitespace().collect::<Vec<_>>().join(", "),
                });
            }
        }
    }
    for Write { path, value } in &writes {
        let found = tree.read(path)?;
        if found != *value {
            return Err(ControlError::Overwritten {
                path: path.clone(),
                written: value.clone(),
                found,
            });
        }
    }
    Ok(())
}
