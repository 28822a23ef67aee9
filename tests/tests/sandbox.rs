//! `cargo xtask test` runs every native test where the machine's own DAMON,
//! tracing and BPF are out of reach. Seen from inside.

// Clippy knows only functions marked #[test] as tests.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

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
    let (sys_admin, perfmon, bpf) = (1 << 21, 1 << 38, 1 << 39);
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(
            capability_set(name) & (sys_admin | perfmon | bpf),
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
    for dir in [
        "/sys/kernel/mm/damon",
        "/sys/kernel/tracing",
        "/sys/kernel/debug",
        "/sys/fs/bpf",
    ] {
        if Path::new(dir).exists() {
            assert_eq!(fs::read_dir(dir).unwrap().count(), 0, "{dir}");
            assert!(fs::create_dir(format!("{dir}/new")).is_err(), "{dir}");
        }
    }
    for module in fs::read_dir("/sys/module").unwrap() {
        let module = module.unwrap();
        if module.file_name().to_string_lossy().starts_with("damon_") {
            assert_eq!(fs::read_dir(module.path()).unwrap().count(), 0);
        }
    }
}

#[test]
fn what_is_hidden_cannot_be_uncovered() {
    if !inside() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let none = None::<&str>;
    let mounted = mount(
        Some("sysfs"),
        dir.path(),
        Some("sysfs"),
        MsFlags::empty(),
        none,
    );
    assert_eq!(mounted, Err(nix::Error::EPERM));
    let removed = umount2("/sys/kernel/mm/damon", MntFlags::MNT_DETACH);
    assert_eq!(removed, Err(nix::Error::EPERM));
}
