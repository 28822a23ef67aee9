//! One of DAMON's numbered folders, and what its files say.

use std::path::PathBuf;
use std::str::FromStr;

use super::features::folders;
use crate::control::sysfs::{FileError, Tree};

type Result<T> = std::result::Result<T, FileError>;

/// A folder of DAMON's.
pub(in crate::control) struct Dir<'t> {
    tree: &'t Tree,
    path: String,
}

/// The numbered folders of a folder, each made into something.
pub(in crate::control) fn each<T>(
    tree: &Tree,
    path: &str,
    make: impl Fn(Dir<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    folders(tree, &format!("{path}/*"))?
        .into_iter()
        .map(|path| make(Dir { tree, path }))
        .collect()
}

impl Dir<'_> {
    /// A file's whole path, for an error.
    pub(in crate::control) fn full(&self, file: &str) -> PathBuf {
        self.tree.root().join(&self.path).join(file)
    }

    pub(in crate::control) fn each<T>(
        &self,
        below: &str,
        make: impl Fn(Dir<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        each(self.tree, &format!("{}/{below}", self.path), make)
    }

    pub(in crate::control) fn file(&self, file: &str) -> Option<String> {
        let path = format!("{}/{file}", self.path);
        self.tree.exists(&path).then_some(path)
    }

    pub(in crate::control) fn number<N: FromStr>(&self, file: &str, default: N) -> Result<N> {
        match self.file(file) {
            Some(path) => self.tree.read_number(path),
            None => Ok(default),
        }
    }

    /// A number that this kernel may not have.
    pub(in crate::control) fn maybe(&self, file: &str) -> Result<Option<u64>> {
        self.file(file)
            .map(|path| self.tree.read_number(path))
            .transpose()
    }

    pub(in crate::control) fn boolean(&self, file: &str) -> Result<bool> {
        match self.file(file) {
            Some(path) => self.tree.read_bool(path),
            None => Ok(false),
        }
    }

    pub(in crate::control) fn text(&self, file: &str) -> Result<String> {
        match self.file(file) {
            Some(path) => self.tree.read(path),
            None => Ok(String::new()),
        }
    }

    pub(in crate::control) fn word<T>(
        &self,
        file: &str,
        default: T,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T> {
        let Some(path) = self.file(file) else {
            return Ok(default);
        };
        let value = self.tree.read(&path)?;
        parse(value.trim()).ok_or_else(|| FileError::Odd {
            path: self.tree.root().join(path),
            value,
            expected: "a keyword that damo knows",
        })
    }
}
