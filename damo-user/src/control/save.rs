//! DAMON's whole configuration, read so that it can be put back exactly.
//!
//! The tree is walked, not listed: a later kernel's files are saved as well.
//! Left out are read-only files (statistics, `pid`), `state`, which is a command
//! rather than a value, and `tried_regions/`, which is an answer to one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::Kind;
use super::sysfs::{FileError, Tree, insist};

/// How often the whole is written before what differs is reported.
const ROUNDS: u32 = 3;

/// How many differences an error message shows.
const SHOWN: usize = 3;

/// A folder's writable files and its folders, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// Values, without the newline that the kernel adds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// Folders below.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub folders: BTreeMap<String, Folder>,
}

/// Everything that can be set below DAMON's `admin` folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Saved {
    /// The `admin` folder.
    pub root: Folder,
}

/// A file that does not say what it said when the tree was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Path below the `admin` folder.
    pub path: PathBuf,
    /// What was saved; `None` if there was no such file.
    pub saved: Option<String>,
    /// What is there now; `None` if there is no such file.
    pub found: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.path.display())?;
        match (&self.saved, &self.found) {
            (Some(saved), Some(found)) => write!(f, "is '{found}', was '{saved}'"),
            (Some(saved), None) => write!(f, "is gone, was '{saved}'"),
            (None, Some(found)) => write!(f, "is '{found}', was not there"),
            (None, None) => write!(f, "is gone"),
        }
    }
}

/// Why a saved tree is not back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A file failed, and nothing more was tried.
    #[error("DAMON's parameters are not as they were: {0}")]
    File(#[from] FileError),
    /// Everything was written, and yet this is different.
    #[error("DAMON's parameters are not as they were: {}", shown(.0))]
    Differs(Vec<Difference>),
}

fn shown(differences: &[Difference]) -> String {
    let mut text: Vec<String> = differences
        .iter()
        .take(SHOWN)
        .map(ToString::to_string)
        .collect();
    let more = differences.len().saturating_sub(SHOWN);
    if more > 0 {
        text.push(format!("and {more} more"));
    }
    text.join(", ")
}

impl Saved {
    /// Reads the tree.
    ///
    /// # Errors
    /// A file cannot be read: what is not known cannot be put back.
    pub fn read(tree: &Tree) -> Result<Saved, FileError> {
        let root = read_folder(tree, Path::new(""))?;
        Ok(Saved { root })
    }

    /// Makes the tree say again what it said. No kdamond may be on. Read-only
    /// results of stopped kdamonds (statistics, tried regions) do not come back.
    ///
    /// # Errors
    /// What could not be put back, after several attempts.
    pub fn restore(&self, tree: &Tree) -> Result<(), RestoreError> {
        let mut rounds = ROUNDS;
        loop {
            rounds -= 1;
            // A single value's failure shows in the comparison.
            write_folder(tree, Path::new(""), &self.root, false)?;
            let found = insist(|| Saved::read(tree))?;
            let differences = self.differences(&found);
            if differences.is_empty() {
                return Ok(());
            }
            if rounds == 0 {
                return Err(RestoreError::Differs(differences));
            }
        }
    }

    /// Makes the files of `kdamonds` say again what they said, while they may be
    /// on: how many kdamonds and contexts there are is not written.
    ///
    /// # Errors
    /// What could not be put back.
    pub fn restore_running(&self, tree: &Tree, kdamonds: &[usize]) -> Result<(), RestoreError> {
        let Some(all) = self.root.folders.get("kdamonds") else {
            return Ok(());
        };
        for index in kdamonds {
            let at = Path::new("kdamonds").join(index.to_string());
            let Some(kdamond) = all.folders.get(&index.to_string()) else {
                continue;
            };
            for (name, value) in &kdamond.files {
                if read_if_there(tree, &at.join(name))?.as_ref() != Some(value) {
                    tree.insist(at.join(name), value)?;
                }
            }
            let contexts = kdamond.folders.get("contexts");
            for (c, context) in contexts.iter().flat_map(|contexts| &contexts.folders) {
                write_folder(tree, &at.join("contexts").join(c), context, false)?;
            }
        }
        let found = insist(|| Saved::read(tree))?;
        let mut differences = self.differences(&found);
        differences.retain(|difference| {
            let ours = |index: &usize| {
                let at = Path::new("kdamonds").join(index.to_string());
                difference.path.starts_with(at)
            };
            kdamonds.iter().any(ours)
        });
        match differences.is_empty() {
            true => Ok(()),
            false => Err(RestoreError::Differs(differences)),
        }
    }

    /// All values, in an order in which they can be written to folders that are
    /// not there yet: paths below the `admin` folder.
    pub fn writes(&self) -> Vec<(PathBuf, String)> {
        let mut writes = Vec::new();
        self.root.writes(Path::new(""), &mut writes);
        writes
    }

    /// Where `found` is not as this, in order of paths.
    pub fn differences(&self, found: &Saved) -> Vec<Difference> {
        let (saved, found) = (self.flat(), found.flat());
        let mut differences: Vec<Difference> = saved
            .iter()
            .filter(|&(path, value)| found.get(path) != Some(value))
            .map(|(path, value)| Difference {
                path: path.clone(),
                saved: Some(value.clone()),
                found: found.get(path).cloned(),
            })
            .collect();
        differences.extend(
            found
                .iter()
                .filter(|&(path, _)| !saved.contains_key(path))
                .map(|(path, value)| Difference {
                    path: path.clone(),
                    saved: None,
                    found: Some(value.clone()),
                }),
        );
        differences.sort_by(|a, b| a.path.cmp(&b.path));
        differences
    }

    fn flat(&self) -> BTreeMap<PathBuf, String> {
        let mut files = BTreeMap::new();
        self.root.flatten(Path::new(""), &mut files);
        files
    }
}

impl Folder {
    fn writes(&self, at: &Path, into: &mut Vec<(PathBuf, String)>) {
        for counts in [true, false] {
            let files = self.files.iter();
            for (name, value) in files.filter(|(name, _)| is_count(name) == counts) {
                into.push((at.join(name), value.clone()));
            }
        }
        for (name, folder) in &self.folders {
            folder.writes(&at.join(name), into);
        }
    }

    fn flatten(&self, at: &Path, into: &mut BTreeMap<PathBuf, String>) {
        for (name, value) in &self.files {
            into.insert(at.join(name), value.clone());
        }
        for (name, folder) in &self.folders {
            folder.flatten(&at.join(name), into);
        }
    }
}

fn read_folder(tree: &Tree, at: &Path) -> Result<Folder, FileError> {
    let mut folder = Folder::default();
    for entry in tree.list(at)? {
        let path = at.join(&entry.name);
        match entry.kind {
            Kind::Folder if entry.name == "tried_regions" => {}
            Kind::Folder => {
                let below = read_folder(tree, &path)?;
                folder.folders.insert(entry.name, below);
            }
            Kind::File { writable: true } if entry.name != "state" => {
                let value = tree.read(&path)?;
                folder.files.insert(entry.name, value);
            }
            Kind::File { .. } => {}
        }
    }
    Ok(folder)
}

/// Whether writing this file deletes the numbered folders beside it and makes
/// new ones (`monitoring_attrs/nr_regions` is a folder, so never asked here).
fn is_count(name: &str) -> bool {
    name.starts_with("nr_")
}

/// Writes what differs: counts first, since they make the folders; then values,
/// those that failed once more, as they may depend on another; then folders.
/// `fresh` says that the folder was just made, so that equal counts need not be
/// written again to get rid of what is below.
///
/// # Errors
/// A count: without it nothing below can be right. Or a lock that is not let go.
fn write_folder(tree: &Tree, at: &Path, folder: &Folder, fresh: bool) -> Result<(), FileError> {
    let mut below_fresh = fresh;
    for (name, value) in folder.files.iter().filter(|(name, _)| is_count(name)) {
        let path = at.join(name);
        if !fresh || read_if_there(tree, &path)?.as_ref() != Some(value) {
            tree.insist(&path, value)?;
        }
        below_fresh = true;
    }
    let mut failed = Vec::new();
    for (name, value) in folder.files.iter().filter(|(name, _)| !is_count(name)) {
        let path = at.join(name);
        if read_if_there(tree, &path)?.as_ref() == Some(value) {
            continue;
        }
        match tree.write(&path, value) {
            Err(busy @ FileError::Busy { .. }) => return Err(busy),
            Err(_) => failed.push((path, value)),
            Ok(()) => {}
        }
    }
    for (path, value) in failed {
        if let Err(busy @ FileError::Busy { .. }) = tree.write(&path, value) {
            return Err(busy);
        }
    }
    for (name, below) in &folder.folders {
        write_folder(tree, &at.join(name), below, below_fresh)?;
    }
    Ok(())
}

fn read_if_there(tree: &Tree, path: &Path) -> Result<Option<String>, FileError> {
    match insist(|| tree.read(path)) {
        Ok(value) => Ok(Some(value)),
        Err(busy @ FileError::Busy { .. }) => Err(busy),
        Err(_) => Ok(None),
    }
}
