//! Privileges given up: by a process of its own, since there is no way back.
//!
//! The sandbox that native tests run in has taken some capabilities already, and
//! a kernel may have no landlock: expectations follow what is there. The guest
//! tests know what is there.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use damo_user::sys::folder::OutputFolder;
use damo_user::sys::output::Output;
use damo_user::sys::outside::Outside;
use damo_user::sys::privileges::{Confined, Needs, confine, drop_capabilities, drop_privileges};
use rustix::thread::{CapabilitySet, capabilities};

const CASE: &str = "DAMO_TEST_CASE";
const DIR: &str = "DAMO_TEST_DIR";

/// Runs one of [`CASES`] in a process of its own, with a folder of its own.
fn apart(case: &str) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["out", "change", "elsewhere"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join("change/state"), "on").unwrap();
    fs::write(dir.path().join("elsewhere/secret"), "secret").unwrap();
    let done = Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_case", "--ignored", "--nocapture"])
        .env(CASE, case)
        .env(DIR, dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{case}: {said}");
    assert!(said.contains("1 passed"), "{case}: {said}");
    println!("{case}: {said}");
}

/// Not a test by itself: what [`apart`] starts.
#[test]
#[ignore = "started by the others, in a process of its own"]
fn the_case() {
    let Some(case) = env::var_os(CASE) else {
        return;
    };
    let dir = PathBuf::from(env::var_os(DIR).unwrap());
    match case.to_str().unwrap() {
        "capabilities" => only_what_is_needed(&dir),
        "given away" => files_of_another_user(&dir),
        "threads" => threads_started_afterwards(&dir),
        "outside" => a_thread_outside(&dir),
        other => panic!("no case {other}"),
    }
}

#[test]
fn capabilities_go_for_good_and_the_record_is_still_written() {
    apart("capabilities");
}

#[test]
fn files_can_be_given_away_if_that_is_needed() {
    apart("given away");
}

#[test]
fn threads_that_start_afterwards_are_confined_too() {
    apart("threads");
}

#[test]
fn a_thread_outside_looks_into_others() {
    apart("outside");
}

/// The sets of the calling thread, as the kernel tells them.
fn set_of(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap()
}

fn needs(dir: &Path) -> Needs {
    Needs {
        write_below: vec![dir.join("out")],
        change: vec![
            dir.join("change"),
            dir.join("missing"),
            dir.join("change/state"),
        ],
        ..Needs::default()
    }
}

#[track_caller]
fn denied<T>(result: Result<T, Error>) {
    match result {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
        Err(error) => panic!("not the error of a missing right: {error}"),
        Ok(_) => panic!("was allowed"),
    }
}

/// All that a recorder does with files.
fn write_a_record(out: &Path, owner: Option<(u32, u32)>) {
    for round in 0..2 {
        let path = out.join("damon.data");
        let mut output = Output::create(&path, 0o600, owner).unwrap();
        output.file().write_all(b"first").unwrap();
        output.keep().unwrap();
        let again = output.again().unwrap();
        again.file().write_all(b"second").unwrap();
        again.replace(output.file()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second", "round {round}");
        let path = out.join("record");
        let folder = OutputFolder::create(&path, 0o600, owner, |_| true).unwrap();
        folder.keep().unwrap();
        for segment in ["a", "b"] {
            folder.file(segment).unwrap().keep().unwrap();
        }
        fs::remove_file(path.join("a")).unwrap();
    }
    assert!(out.join("record.old/b").exists() && out.join("damon.data.old").exists());
}

/// Denied whoever asks, once landlock confines the thread.
fn check_confined(dir: &Path) {
    denied(File::open(dir.join("elsewhere/secret")));
    denied(File::create(dir.join("elsewhere/made")));
    denied(fs::remove_file(dir.join("elsewhere/secret")));
    denied(fs::rename(
        dir.join("elsewhere/secret"),
        dir.join("out/secret"),
    ));
    denied(File::create(dir.join("change/made")));
    denied(OpenOptions::new().write(true).open("/proc/self/comm"));
    denied(Command::new("/bin/true").status());
}

fn only_what_is_needed(dir: &Path) {
    let before = capabilities(None).unwrap();
    let mut open = OpenOptions::new()
        .read(true)
        .write(true)
        .open(dir.join("elsewhere/secret"))
        .unwrap();
    let wanted = Needs {
        end_others: true,
        ..needs(dir)
    };
    let dropped = drop_privileges(&wanted).unwrap();
    eprintln!("{dropped}; bounded: {}", dropped.bounded);
    let kept = before.permitted & CapabilitySet::KILL;
    assert_eq!(dropped.kept, kept);
    for set in ["CapPrm", "CapEff"] {
        assert_eq!(set_of(set), kept.bits(), "{set}");
    }
    assert_eq!((set_of("CapInh"), set_of("CapAmb")), (0, 0));
    assert_eq!(set_of("NoNewPrivs"), 1);
    let may_bound = before.effective.contains(CapabilitySet::SETPCAP);
    assert_eq!(
        dropped.bounded,
        may_bound || set_of("CapBnd") & !kept.bits() == 0
    );
    if dropped.bounded {
        assert_eq!(set_of("CapBnd") & !CapabilitySet::KILL.bits(), 0);
    }
    write_a_record(&dir.join("out"), None);
    fs::write(dir.join("change/state"), "off").unwrap();
    fs::read_to_string("/proc/self/stat").unwrap();
    // Nothing of root's that needs a capability.
    let given = dir.join("out/damon.data");
    denied(chown(&given, Some(1000), Some(1000)));
    // What was open stays so.
    open.write_all(b"known").unwrap();
    open.rewind().unwrap();
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert_eq!(text, "knownt");
    if dropped.confined != Confined::No {
        check_confined(dir);
    }
    // Once more is no error, and gives nothing back.
    let again = drop_privileges(&Needs {
        give_away: true,
        look_into_others: true,
        ..wanted
    });
    assert_eq!(again.unwrap().kept & !kept, CapabilitySet::empty());
}

fn files_of_another_user(dir: &Path) {
    let out = dir.join("out");
    let present = capabilities(None).unwrap().effective;
    let all = Needs {
        give_away: true,
        ..Needs::default()
    };
    if !present.contains(all.capabilities()) {
        eprintln!("not root: nothing to give away");
        return;
    }
    chown(&out, Some(1000), Some(1000)).unwrap();
    fs::set_permissions(&out, PermissionsExt::from_mode(0o700)).unwrap();
    let dropped = drop_privileges(&Needs {
        give_away: true,
        ..needs(dir)
    });
    assert_eq!(dropped.unwrap().kept, all.capabilities());
    write_a_record(&out, Some((1000, 1000)));
}

fn threads_started_afterwards(dir: &Path) {
    let dropped = drop_privileges(&needs(dir)).unwrap();
    let dir = dir.to_owned();
    let thread = std::thread::spawn(move || {
        assert_eq!((set_of("CapEff"), set_of("NoNewPrivs")), (0, 1));
        write_a_record(&dir.join("out"), None);
        denied(chown(dir.join("out/damon.data"), Some(1000), Some(1000)));
        if dropped.confined != Confined::No {
            check_confined(&dir);
        }
    });
    thread.join().unwrap();
}

/// Reads the mappings of another process, as another user's where we may.
fn a_thread_outside(dir: &Path) {
    let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
    let maps = format!("/proc/{}/maps", other.id());
    let needs = Needs {
        look_into_others: true,
        ..needs(dir)
    };
    let (_, _) = drop_capabilities(&needs).unwrap();
    let outside = Outside::start().unwrap();
    let confined = confine(&needs).unwrap();
    let looked = outside.begin({
        let maps = maps.clone();
        move || fs::read_to_string(maps)
    });
    let looked = looked.unwrap().recv().unwrap();
    let direct = fs::read_to_string(&maps);
    let written = outside.begin(|| set_of("CapEff")).unwrap().recv().unwrap();
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(!looked.unwrap().is_empty());
    assert_eq!(written, set_of("CapEff"));
    // That it takes a thread outside is landlock's doing.
    match confined {
        Confined::No => drop(direct.unwrap()),
        _ => denied(direct),
    }
}
