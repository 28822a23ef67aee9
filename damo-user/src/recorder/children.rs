//! Children of the watched processes, which become targets as well.
//!
//! The kernel tells of each fork; DAMON is told of the new processes together,
//! once a second at most, since each commit costs it a part of an aggregation.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::anew::STAND_IN;
use super::targets::{Targets, name_of};
use crate::control::params::{Params, Target};
use crate::control::{ControlError, Session};
use crate::model::TargetInfo;
use crate::sys::process::{Process, Stat};
use crate::sys::tell::tell;

/// Least time between two commits.
const PAUSE: Duration = Duration::from_secs(1);

/// Most processes that may be waiting.
const MOST: usize = 1024;

/// How often a commit is tried when processes end meanwhile.
const TRIES: usize = 3;

/// The children of our kdamond's targets.
#[derive(Debug)]
pub struct Children {
    /// As they were committed last.
    params: Params,
    kdamond: u32,
    /// Targets that it can have; a place is not used again.
    places: usize,
    waiting: BTreeSet<u32>,
    after: Instant,
    pause: Duration,
    /// That it cannot be done was said.
    told: bool,
}

impl Children {
    /// `params`: with what the kdamond of thread `kdamond`, the first one, was
    /// switched on. It can have so many targets.
    pub fn new(params: Params, kdamond: u32, places: usize) -> Children {
        let contexts = params.contexts();
        let aggr_us = contexts.map(|(.., it)| it.intervals.aggr_us).max();
        // From 6.14 to 6.17 a commit begins the aggregation anew.
        let aggregations = Duration::from_micros(aggr_us.unwrap_or(0)).saturating_mul(5);
        Children {
            params,
            kdamond,
            places,
            waiting: BTreeSet::new(),
            after: Instant::now(),
            pause: PAUSE.max(aggregations),
            told: false,
        }
    }

    /// With what the kdamond runs now.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Another thread has taken the kdamond's place.
    pub fn move_to(&mut self, kdamond: u32) {
        self.kdamond = kdamond;
    }

    /// A followed process has begun this one.
    pub fn forked(&mut self, pid: u32) {
        // Those that live longer are found again by the next look at /proc.
        if self.waiting.len() < MOST {
            self.waiting.insert(pid);
        }
    }

    /// Looks for children that were not told of.
    pub fn search(&mut self, targets: &Targets) {
        let living = targets.pids();
        for pid in descendants(&living) {
            if !living.contains(&pid) {
                self.forked(pid);
            }
        }
    }

    /// Whether there are fewer places left than processes waiting for one.
    pub fn are_too_many(&mut self) -> bool {
        self.waiting.retain(|pid| Process::find(*pid).is_ok());
        let used = targets_of(&mut self.params).map_or(0, |of| of.len());
        self.waiting.len() > self.places.saturating_sub(used)
    }

    /// Those that wait, who do so no more.
    pub fn take_waiting(&mut self) -> BTreeSet<u32> {
        std::mem::take(&mut self.waiting)
    }

    /// Whether none is to become a target.
    pub fn are_none_waiting(&self) -> bool {
        self.waiting.iter().all(|pid| Process::find(*pid).is_err())
    }

    /// Whether it is time to tell DAMON of some.
    pub fn are_due(&self) -> bool {
        !self.waiting.is_empty() && Instant::now() >= self.after
    }

    /// Has DAMON watch those that wait. Gives the new targets, and the ids of
    /// those that are gone already.
    ///
    /// # Errors
    /// The kdamond has ended. That DAMON cannot take them is told, once.
    pub fn add(
        &mut self,
        session: &mut Session,
        targets: &Targets,
    ) -> Result<(Vec<TargetInfo>, Vec<u32>), ControlError> {
        let waiting = std::mem::take(&mut self.waiting);
        let living = targets.pids();
        let (mut gone, mut left) = (Vec::new(), Vec::new());
        for _ in 0..TRIES {
            let Some(of) = targets_of(&mut self.params) else {
                break;
            };
            let before = of.len();
            // A commit looks every process up, and numbers of targets must stay.
            for target in of.iter_mut() {
                if target.pid.is_some_and(|pid| !living.contains(&pid)) {
                    target.pid = Some(STAND_IN);
                }
            }
            gone.clear();
            left.clear();
            for &pid in &waiting {
                let lives = Process::find(pid).is_ok();
                if !lives {
                    gone.push(pid);
                }
                let known = of.iter().any(|target| target.pid == Some(pid));
                if lives && !known {
                    match of.len() < self.places {
                        true => of.push(Target {
                            pid: Some(pid),
                            ..Target::default()
                        }),
                        false => left.push(pid),
                    }
                }
            }
            let added: Vec<TargetInfo> = of
                .iter()
                .zip(0..)
                .skip(before)
                .map(|(target, target_id)| TargetInfo {
                    target_id,
                    pid: target.pid,
                    comm: name_of(target.pid),
                    kdamond: self.kdamond,
                    ..TargetInfo::default()
                })
                .collect();
            self.after = Instant::now() + self.pause;
            let committed = match added.is_empty() {
                true => Ok(()),
                false => session.commit_targets(0, &self.params),
            };
            let Err(error) = committed else {
                self.waiting.extend(left);
                return Ok((added, gone));
            };
            if let Some(of) = targets_of(&mut self.params) {
                of.truncate(before);
            }
            match error {
                ControlError::NoProcess(_) => {}
                // Somebody holds DAMON's lock: it is tried again with the next.
                ControlError::File(error) if error.errno() == Some(Errno::BUSY) => break,
                ControlError::EndedByCommit(_) | ControlError::EndedMeanwhile(_) => {
                    self.waiting = waiting;
                    return Err(error);
                }
                error => {
                    if !std::mem::replace(&mut self.told, true) {
                        tell(format_args!("damo: children are not watched: {error}"));
                    }
                    return Ok((Vec::new(), gone));
                }
            }
        }
        // Whoever lives still is tried again with the next.
        self.waiting
            .extend(waiting.iter().filter(|pid| !gone.contains(pid)));
        Ok((Vec::new(), gone))
    }
}

fn targets_of(params: &mut Params) -> Option<&mut Vec<Target>> {
    let context = params.kdamonds.first_mut()?.contexts.first_mut()?;
    Some(&mut context.targets)
}

/// All processes that these have begun, and those that they have.
pub fn descendants(pids: &[u32]) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(pid) = pid else { continue };
        let bytes = std::fs::read(entry.path().join("stat")).unwrap_or_default();
        if let Some(stat) = Stat::parse(&String::from_utf8_lossy(&bytes))
            && !matches!(stat.state, 'Z' | 'X')
        {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut parents = pids.to_vec();
    while let Some(parent) = parents.pop() {
        // Taken out, so that odd parents lead nowhere twice.
        let of = children.remove(&parent).unwrap_or_default();
        parents.extend(&of);
        found.extend(of);
    }
    found.retain(|pid| !pids.contains(pid));
    found
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;
    use crate::control::params::{Context, Kdamond};

    #[test]
    fn who_lives_wants_a_place() {
        let target = |pid| Target {
            pid: Some(pid),
            ..Target::default()
        };
        let context = Context {
            targets: vec![target(2), target(2)],
            ..Context::default()
        };
        let kdamond = Kdamond {
            contexts: vec![context],
            ..Kdamond::default()
        };
        let params = Params {
            kdamonds: vec![kdamond],
        };
        let mut children = Children::new(params, 7, 3);
        // No process has such an id.
        children.forked(u32::MAX);
        children.forked(std::process::id());
        assert!(!children.are_too_many());
        children.forked(1);
        assert!(children.are_too_many());
        let waiting = children.take_waiting();
        assert_eq!(Vec::from_iter(waiting), [1, std::process::id()]);
        assert!(!children.are_too_many());
    }

    #[test]
    fn grandchildren_are_found_once() {
        // What runs in the background reads nothing unless it is told to.
        let script = "exec 3<&0; cat <&3 & (cat <&3; true) & echo ready; wait";
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        let mut line = String::new();
        let out = shell.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        // The shell begins both before it says so; the second's own may follow.
        let found = descendants(&[shell.id()]);
        assert!(found.len() >= 2, "{found:?}");
        let mut once = found.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), found.len());
        drop(shell.stdin.take());
        shell.wait().unwrap();
    }
}
