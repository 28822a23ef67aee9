//! The disk with what damo is measured against: perf, trace-cmd, and the peer
//! with its Python, from Debian's and Python's packages.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::cache::Cache;
use crate::debian::Archive;

const SUITE: &str = "trixie";

/// What is measured, and what these start: shells, `ps`, `file` and `less`.
const PACKAGES: [&str; 9] = [
    "linux-perf",
    "trace-cmd",
    "python3",
    "bash",
    "coreutils",
    "dash",
    "file",
    "less",
    "procps",
];

/// The peer's package.
const PEER: &str = "damo==3.4.3";

/// What Debian's packages make of themselves only when they are installed; the
/// peer finds perf by it.
const WHICH: (&str, &str) = ("usr/bin/which", "which.debianutils");

/// Where Debian's Python looks for packages.
const PYTHON_PACKAGES: &str = "usr/lib/python3/dist-packages";

/// Mounted in the guest.
const MOUNT_POINTS: [&str; 4] = ["dev", "proc", "sys", "tmp"];

/// Room for Python's compiled files and what the peer keeps at home. Sparse.
const SIZE: &str = "1G";

/// An ext4 image, made once. Whoever boots with it must not write to it.
pub fn image(cache: &Cache, mirror: Option<&str>) -> Result<PathBuf> {
    let _making = cache.hold("tools.lock")?;
    let folder = cache.dir("bench-tools")?;
    let recipe = format!("{SUITE} {} {} {PEER} {SIZE}", PACKAGES.join(" "), WHICH.0);
    let digest = Sha256::digest(recipe.as_bytes());
    let name: String = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
    let image = folder.join(format!("{name}.ext4"));
    if image.exists() {
        return Ok(image);
    }
    eprintln!("making a disk with perf, trace-cmd and {PEER}, once");
    let work = tempfile::tempdir_in(&folder)?;
    let root = work.path().join("root");
    for folder in MOUNT_POINTS {
        fs::create_dir_all(root.join(folder))?;
    }
    Archive::new(cache, &[SUITE], mirror).unpack_with_dependencies(&PACKAGES, &root)?;
    symlink(WHICH.1, root.join(WHICH.0))?;
    let packages = root.join(PYTHON_PACKAGES);
    run(Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-input"])
        // Compiled by this machine's Python, it would be of no use there.
        .args(["--no-compile", "--no-deps", "--target"])
        .arg(&packages)
        .arg(PEER))
    .with_context(|| {
        format!("{PEER} cannot be had by pip (apt-get install python3-pip if it is missing)")
    })?;
    let fresh = work.path().join("image");
    make_ext4(&root, &fresh)?;
    fs::rename(&fresh, &image)?;
    Ok(image)
}

fn make_ext4(root: &Path, image: &Path) -> Result<()> {
    File::create(image)?;
    run(Command::new("/sbin/mkfs.ext4")
        .args([
            "-q",
            "-F",
            "-O",
            "^has_journal",
            "-E",
            "root_owner=0:0",
            "-d",
        ])
        .args([root, image])
        .arg(SIZE))
    .context("the disk cannot be made (mkfs.ext4 is in Debian's e2fsprogs)")
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| program.clone())?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {}", said.trim());
    Ok(())
}
