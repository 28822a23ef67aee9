//! `cargo xtask sandbox`: native tests must not reach this machine's own DAMON,
//! tracing or BPF, however wrong they are.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::thread::{
    CapabilitySet, capabilities, clear_ambient_capability_set, remove_capability_from_bounding_set,
    set_capabilities,
};

/// What test binaries find in their environment, to check that they are inside.
pub const EXPECT: &str = "DAMO_EXPECT_SANDBOX";

/// What it takes to change DAMON, mount file systems, trace and load BPF.
const DROPPED: [CapabilitySet; 3] = [
    CapabilitySet::SYS_ADMIN,
    CapabilitySet::BPF,
    CapabilitySet::PERFMON,
];

/// Hidden below an empty read-only tmpfs each, and so is every DAMON module.
const HIDDEN: [&str; 4] = [
    "/sys/kernel/mm/damon",
    "/sys/kernel/tracing",
    "/sys/kernel/debug",
    "/sys/fs/bpf",
];

/// Runs a command that can neither see nor change this machine's own DAMON,
/// tracing and BPF.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to run
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Becomes the command; returns only if that fails.
pub fn main(args: &Args) -> Result<ExitCode> {
    enter().context("the sandbox for native tests cannot be set up")?;
    check(&fs::read_to_string("/proc/self/status")?)?;
    let (program, rest) = args.command.split_first().context("no command")?;
    let error = Command::new(program).args(rest).exec();
    Err(error).with_context(|| program.to_string_lossy().into_owned())
}

fn enter() -> Result<()> {
    ensure!(rustix::process::geteuid().is_root(), "run it as root");
    unshare(CloneFlags::CLONE_NEWNS).context("no private mounts")?;
    let none = None::<&str>;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none, "/", none, private, none).context("cannot make the mounts private")?;
    for dir in hidden()? {
        mount(
            Some("tmpfs"),
            &dir,
            Some("tmpfs"),
            MsFlags::MS_RDONLY,
            Some("size=4k"),
        )
        .with_context(|| format!("cannot hide {}", dir.display()))?;
    }
    clear_ambient_capability_set().context("ambient capabilities")?;
    for capability in DROPPED {
        remove_capability_from_bounding_set(capability).context("capability bounding set")?;
    }
    let dropped: CapabilitySet = DROPPED.into_iter().collect();
    let mut sets = capabilities(None)?;
    sets.effective -= dropped;
    sets.permitted -= dropped;
    sets.inheritable -= dropped;
    set_capabilities(None, sets).context("capabilities")
}

fn hidden() -> Result<Vec<PathBuf>> {
    let mut dirs: Vec<PathBuf> = HIDDEN.iter().map(PathBuf::from).collect();
    for module in fs::read_dir("/sys/module").context("/sys/module")? {
        let module = module?;
        if module.file_name().to_string_lossy().starts_with("damon_") {
            dirs.push(module.path());
        }
    }
    dirs.retain(|dir| dir.is_dir());
    Ok(dirs)
}

/// Refuses to go on if any door is still open.
fn check(status: &str) -> Result<()> {
    let dropped: CapabilitySet = DROPPED.into_iter().collect();
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        let value = status
            .lines()
            .find_map(|line| line.strip_prefix(set)?.strip_prefix(':'))
            .and_then(|value| u64::from_str_radix(value.trim(), 16).ok())
            .with_context(|| format!("/proc/self/status has no {set}"))?;
        let kept = CapabilitySet::from_bits_retain(value) & dropped;
        ensure!(
            kept.is_empty(),
            "not in the sandbox: {set} still has {kept:?}"
        );
    }
    let admin = Path::new("/sys/kernel/mm/damon/admin");
    ensure!(
        !admin.exists(),
        "not in the sandbox: {} can be seen",
        admin.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_capability_left_is_one_too_many() {
        let status = |bnd: u64| {
            format!(
                "Name:\tx\nCapInh:\t0\nCapPrm:\t0\nCapEff:\t0\nCapBnd:\t{bnd:016x}\nCapAmb:\t0\n"
            )
        };
        let sys_ptrace = 1 << 19;
        // Needs the sandbox itself: DAMON's folder must be hidden.
        if std::env::var_os(EXPECT).is_some() {
            check(&status(sys_ptrace)).unwrap();
        }
        for bit in [21, 38, 39] {
            let error = check(&status(sys_ptrace | 1 << bit)).unwrap_err();
            assert!(error.to_string().contains("CapBnd"), "{error}");
        }
        assert!(check("CapBnd: 0\n").is_err());
    }
}
