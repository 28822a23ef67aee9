//! What cargo builds for the guests.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The target everything is built for; static binaries need it named.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What makes binaries that need nothing of a guest.
const STATIC: &str = "-Ctarget-feature=+crt-static";

/// The project's folder.
pub fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// A folder below `target/` for this program's own files, created if need be.
pub fn target_dir(name: &str) -> Result<PathBuf> {
    let dir = root().join("target").join(name);
    std::fs::create_dir_all(&dir).with_context(|| format!("{}: cannot create", dir.display()))?;
    Ok(dir)
}

/// Cargo, run in the project's folder.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The static binaries a guest gets: `damo` and the workloads; and the test binary that
/// runs there, if it is wanted.
pub fn guest_binaries(release: bool, tests: bool) -> Result<(Vec<PathBuf>, Option<PathBuf>)> {
    let mut build = static_build("build", release);
    build.args(["--package", "damo-user", "--package", "damo-tests"]);
    build.arg("--bins");
    if tests {
        ensure!(
            test_targets()?.iter().any(|name| name == "guest"),
            "tests/Cargo.toml has no test target `guest` to run in a guest"
        );
        // In one command: what tests depend on has features enabled that others depend
        // on, too, so that two commands would build damo twice, and a third time for
        // the native tests.
        build.args(["--test", "guest"]);
    }
    let (mut test, programs): (Vec<_>, Vec<_>) = executables(&mut build)?
        .into_iter()
        .partition(|path| is_in_deps(path));
    ensure!(
        test.len() == usize::from(tests),
        "cargo did not say where the test binary is"
    );
    Ok((programs, test.pop()))
}

/// `damo` alone, static and as it is released.
pub fn optimised_damo() -> Result<PathBuf> {
    executables(static_build("build", true).args(["--package", "damo-user", "--bin", "damo"]))?
        .pop()
        .context("cargo did not say where damo is")
}

fn is_in_deps(path: &Path) -> bool {
    path.parent().is_some_and(|dir| dir.ends_with("deps"))
}

/// The names of the workspace's integration tests.
pub fn test_targets() -> Result<Vec<String>> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version=1"])
        .stderr(Stdio::inherit())
        .output()
        .context("cargo metadata")?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let packages = metadata.get("packages").and_then(Value::as_array);
    Ok(packages
        .into_iter()
        .flatten()
        .filter_map(|package| package.get("targets")?.as_array())
        .flatten()
        .filter(|target| {
            let kinds = target.get("kind").and_then(Value::as_array);
            kinds.into_iter().flatten().any(|kind| kind == "test")
        })
        .filter_map(|target| Some(target.get("name")?.as_str()?.to_owned()))
        .collect())
}

fn static_build(subcommand: &str, release: bool) -> Command {
    let mut command = as_for_guests(subcommand, release);
    command.args(["--quiet", "--message-format=json-render-diagnostics"]);
    command
}

/// Cargo with the flags of what guests get. `cargo xtask test` does everything
/// with them, so that all there is to build is built once.
pub fn as_for_guests(subcommand: &str, release: bool) -> Command {
    let mut command = cargo();
    command
        .arg(subcommand)
        .args(["--target", TARGET])
        .args(["--profile", if release { "release" } else { "guest" }])
        .arg("--target-dir")
        // A folder of its own: other flags would rebuild the usual one.
        .arg(root().join("target/guest"))
        .env("CARGO_ENCODED_RUSTFLAGS", STATIC)
        .env("CARGO_ENCODED_RUSTDOCFLAGS", STATIC);
    command
}

/// Runs a build and returns the executables it reports.
fn executables(command: &mut Command) -> Result<Vec<PathBuf>> {
    let output = command.stderr(Stdio::inherit()).output().context("cargo")?;
    if !output.status.success() {
        bail!("building the guest's binaries failed");
    }
    let mut paths = Vec::new();
    for line in output.stdout.split(|&byte| byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<Value>(line) else {
            continue; // cargo allows other output between its messages
        };
        if let Some(path) = message.get("executable").and_then(Value::as_str) {
            paths.push(PathBuf::from(path));
        }
    }
    for path in &paths {
        ensure!(is_static(path)?, "{}: not a static binary", path.display());
    }
    Ok(paths)
}

/// Whether an ELF file names no dynamic loader (which stands near its start).
pub fn is_static(path: &Path) -> Result<bool> {
    use std::io::Read;
    let mut start = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(4096).read_to_end(&mut start))
        .with_context(|| path.display().to_string())?;
    Ok(start.starts_with(b"\x7fELF") && !start.windows(9).any(|bytes| bytes == b"/ld-linux"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_binary_is_told_from_a_static_one() {
        // This test is linked dynamically.
        assert!(!is_static(Path::new("/proc/self/exe")).unwrap());
        assert!(!is_static(&root().join("Cargo.toml")).unwrap());
    }

    #[test]
    fn the_targets_of_cargo_metadata_are_found() {
        let names = test_targets().unwrap();
        assert!(names.iter().any(|name| name == "sandbox"), "{names:?}");
    }
}
