//! What the system says about itself, processes, memory and callers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::HashMap;
use std::fs;
use std::os::fd::AsFd;
use std::process::Command;

use damo_user::sys::caller::{Caller, CallerError};
use damo_user::sys::clock;
use damo_user::sys::host::Host;
use damo_user::sys::iomem::{self, IomemError};
use damo_user::sys::process::{Process, ProcessError, Stat};
use rustix::event::{PollFd, PollFlags, poll};

#[test]
fn memory_is_what_the_kernel_calls_system_ram() {
    let text = "\
00000000-00000fff : Reserved
00001000-0009fbff : System RAM
  00001000-00001fff : Kernel code
000a0000-000bffff : PCI Bus 0000:00
00100000-3fffffff : System RAM
40000000-4fffffff : System RAM
50000000-5fffffff : Persistent Memory
  50000000-57ffffff : dax0.0
    50000000-57ffffff : System RAM (kmem)
100000000-13fffffff : System RAMdisk
";
    assert_eq!(
        iomem::parse(text).unwrap(),
        [(0x1000, 0x9fc00), (0x10_0000, 0x5800_0000)]
    );
}

#[test]
fn memory_is_sorted_and_the_last_address_is_no_overflow() {
    let text = "f000-ffffffffffffffff : System RAM\n0-fff : System RAM\n";
    assert_eq!(
        iomem::parse(text).unwrap(),
        [(0, 0x1000), (0xf000, u64::MAX)]
    );
}

#[test]
fn hidden_missing_and_broken_memory() {
    let hidden = "00000000-00000000 : System RAM\n00000000-00000000 : System RAM\n";
    assert!(matches!(iomem::parse(hidden), Err(IomemError::Hidden)));
    assert!(matches!(
        iomem::parse("0-fff : Reserved\n"),
        Err(IomemError::NoRam)
    ));
    for bad in [
        "1-zz : System RAM",
        "2-1 : System RAM",
        "\n11111111111111111-2 : System RAM",
    ] {
        let error = iomem::parse(bad).unwrap_err().to_string();
        assert!(error.starts_with("/proc/iomem: line "), "{error}");
    }
}

#[test]
fn a_stat_line_with_any_name() {
    let text = "42 (a) R (b)\n) S 1 2 3 4 5 2129984 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21";
    let stat = Stat::parse(text).unwrap();
    assert_eq!((stat.comm.as_str(), stat.state), ("a) R (b)\n", 'S'));
    assert_eq!((stat.kernel_thread, stat.start_ticks), (true, 4711));
    for bad in [
        "",
        ")(",
        "1 (a",
        "1 (a)",
        "1 (a) S 1 2 3 4 5 x",
        "1 (a) S 1 2 3 4 5 6 7",
    ] {
        assert_eq!(Stat::parse(bad), None, "{bad}");
    }
}

#[test]
fn processes_are_found_and_their_end_is_seen() {
    let me = Process::find(std::process::id()).unwrap();
    assert!(me.start_ticks > 0);
    assert_eq!(
        Process::find(u32::MAX).unwrap_err().to_string(),
        "no such process: 4294967295"
    );

    let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
    let process = Process::find(child.id()).unwrap();
    let pidfd = process.pidfd().unwrap();
    child.kill().unwrap();
    let mut fds = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
    assert_eq!(poll(&mut fds, None).unwrap(), 1);
    let zombie = Process::find(child.id()).unwrap_err();
    assert!(matches!(zombie, ProcessError::Zombie { .. }), "{zombie}");
    child.wait().unwrap();
    assert!(matches!(
        Process::find(child.id()),
        Err(ProcessError::Missing(_))
    ));
    assert!(matches!(process.pidfd(), Err(ProcessError::Missing(_))));
}

#[test]
fn an_id_that_changed_hands_is_another_process() {
    let mut me = Process::find(std::process::id()).unwrap();
    me.start_ticks += 1;
    assert!(matches!(me.pidfd(), Err(ProcessError::Missing(_))));
}

#[test]
fn kernel_threads_have_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("2")).unwrap();
    let text = "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0\n";
    fs::write(dir.path().join("2/stat"), text).unwrap();
    let error = Process::find_in(dir.path(), 2).unwrap_err().to_string();
    assert!(
        error.starts_with("2 (kthreadd) is a kernel thread"),
        "{error}"
    );
}

fn caller(vars: &[(&str, &str)]) -> Result<Option<Caller>, CallerError> {
    let vars: HashMap<&str, &str> = vars.iter().copied().collect();
    Caller::from_vars(|name| vars.get(name).map(ToString::to_string))
}

#[test]
fn the_caller_is_who_called_sudo() {
    assert_eq!(caller(&[]).unwrap(), None);
    assert_eq!(
        caller(&[("SUDO_UID", "0"), ("SUDO_GID", "0")]).unwrap(),
        None
    );
    assert_eq!(caller(&[("SUDO_GID", "5")]).unwrap(), None);

    let unknown = caller(&[("SUDO_UID", "54321"), ("SUDO_GID", "77")])
        .unwrap()
        .unwrap();
    assert_eq!(
        (
            unknown.uid,
            unknown.gid,
            unknown.groups,
            unknown.name.as_str()
        ),
        (54321, 77, vec![77], "54321")
    );

    // Known everywhere: uid 1 is daemon.
    let known = caller(&[("SUDO_UID", "1"), ("SUDO_GID", "77")])
        .unwrap()
        .unwrap();
    assert_eq!(
        (known.uid, known.gid, known.name.as_str()),
        (1, 77, "daemon")
    );
    assert!(known.groups.contains(&77), "{:?}", known.groups);
    assert_eq!(known.owner(), (1, 77));
    assert_eq!(caller(&[("SUDO_UID", "1")]).unwrap().unwrap().gid, 1);
}

#[test]
fn a_caller_that_cannot_be_known_is_not_root_by_default() {
    for bad in ["", "x", "-1", "+5", "1 ", "4294967295", "99999999999"] {
        let error = caller(&[("SUDO_UID", bad), ("SUDO_GID", "1")]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("SUDO_UID='{bad}' is not an id")),
            "{error}"
        );
        assert!(caller(&[("SUDO_UID", "5"), ("SUDO_GID", bad)]).is_err());
    }
    assert!(matches!(
        caller(&[("SUDO_UID", "54321")]),
        Err(CallerError::NoGroup { uid: 54321 })
    ));
}

#[test]
fn clocks_go_on_and_the_host_has_a_name() {
    let before = clock::monotonic_ns();
    assert!(clock::monotonic_ns() >= before && before > 0);
    // After this was written, and before nanoseconds overflow.
    assert!((1_795_000_000_000_000_000..).contains(&clock::wall_ns()));
    let host = Host::here();
    assert_eq!(host.boot_id.len(), 36);
    assert_eq!(host.machine, std::env::consts::ARCH);
    assert_eq!(
        host.kernel,
        fs::read_to_string("/proc/sys/kernel/osrelease")
            .unwrap()
            .trim()
    );
}
