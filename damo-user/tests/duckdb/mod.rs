//! DuckDB, in a Python environment of its own in the cache folder.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version that docs/PARQUET.md was tried with.
const VERSION: &str = "2.0.0";

/// Runs a query of its first argument and prints rows of texts, with tabs between.
const RUN: &str = "\
import duckdb, sys
duckdb.execute('SET threads = 1')
for row in duckdb.execute(sys.argv[1]).fetchall():
    print('\\t'.join('NULL' if cell is None else str(cell) for cell in row))
";

/// A Python that has DuckDB.
pub struct DuckDb {
    python: PathBuf,
}

impl DuckDb {
    /// Finds it or fetches it; `None`, with a line that says so, where that
    /// cannot be done.
    pub fn find() -> Option<DuckDb> {
        let cache = cache()?;
        fs::create_dir_all(&cache).expect("a cache folder");
        let name = format!("venv-duckdb-{VERSION}");
        // One test at a time makes it; the others wait.
        let lock = File::create(cache.join(format!("{name}.lock"))).unwrap();
        lock.lock().unwrap();
        let folder = cache.join(name);
        let python = folder.join("bin/python");
        let works = || {
            let version = Command::new(&python)
                .args(["-c", "import duckdb; print(duckdb.__version__)"])
                .output();
            version.is_ok_and(|output| output.stdout == format!("{VERSION}\n").as_bytes())
        };
        if !works() {
            // What an interrupted test left.
            let _ = fs::remove_dir_all(&folder);
            let made = make(&folder);
            if let Err(why) = made {
                eprintln!("skipped: DuckDB {VERSION} is not here and cannot be fetched: {why}");
                return None;
            }
            assert!(works(), "DuckDB was installed but does not work");
        }
        Some(DuckDb { python })
    }

    /// Rows of a query's result.
    pub fn query(&self, sql: &str) -> Vec<Vec<String>> {
        let output = Command::new(&self.python)
            .args(["-c", RUN, sql])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {said}");
        let text = String::from_utf8(output.stdout).unwrap();
        let rows = text.lines();
        rows.map(|row| row.split('\t').map(str::to_owned).collect())
            .collect()
    }
}

/// As `cargo xtask` has it.
fn cache() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    let cache = match (set("DAMO_CACHE"), set("XDG_CACHE_HOME"), set("HOME")) {
        (Some(cache), _, _) => std::path::absolute(cache).ok()?,
        (None, Some(xdg), _) => PathBuf::from(xdg).join("damo"),
        (None, None, Some(home)) => PathBuf::from(home).join(".cache/damo"),
        (None, None, None) => {
            eprintln!("skipped: no cache folder for DuckDB; set DAMO_CACHE or HOME");
            return None;
        }
    };
    Some(cache)
}

fn make(folder: &Path) -> Result<(), String> {
    let run = |command: &mut Command| {
        let output = command.output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim_end().lines().last().unwrap_or_default();
        output
            .status
            .success()
            .then_some(())
            .ok_or_else(|| last.to_owned())
    };
    run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let package = format!("duckdb=={VERSION}");
    run(Command::new(folder.join("bin/python"))
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--only-binary=:all:",
            "--retries=1",
        ])
        .arg(package))
}
