//! `cargo xtask test` runs every native test where the machine's own DAMON,
//! tracing and BPF are out of reach. Seen from inside.

// Clippy knows only functions marked #[test] as tests.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::PathBuf;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

const SYS_ADMIN: u64 = 1 << 21;

/// Whether `cargo xtask test` started this; says so if not.
fn inside() -> bool {
    let inside = std::env::var_os("DAMO_EXPECT_SANDBOX").is_some();
    if !inside {
        eprintln!("skipped: not started by cargo xtask test");
    }
    inside
}

fn capability_set(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"))
        .unwrap();
    u64::from_str_radix(value, 16).unwrap()
}

#[test]
fn the_dangerous_capabilities_are_gone_and_the_useful_ones_kept() {
    if !inside() {
        return;
    }
    let (perfmon, bpf) = (1 << 38, 1 << 39);
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(
            capability_set(name) & (SYS_ADMIN | perfmon | bpf),
            0,
            "{name}"
        );
    }
    let (chown, setuid, sys_ptrace) = (1, 1 << 7, 1 << 19);
    let needed = chown | setuid | sys_ptrace;
    assert_eq!(capability_set("CapEff") & needed, needed);
}

#[test]
fn damon_and_tracing_are_hidden() {
    if !inside() {
        return;
    }
    let mut dirs: Vec<PathBuf> = [
        "/sys/kernel/mm/damon",
        "/sys/kernel/tracing",
        "/sys/kernel/debug",
        "/sys/fs/bpf",
    ]
    .map(PathBuf::from)
    .into();
    let modules = fs::read_dir("/sys/module").unwrap();
    let modules = modules.map(|module| module.unwrap().path());
    dirs.extend(modules.filter(|path| path.to_string_lossy().contains("/damon_")));
    for dir in dirs.iter().filter(|dir| dir.exists()) {
        assert_eq!(fs::read_dir(dir).unwrap().count(), 0, "{}", dir.display());
    }
}

#[test]
fn what_is_hidden_cannot_be_uncovered() {
    if !inside() {
        return;
    }
    // Outside, what follows would work: it is not even tried there.
    assert_eq!(capability_set("CapEff") & SYS_ADMIN, 0);
    let none = None::<&str>;
    let mounted = mount(
        Some("tmpfs"),
        "/proc/self",
        Some("tmpfs"),
        MsFlags::empty(),
        none,
    );
    assert_eq!(mounted, Err(nix::Error::EPERM));
    let shared = mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none);
    assert_eq!(shared, Err(nix::Error::EPERM));
    assert_eq!(unshare(CloneFlags::CLONE_NEWNS), Err(nix::Error::EPERM));
}
