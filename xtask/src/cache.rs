//! The folder for everything fetched: packages, kernels, tools.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// `$DAMO_CACHE`, or `damo` in the user's cache folder. Safe to delete.
pub struct Cache {
    root: PathBuf,
}

/// Held while the cache is being filled; dropping it lets the next one in.
pub struct Filling {
    _file: File,
}

impl Cache {
    /// Opens the cache, creating its folder.
    pub fn open() -> Result<Self> {
        let set = |name| env::var_os(name).filter(|v| !v.is_empty());
        let root = match (set("DAMO_CACHE"), set("XDG_CACHE_HOME"), set("HOME")) {
            (Some(cache), _, _) => std::path::absolute(cache)?,
            (None, Some(xdg), _) => PathBuf::from(xdg).join("damo"),
            (None, None, Some(home)) => PathBuf::from(home).join(".cache/damo"),
            (None, None, None) => anyhow::bail!("no cache folder: set DAMO_CACHE or HOME"),
        };
        let cache = Self { root };
        cache.dir("")?;
        Ok(cache)
    }

    /// A folder in the cache, created if need be.
    pub fn dir(&self, name: &str) -> Result<PathBuf> {
        let dir = self.root.join(name);
        fs::create_dir_all(&dir).with_context(|| format!("{}: cannot create", dir.display()))?;
        Ok(dir)
    }

    /// Waits until no other process fills the cache, and keeps others out.
    pub fn fill(&self) -> Result<Filling> {
        self.hold("lock")
    }

    /// Waits until no other process holds what is called `name`.
    pub fn hold(&self, name: &str) -> Result<Filling> {
        let path = self.root.join(name);
        let file = File::create(&path).with_context(|| format!("{}", path.display()))?;
        file.lock()
            .with_context(|| format!("{}: cannot lock", path.display()))?;
        Ok(Filling { _file: file })
    }
}

/// The SHA-256 of a file's bytes, in lower-case hex.
pub fn sha256(path: &Path) -> Result<String> {
    let name = || format!("{}", path.display());
    let mut hasher = Sha256::new();
    io::copy(
        &mut File::open(path).with_context(name)?,
        &mut HashWriter(&mut hasher),
    )
    .with_context(name)?;
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
