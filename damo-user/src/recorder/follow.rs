//! Processes that a recording follows: those of a name or of a cgroup, whenever
//! they come.
//!
//! The kernel tells of each program of the name that begins, and of what followed
//! processes begin. It does not tell of what is moved into a cgroup: its files
//! are looked at once a second.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::sys::process::Process;
use crate::sys::{cgroup, clock};

/// Least and most time between two looks.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// A look's own processor time is at most one part in so many.
const SELDOM: u32 = 200;

/// Bytes of a process's name that the kernel keeps.
const NAME_BYTES: usize = 15;

/// Whom a recording follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Processes of this name, as `/proc/PID/comm` has it: 15 bytes of the file
    /// name of their program.
    Command(String),
    /// Those of the cgroup with this folder, and of the cgroups below it.
    Cgroup(PathBuf),
}

impl Followed {
    /// The name, if they have one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Followed::Command(name) => Some(name),
            Followed::Cgroup(_) => None,
        }
    }
}

impl fmt::Display for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Followed::Command(name) => write!(f, "each process named {name:?}"),
            Followed::Cgroup(folder) => write!(f, "each process in {}", folder.display()),
        }
    }
}

/// Finds those that are to be followed.
#[derive(Debug)]
pub struct Follow {
    who: Followed,
    proc: PathBuf,
    /// Their children are followed, whatever they are.
    pub children: bool,
    /// The kernel tells of programs of the name.
    is_told: bool,
    /// Who was found, and is no target yet.
    found: BTreeSet<u32>,
    /// Begun by followed ones; whether they have the name is to be seen.
    doubtful: Vec<u32>,
    /// Somebody may have been missed.
    missed: bool,
    /// Children of those that were found are to be looked for.
    search: bool,
    next: Instant,
}

impl Follow {
    /// `children`: whether those of followed processes are followed, too.
    /// `is_told`: whether the kernel tells of programs that begin.
    pub fn new(who: Followed, children: bool, is_told: bool) -> Follow {
        Follow::within("/proc".into(), who, children, is_told)
    }

    fn within(proc: PathBuf, who: Followed, children: bool, is_told: bool) -> Follow {
        Follow {
            who,
            proc,
            children,
            is_told,
            found: BTreeSet::new(),
            doubtful: Vec::new(),
            missed: true,
            search: false,
            next: Instant::now(),
        }
    }

    /// A program of the name has begun.
    pub fn began(&mut self, pid: u32) {
        self.found.insert(pid);
        // It may have begun some before it was followed.
        self.search = true;
    }

    /// These are to be targets, once there can be some.
    pub fn put_back(&mut self, pids: impl IntoIterator<Item = u32>) {
        self.found.extend(pids);
    }

    /// A followed process has begun this one; whether it may be followed.
    pub fn forked(&mut self, pid: u32) -> bool {
        match (&self.who, self.children) {
            (_, true) => drop(self.found.insert(pid)),
            (Followed::Command(_), false) => self.doubtful.push(pid),
            // If it stays in the cgroup, it is found there.
            (Followed::Cgroup(_), false) => return false,
        }
        true
    }

    /// The kernel could not tell of somebody.
    pub fn look_everywhere(&mut self) {
        self.missed = true;
    }

    /// Whether it is time to look.
    pub fn is_due(&self) -> bool {
        Instant::now() >= self.next
    }

    /// Looks who is there. Gives those that are not to be followed after all.
    pub fn look(&mut self) -> Vec<u32> {
        let (begun, cpu_ns) = (Instant::now(), clock::thread_cpu_ns());
        let mut unwanted = std::mem::take(&mut self.doubtful);
        match &self.who {
            Followed::Cgroup(folder) => self.found.extend(cgroup::processes(folder)),
            Followed::Command(name) => {
                let is_named = |pid: &mut u32| is_named(&self.proc, *pid, name);
                let named: Vec<u32> = unwanted.extract_if(.., is_named).collect();
                self.found.extend(named);
                if std::mem::take(&mut self.missed) || !self.is_told {
                    self.found.extend(named_in(&self.proc, name));
                    self.search = true;
                }
            }
        }
        // What it cost, and not how long it took: on a busy machine that is much more.
        let cost = Duration::from_nanos(clock::thread_cpu_ns().saturating_sub(cpu_ns));
        self.next = begun + (cost * SELDOM).clamp(PAUSE, LONGEST);
        unwanted
    }

    /// Whether children of those that were found before are to be looked for.
    pub fn take_search(&mut self) -> bool {
        std::mem::take(&mut self.search) && self.children
    }

    /// Takes those that were found and live, but for the `known`, and us; and
    /// those that have ended.
    pub fn take(&mut self, known: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let mut found = std::mem::take(&mut self.found);
        found.remove(&std::process::id());
        found.retain(|pid| !known.contains(pid));
        let lives = |pid: &u32| Process::find_in(&self.proc, *pid).is_ok();
        found.into_iter().partition(lives)
    }

    /// Those whose part is not decided.
    pub fn pending(&self) -> impl Iterator<Item = u32> {
        self.found.iter().chain(&self.doubtful).copied()
    }
}

/// All processes and kernel threads of a name.
fn named_in(proc: &Path, name: &str) -> Vec<u32> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_named(proc, *pid, name)).collect()
}

fn is_named(proc: &Path, pid: u32, name: &str) -> bool {
    let comm = fs::read(proc.join(pid.to_string()).join("comm")).unwrap_or_default();
    let comm = comm.strip_suffix(b"\n").unwrap_or(&comm);
    let name = name.as_bytes();
    comm == name.get(..NAME_BYTES).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A /proc, in a folder.
    struct Proc(tempfile::TempDir);

    impl Proc {
        fn new(processes: &[(u32, &str)]) -> Proc {
            let proc = Proc(tempfile::tempdir().unwrap());
            processes
                .iter()
                .for_each(|(pid, comm)| proc.add(*pid, comm));
            proc
        }

        fn add(&self, pid: u32, comm: &str) {
            let folder = self.0.path().join(pid.to_string());
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("comm"), format!("{comm}\n")).unwrap();
            let rest = "S 1 1 1 0 -1 0 0 0 0 0 3 4 0 0 20 0 1 0 77 0 0";
            fs::write(folder.join("stat"), format!("{pid} ({comm}) {rest}")).unwrap();
        }

        fn follow(&self, who: Followed, children: bool) -> Follow {
            Follow::within(self.0.path().to_owned(), who, children, true)
        }
    }

    fn named(name: &str) -> Followed {
        Followed::Command(name.to_owned())
    }

    #[test]
    fn those_of_a_name_are_found_once_and_then_told() {
        let proc = Proc::new(&[(10, "nginx"), (11, "nginx2"), (12, "ngin"), (13, "nginx")]);
        let mut follow = proc.follow(named("nginx"), true);
        assert!(follow.is_due());
        assert!(follow.look().is_empty());
        assert_eq!(follow.take(&[13]).0, [10]);
        assert!(follow.take(&[]).0.is_empty());
        proc.add(14, "nginx");
        assert!(!follow.is_due());
        follow.look();
        let found = follow.take(&[]).0;
        assert!(found.is_empty(), "what the kernel tells is not looked for");
        follow.began(14);
        follow.began(15);
        assert_eq!(follow.take(&[]).0, [14], "15 has ended already");
        follow.look_everywhere();
        follow.look();
        assert_eq!(follow.take(&[10]).0, [13, 14]);
    }

    #[test]
    fn a_long_name_is_what_the_kernel_keeps_of_it() {
        let proc = Proc::new(&[(10, "a-rather-long-n"), (11, "a-rather-long-")]);
        let mut follow = proc.follow(named("a-rather-long-name"), true);
        follow.look();
        assert_eq!(follow.take(&[]).0, [10]);
    }

    #[test]
    fn without_children_only_those_of_the_name_are_followed() {
        let proc = Proc::new(&[(10, "nginx"), (11, "sh")]);
        let mut follow = proc.follow(named("nginx"), false);
        follow.look();
        follow.take(&[]);
        assert!(follow.forked(10) && follow.forked(11));
        assert_eq!(follow.pending().collect::<Vec<_>>(), [10, 11]);
        assert_eq!(follow.look(), [11]);
        assert_eq!(follow.take(&[]).0, [10]);

        let mut follow = proc.follow(named("nginx"), true);
        assert!(follow.forked(11));
        assert_eq!(follow.take(&[]).0, [11]);
    }

    #[test]
    fn a_cgroup_may_come_later() {
        let proc = Proc::new(&[(10, "a"), (11, "b"), (std::process::id(), "damo")]);
        let folder = proc.0.path().join("group");
        let mut follow = proc.follow(Followed::Cgroup(folder.clone()), false);
        follow.look();
        assert!(follow.take(&[]).0.is_empty());
        assert!(!follow.forked(10), "it is found in its folder");
        fs::create_dir(&folder).unwrap();
        let all = format!("10\n11\n99\n{}\n", std::process::id());
        fs::write(folder.join("cgroup.procs"), all).unwrap();
        follow.look();
        assert_eq!(
            follow.take(&[11]).0,
            [10],
            "99 is gone, and damo is not its own"
        );
    }
}
