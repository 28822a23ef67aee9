//! A kernel that Debian does not enable: 6.1 with DAMON's debugfs interface,
//! built once from Debian's source package.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::build;
use crate::debian;

/// What `--kernel` calls it.
pub const LINE: &str = "6.1-debugfs";

/// Holds the sources, as `usr/src/PACKAGE.tar.xz`.
pub const PACKAGE: &str = "linux-source-6.1";

/// Where the package is; on newer suites there is no 6.1.
pub const SUITES: [&[&str]; 1] = [&["bookworm"]];

/// Debian packages that a build needs; pahole makes the BTF.
const TOOLS: [&str; 11] = [
    "bc",
    "bison",
    "flex",
    "gcc",
    "libc6-dev",
    "libelf-dev",
    "libssl-dev",
    "make",
    "pahole",
    "perl",
    "xz-utils",
];

/// How much of a failed build's last words to show.
const LAST_LINES: usize = 30;

/// What is switched on, on top of nothing.
pub fn config() -> PathBuf {
    build::root().join("xtask/linux-6.1-debugfs.config")
}

/// Builds the kernel of an unpacked source package in `dir`; says which file it is.
///
/// # Errors
/// Tools are missing and cannot be installed, the configuration asks for
/// something this source does not have, or the build fails.
pub fn build(dir: &Path) -> Result<PathBuf> {
    ensure_tools()?;
    let start = Instant::now();
    eprintln!("building {LINE}: about 11 minutes of CPU time, once");
    let sources = dir.join("usr/src").join(PACKAGE);
    let tarball = sources.with_file_name(format!("{PACKAGE}.tar.xz"));
    let mut tar = Command::new("tar");
    tar.arg("-xJf").arg(&tarball);
    run(tar.arg("-C").arg(dir.join("usr/src")), dir)?;
    let mut allnoconfig = make(&sources);
    allnoconfig.env("KCONFIG_ALLCONFIG", config());
    run(allnoconfig.arg("allnoconfig"), dir)?;
    let asked = fs::read_to_string(config())?;
    let got = fs::read_to_string(sources.join(".config"))?;
    let refused: Vec<_> = refused(&asked, &got).collect();
    ensure!(
        refused.is_empty(),
        "{}: this source does not take {}",
        config().display(),
        refused.join(", ")
    );
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    run(make(&sources).arg(format!("-j{jobs}")).arg("bzImage"), dir)?;
    eprintln!("built {LINE} in {} s", start.elapsed().as_secs());
    Ok(sources.join("arch/x86/boot/bzImage"))
}

/// `make` that leaves the machine usable, and names neither it nor the day.
fn make(sources: &Path) -> Command {
    let mut make = Command::new("nice");
    make.args(["-n", "10", "make", "-s", "ARCH=x86_64", "-C"]);
    make.arg(sources);
    for (key, value) in [
        ("KBUILD_BUILD_TIMESTAMP", "1970-01-01"),
        ("KBUILD_BUILD_USER", "damo"),
        ("KBUILD_BUILD_HOST", "damo"),
        ("LC_ALL", "C.UTF-8"),
    ] {
        make.env(key, value);
    }
    // A cargo that runs xtask has a job server of its own.
    make.env_remove("MAKEFLAGS").env_remove("CARGO_MAKEFLAGS");
    make
}

/// The lines of a fragment that did not become the configuration.
fn refused<'a>(asked: &'a str, got: &str) -> impl Iterator<Item = &'a str> {
    asked.lines().filter(|line| {
        let set = match line.split_once('=') {
            // Off is a comment in the result.
            Some((name, "n")) => got.lines().any(|l| l.starts_with(&format!("{name}="))),
            Some(_) => !got.lines().any(|l| l == *line),
            None => false,
        };
        set && !line.starts_with('#')
    })
}

fn ensure_tools() -> Result<()> {
    let missing: Vec<&str> = TOOLS
        .into_iter()
        .filter(|tool| !is_installed(tool))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    debian::install(&missing)
}

fn is_installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Status}", package])
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|output| output.stdout.starts_with(b"installed"))
}

/// Runs a step, keeping what it says in `dir` for a failure's last words.
fn run(command: &mut Command, dir: &Path) -> Result<()> {
    let log = dir.join("log");
    let file = File::create(&log).with_context(|| log.display().to_string())?;
    let status = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()
        .with_context(|| format!("{command:?}"))?;
    if !status.success() {
        let said = fs::read(&log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().collect();
        let first = lines.len().saturating_sub(LAST_LINES);
        let last = lines.get(first..).unwrap_or_default().join("\n");
        bail!("{command:?}: {status}: it said last:\n{last}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_configuration_lacks_is_named() {
        let asked = "# why\nCONFIG_A=y\n\nCONFIG_B=y\nCONFIG_C=n\nCONFIG_D=n\nCONFIG_E=8\n";
        let got =
            "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=y\n# CONFIG_D is not set\nCONFIG_E=4\n";
        let refused: Vec<_> = refused(asked, got).collect();
        assert_eq!(refused, ["CONFIG_B=y", "CONFIG_C=n", "CONFIG_E=8"]);
    }

    #[test]
    fn a_step_that_fails_shows_its_last_words() {
        let dir = tempfile::tempdir().unwrap();
        let step = "seq 100; echo no such thing >&2; exit 3";
        let error = run(Command::new("sh").args(["-c", step]), dir.path()).unwrap_err();
        let error = error.to_string();
        assert!(error.ends_with("\n100\nno such thing"), "{error}");
        assert!(!error.contains("\n50\n"), "{error}");
    }
}
