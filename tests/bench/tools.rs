//! The disk with perf, trace-cmd and the peer (xtask/src/tools.rs), mounted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};

const ROOT: &str = "/tools";
const SERIAL: &str = "damo-tools";

/// The peer's program, in the disk.
const PEER: &str = "/usr/lib/python3/dist-packages/bin/damo";

/// Mounts it, with the guest's own devices, processes, DAMON and /tmp inside.
///
/// # Errors
/// There is no such disk: the guest was not started by `cargo xtask bench`.
pub fn mount_all() -> Result<()> {
    fs::create_dir_all(ROOT)?;
    let disk = disk().context("no disk with the tools")?;
    mount(
        Some(&disk),
        ROOT,
        Some("ext4"),
        MsFlags::empty(),
        None::<&str>,
    )
    .with_context(|| format!("mount {} {ROOT}", disk.display()))?;
    for folder in ["/dev", "/proc", "/sys", "/tmp"] {
        let inside = format!("{ROOT}{folder}");
        let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(
            Some(folder),
            inside.as_str(),
            None::<&str>,
            flags,
            None::<&str>,
        )
        .with_context(|| format!("mount {folder} {inside}"))?;
    }
    Ok(())
}

/// Disks are probed in no certain order, and in the background.
fn disk() -> Option<PathBuf> {
    for _ in 0..100 {
        for entry in fs::read_dir("/sys/block").ok()?.flatten() {
            let serial = fs::read_to_string(entry.path().join("device/serial"));
            if serial.is_ok_and(|serial| serial.trim() == SERIAL) {
                let device = Path::new("/dev").join(entry.file_name());
                if device.exists() {
                    return Some(device);
                }
            }
        }
        sleep(Duration::from_millis(100));
    }
    None
}

/// A command of the disk.
pub fn command(words: &[&str]) -> Vec<String> {
    let inside = ["chroot", ROOT].iter().chain(words);
    inside.map(|word| (*word).to_owned()).collect()
}

/// The peer, with these arguments.
pub fn peer(words: &[&str]) -> Vec<String> {
    command(&[&["/usr/bin/python3", PEER], words].concat())
}

/// What a command prints first, wherever it prints it.
pub fn first_line(command: &[String]) -> Result<String> {
    let (program, args) = command.split_first().context("no command")?;
    let output = Command::new(program).args(args).output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().find(|line| !line.trim().is_empty());
    Ok(line.unwrap_or_default().trim().to_owned())
}
