//! DAMON's interface: its files, as [`super::Session`] uses them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::debugfs::{Debugfs, OffError, SavedDebugfs};
use super::error::{ControlError, Leftover};
use super::others;
use super::params::{Features, Params, Release, Scope, plan_params, read};
use super::plan::Write;
use super::save::Saved;
use super::sysfs::{FileError, Tree};
use super::system::System;

/// DAMON's parameters as they were, and where they belong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SavedBy {
    /// The sysfs interface.
    Sysfs(Saved),
    /// The debugfs interface.
    Debugfs(SavedDebugfs),
}

/// Which interface is to be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// sysfs where it is, else debugfs.
    #[default]
    Auto,
    /// The sysfs interface.
    Sysfs,
    /// The debugfs interface.
    Debugfs,
}

/// One of DAMON's interfaces.
#[derive(Clone, Debug)]
pub enum Interface {
    /// `/sys/kernel/mm/damon`.
    Sysfs(Tree, Option<Release>),
    /// `damon` in debugfs.
    Debugfs(Box<Debugfs>),
}

impl Interface {
    /// The one that was chosen, if we may use it.
    ///
    /// # Errors
    /// [`ControlError::NotRoot`], or there is no such interface.
    pub fn choose(system: &System, choice: Choice) -> Result<Interface, ControlError> {
        if !system.is_root {
            return Err(ControlError::NotRoot);
        }
        Interface::find(system, choice)
    }

    /// As [`Interface::choose`], for whoever asks.
    ///
    /// # Errors
    /// There is no such interface.
    pub fn find(system: &System, choice: Choice) -> Result<Interface, ControlError> {
        let tree = system.admin();
        let sysfs = tree.exists("kdamonds/nr_kdamonds");
        let debugfs = || Debugfs::find(system);
        match choice {
            Choice::Auto | Choice::Sysfs if sysfs => Ok(Interface::Sysfs(tree, system.release)),
            Choice::Sysfs => Err(ControlError::NoDamon(tree.root().to_owned())),
            Choice::Auto => match debugfs() {
                Some(debugfs) => Ok(Interface::Debugfs(Box::new(debugfs))),
                None => Err(ControlError::NoDamon(tree.root().to_owned())),
            },
            Choice::Debugfs => match debugfs() {
                Some(debugfs) => Ok(Interface::Debugfs(Box::new(debugfs))),
                None => Err(ControlError::NoDebugfs(system.debugfs.clone())),
            },
        }
    }

    /// The one that parameters were saved by.
    ///
    /// # Errors
    /// It is not there any more.
    pub fn of(system: &System, saved: &SavedBy) -> Result<Interface, ControlError> {
        Interface::find(
            system,
            match saved {
                SavedBy::Sysfs(_) => Choice::Sysfs,
                SavedBy::Debugfs(_) => Choice::Debugfs,
            },
        )
    }

    /// The folder that paths of [`Write`]s start at.
    pub fn root(&self) -> &Path {
        match self {
            Interface::Sysfs(tree, _) => tree.root(),
            Interface::Debugfs(debugfs) => debugfs.tree().root(),
        }
    }

    /// What is set.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(&self) -> Result<Params, FileError> {
        match self {
            Interface::Sysfs(tree, _) => read(tree),
            Interface::Debugfs(debugfs) => debugfs.read(),
        }
    }

    /// Reads everything that can be set.
    ///
    /// # Errors
    /// A file cannot be read: what is not known cannot be put back.
    pub fn save(&self) -> Result<SavedBy, FileError> {
        match self {
            Interface::Sysfs(tree, _) => Saved::read(tree).map(SavedBy::Sysfs),
            Interface::Debugfs(debugfs) => debugfs.save().map(SavedBy::Debugfs),
        }
    }

    /// Checks, changing nothing, what can be known of `params` beforehand.
    ///
    /// # Errors
    /// This interface has no place for them.
    pub fn check(&self, params: &Params) -> Result<(), ControlError> {
        match self {
            // What a kernel has shows in folders that are to be made first.
            Interface::Sysfs(..) => Ok(()),
            Interface::Debugfs(debugfs) => Ok(debugfs.plan(params).map(drop)?),
        }
    }

    /// The writes that [`Interface::stage`] would do, and that switch DAMON on
    /// then, changing nothing: this kernel is judged by what can be seen of it.
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
            Interface::Debugfs(debugfs) => {
                let mut writes = debugfs.plan(params)?;
                writes.push(debugfs.switch("on"));
                Ok(writes)
            }
        }
    }

    /// Makes the files say what `params` say, and sees that they do: all of them
    /// ([`Scope::Fresh`]), or through sysfs those of one kdamond.
    ///
    /// # Errors
    /// Something cannot be written, or is not there; some of it may be written.
    pub fn stage(&self, params: &Params, scope: Scope) -> Result<(), ControlError> {
        match self {
            Interface::Sysfs(tree, release) => stage(tree, *release, params, scope),
            Interface::Debugfs(debugfs) => {
                debugfs.apply(&debugfs.plan(params)?)?;
                // Lines that the kernel does not like are dropped silently.
                match debugfs.read()? == params.resolved()? {
                    true => Ok(()),
                    false => Err(ControlError::DebugfsDiffers),
                }
            }
        }
    }

    /// Switches a kdamond on, without waiting for DAMON's lock; through debugfs
    /// the first switches all of them on.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn switch_on(&self, index: usize) -> Result<(), FileError> {
        match self {
            Interface::Sysfs(tree, _) => tree.write_once(state(index), "on"),
            Interface::Debugfs(debugfs) if index == 0 => debugfs.turn_on(),
            Interface::Debugfs(..) => Ok(()),
        }
    }

    /// Switches a kdamond off that is on; through debugfs, all of them.
    ///
    /// # Errors
    /// What the kernel said; also that it was off already.
    pub fn switch_off(&self, index: usize) -> Result<(), OffError> {
        match self {
            Interface::Sysfs(tree, _) => Ok(tree.write(state(index), "off")?),
            Interface::Debugfs(debugfs) => debugfs.turn_off(),
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
            Interface::Debugfs(_) => Ok(self.tid(index)?.is_some()),
        }
    }

    /// A kdamond's thread, while it is on.
    ///
    /// # Errors
    /// DAMON's files cannot be read.
    pub fn tid(&self, index: usize) -> Result<Option<u32>, FileError> {
        match self {
            Interface::Sysfs(tree, _) => others::tid(tree, &format!("kdamonds/{index}/pid")),
            Interface::Debugfs(debugfs) => Ok(debugfs.tids()?.get(index).copied().flatten()),
        }
    }

    /// Puts parameters back. No kdamond may be on.
    ///
    /// # Errors
    /// What could not be put back.
    pub fn restore(&self, saved: &SavedBy) -> Result<(), Leftover> {
        match (self, saved) {
            (Interface::Sysfs(tree, _), SavedBy::Sysfs(saved)) => Ok(saved.restore(tree)?),
            (Interface::Debugfs(debugfs), SavedBy::Debugfs(saved)) => Ok(debugfs.restore(saved)?),
            // An interface is made for what was saved, or saves it.
            (Interface::Sysfs(..), SavedBy::Debugfs(_))
            | (Interface::Debugfs(..), SavedBy::Sysfs(_)) => Ok(()),
        }
    }
}

/// A kdamond's switch, by a path below the `admin` folder.
pub(super) fn state(index: usize) -> String {
    format!("kdamonds/{index}/state")
}

fn stage(
    tree: &Tree,
    release: Option<Release>,
    params: &Params,
    scope: Scope,
) -> Result<(), ControlError> {
    // What a kernel of long ago could do needs no folders made to look into.
    let ancient = Features::of_release(Release(0, 0));
    let writes = match plan_params(params, &ancient, scope) {
        Ok(writes) if scope == Scope::Fresh => writes,
        Err(_) if scope == Scope::Fresh => {
            plan_params(params, &Features::probe(tree, release)?, scope)?
        }
        // Folders are there, and others' kdamonds are not to lose theirs.
        _ => plan_params(params, &Features::read(tree, release)?, scope)?,
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
