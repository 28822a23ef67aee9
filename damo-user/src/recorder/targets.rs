//! The processes that are watched: which target each is, and when it is gone.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::model::{Snapshot, TargetInfo, TargetKey};
use crate::sys::process::Process;
use crate::sys::readiness::Readiness;
use crate::watch::Ends;

/// How long a process's name is looked at again: it changes with `exec`.
const NAMES_SETTLE: Duration = Duration::from_secs(3);

/// How long the rest of a process may outlive its first thread.
const LAST_THREADS_NS: u64 = 1_000_000_000;

/// The targets of all kdamonds that are recorded.
#[derive(Debug)]
pub struct Targets {
    /// Readable when a process is gone.
    ends: OwnedFd,
    known: BTreeMap<TargetKey, Target>,
}

#[derive(Debug)]
struct Target {
    info: TargetInfo,
    /// Until the process is gone.
    pidfd: Option<OwnedFd>,
    /// When its first thread ended, or at the latest the whole.
    gone_ns: Option<u64>,
    since: Instant,
}

impl Targets {
    /// None yet.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub fn new() -> io::Result<Targets> {
        Ok(Targets {
            ends: epoll::create(CreateFlags::CLOEXEC)?,
            known: BTreeMap::new(),
        })
    }

    /// Tells of ends.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn ends(&self) -> io::Result<Readiness> {
        Readiness::of(self.ends.try_clone()?)
    }

    /// Adds a target, or says more of it. `pidfd` is its process's, if there is
    /// one that holds it already. Gives whether it was not known like this.
    pub fn add(&mut self, info: TargetInfo, pidfd: Option<OwnedFd>, now_ns: u64) -> bool {
        let key = TargetKey {
            kdamond: info.kdamond,
            target_id: info.target_id,
        };
        if let Some(known) = self.known.get(&key)
            && known.info.pid == info.pid
        {
            return false;
        }
        let open = |pid| Process::find(pid).ok()?.pidfd().ok();
        let pidfd = pidfd.or_else(|| info.pid.and_then(open));
        if let Some(pidfd) = &pidfd {
            let data = EventData::new_u64(info.target_id);
            // Without it, the next look notices as well.
            let _ = epoll::add(&self.ends, pidfd, data, EventFlags::IN);
        }
        let gone = info.pid.is_some() && pidfd.is_none();
        let target = Target {
            info,
            pidfd,
            gone_ns: gone.then_some(now_ns),
            since: Instant::now(),
        };
        self.known.insert(key, target);
        true
    }

    /// Takes over what tells of processes' ends, where it was to be had before
    /// they could end.
    pub fn hold(&mut self, processes: Ends) {
        for (pid, pidfd) in processes {
            let same = |target: &&mut Target| target.info.pid == Some(pid);
            if let Some(target) = self.known.values_mut().find(same)
                && target.pidfd.is_none()
            {
                let data = EventData::new_u64(target.info.target_id);
                let _ = epoll::add(&self.ends, &pidfd, data, EventFlags::IN);
                (target.pidfd, target.gone_ns) = (Some(pidfd), None);
            }
        }
    }

    /// A process's first thread has ended.
    pub fn exited(&mut self, pid: u32, time_ns: u64) {
        let same = |target: &&mut Target| target.info.pid == Some(pid) && target.pidfd.is_some();
        for target in self.known.values_mut().filter(same) {
            target.gone_ns.get_or_insert(time_ns);
        }
    }

    /// Finds out who is gone; gives those that were not said to be before.
    pub fn look(&mut self, now_ns: u64) -> Vec<(TargetKey, u64, u32)> {
        let mut gone = Vec::new();
        for (key, target) in &mut self.known {
            let Some(pidfd) = &target.pidfd else { continue };
            if is_readable(pidfd) {
                let at = *target.gone_ns.get_or_insert(now_ns);
                let _ = epoll::delete(&self.ends, pidfd);
                target.pidfd = None;
                gone.push((*key, at, target.info.pid.unwrap_or(0)));
            } else if target
                .gone_ns
                .is_some_and(|at| now_ns.saturating_sub(at) > LAST_THREADS_NS)
            {
                // It lives on without its first thread.
                target.gone_ns = None;
            }
        }
        gone
    }

    /// Whether a snapshot was taken of a process that was gone by then: DAMON
    /// goes on reporting its regions, as idle ones.
    pub fn is_of_gone(&self, snapshot: &Snapshot) -> bool {
        let target = self.known.get(&snapshot.target);
        let gone_ns = target.and_then(|target| target.gone_ns);
        gone_ns.is_some_and(|gone_ns| snapshot.start_ns >= gone_ns)
    }

    /// Whether there were processes, and none is left.
    pub fn are_all_gone(&self) -> bool {
        are_gone(self.known.values())
    }

    /// Whether a kdamond had processes to watch, and none is left: it ends by itself.
    pub fn are_gone_of(&self, kdamond: u32) -> bool {
        let known = self.known.iter();
        are_gone(known.filter_map(|(key, target)| (key.kdamond == kdamond).then_some(target)))
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.known.len() as u64
    }

    /// How many of them are processes that live.
    pub fn len_of_living(&self) -> usize {
        let living = self.known.values().filter(|target| target.pidfd.is_some());
        living.count()
    }

    /// Ids of the processes that live.
    pub fn pids(&self) -> Vec<u32> {
        let living = self.known.values().filter(|target| target.pidfd.is_some());
        let mut pids: Vec<u32> = living.filter_map(|target| target.info.pid).collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// A kdamond is gone, and its targets with it.
    pub fn forget(&mut self, kdamond: u32) {
        self.known.retain(|key, _| key.kdamond != kdamond);
    }

    /// Another kdamond has taken the place of one, with the same targets; gives them.
    pub fn move_to(&mut self, from: u32, to: u32) -> Vec<TargetInfo> {
        let of_from: Vec<TargetKey> = self.known.keys().copied().collect();
        let mut moved = Vec::new();
        for key in of_from.into_iter().filter(|key| key.kdamond == from) {
            if let Some(mut target) = self.known.remove(&key) {
                target.info.kdamond = to;
                moved.push(target.info.clone());
                let kdamond = to;
                self.known.insert(TargetKey { kdamond, ..key }, target);
            }
        }
        moved
    }

    /// All kdamonds are gone, and their targets with them.
    pub fn forget_all(&mut self) {
        self.known.clear();
    }

    /// Those that have another name since it was asked last: a process gets one
    /// with `exec`, as `sh -c 'exec …'` does at its start.
    pub fn renamed(&mut self) -> Vec<TargetInfo> {
        let mut renamed = Vec::new();
        for target in self.known.values_mut() {
            if target.pidfd.is_none() || target.since.elapsed() > NAMES_SETTLE {
                continue;
            }
            let now = name_of(target.info.pid);
            if now.is_some() && now != target.info.comm {
                target.info.comm = now;
                renamed.push(target.info.clone());
            }
        }
        renamed
    }
}

/// Whether there are processes among them, all of which are gone.
fn are_gone<'a>(targets: impl Iterator<Item = &'a Target>) -> bool {
    let mut processes = targets.filter(|target| target.info.pid.is_some());
    let mut any = false;
    processes.all(|target| {
        any = true;
        target.pidfd.is_none()
    }) && any
}

/// The name of a process, if there is one.
pub fn name_of(pid: Option<u32>) -> Option<String> {
    Some(Process::find(pid?).ok()?.comm)
}

fn is_readable(fd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    matches!(poll(&mut fds, Some(&now)), Ok(1..))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn child() -> Child {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).spawn().unwrap()
    }

    fn target(target_id: u64, pid: u32) -> TargetInfo {
        TargetInfo {
            target_id,
            pid: Some(pid),
            kdamond: 7,
            ..TargetInfo::default()
        }
    }

    fn snapshot(target_id: u64, start_ns: u64) -> Snapshot {
        Snapshot {
            target: TargetKey {
                kdamond: 7,
                target_id,
            },
            start_ns,
            end_ns: start_ns + 100,
            intervals: None,
            missing: 0,
            regions: Vec::new(),
            extra: None,
        }
    }

    #[test]
    fn what_was_begun_after_the_end_of_a_process_is_not_its() {
        let mut targets = Targets::new().unwrap();
        assert!(!targets.are_all_gone());
        let (mut first, second) = (child(), child());
        assert!(targets.add(target(0, first.id()), None, 0));
        assert!(targets.add(target(1, second.id()), None, 0));
        assert!(!targets.add(target(1, second.id()), None, 0));
        assert_eq!(targets.look(1).len(), 0);
        targets.exited(first.id(), 500);
        drop(first.stdin.take());
        first.wait().unwrap();
        let gone = targets.look(700);
        assert_eq!(gone.len(), 1);
        assert_eq!((gone[0].0.target_id, gone[0].1), (0, 500));
        // It ended within this one.
        assert!(!targets.is_of_gone(&snapshot(0, 499)));
        assert!(targets.is_of_gone(&snapshot(0, 500)));
        assert!(!targets.is_of_gone(&snapshot(1, 500)));
        assert_eq!(targets.pids(), [second.id()]);
        assert!(!targets.are_all_gone() && !targets.are_gone_of(7));
        let of_another = TargetInfo {
            kdamond: 8,
            ..target(0, first.id())
        };
        targets.add(of_another, None, 800);
        assert!(targets.are_gone_of(8) && !targets.are_gone_of(9));
        let mut second = second;
        second.kill().unwrap();
        second.wait().unwrap();
        assert_eq!(targets.look(900)[0].1, 900);
        assert!(targets.are_all_gone());
    }

    #[test]
    fn a_process_may_outlive_its_first_thread() {
        let mut targets = Targets::new().unwrap();
        let mut child = child();
        targets.add(target(0, child.id()), None, 0);
        targets.exited(child.id(), 10);
        assert!(targets.is_of_gone(&snapshot(0, 20)));
        assert!(targets.look(LAST_THREADS_NS).is_empty());
        assert!(targets.look(LAST_THREADS_NS + 11).is_empty());
        assert!(!targets.is_of_gone(&snapshot(0, 20)));
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
