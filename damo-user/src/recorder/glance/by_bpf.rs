//! By BPF: of each kdamond that runs, the first aggregation that is told as a whole.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Glance, GlanceError};
use crate::control::System;
use crate::model::{Item, Meta, Snapshot, TargetInfo, TargetKey};
use crate::recorder::kdamonds::{Kdamonds, Which};
use crate::recorder::targets::name_of;
use crate::source::{Arrival, Assembler, Options, Tap, Told, What};

/// How often is looked whether kdamonds have ended, and at the ring if nothing
/// tells that there is something in it.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Beside what three aggregations take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where nothing tells how long an aggregation takes: DAMON_STAT tunes them up to 200 s.
const LONG_PATIENCE: Duration = Duration::from_secs(660);

/// One snapshot of each target of each kdamond that runs, whoever began it.
///
/// # Errors
/// None runs, none tells anything, or BPF is not to be had.
pub fn glance(system: &System) -> Result<Glance, GlanceError> {
    let mut kdamonds = Kdamonds::ongoing(system, Which::All);
    let running = kdamonds.running();
    if running.is_empty() {
        return Err(GlanceError::NothingRuns);
    }
    let mut tap = Tap::attach(&[], &Options::default())?;
    let mut looking = Looking {
        assembler: Assembler::new(None, 1),
        targets: Vec::new(),
        seen: BTreeMap::new(),
    };
    for tid in running {
        if let Some(newcomer) = kdamonds.admit(tid) {
            looking
                .assembler
                .kdamond(tid, newcomer.intervals, newcomer.addr_unit);
            looking.targets.extend(newcomer.targets);
        }
    }
    let patience = patience(&kdamonds);
    let begun = Instant::now();
    loop {
        let ready = &mut [PollFd::new(&tap, PollFlags::IN)];
        // A signal ends the process, and with it the tap.
        let _ = poll(ready, Some(&LOOK));
        tap.drain(|arrival| looking.take(arrival, &mut kdamonds));
        for tid in kdamonds.gone() {
            kdamonds.remove(tid);
        }
        let tids = kdamonds.tids();
        match tids.is_empty() {
            true if looking.seen.is_empty() => return Err(GlanceError::Ended),
            _ if tids.iter().all(|tid| looking.is_known(*tid)) => break,
            _ => {}
        }
        if begun.elapsed() > patience {
            if looking.seen.is_empty() {
                return Err(GlanceError::Silent(patience));
            }
            break;
        }
    }
    let meta = Meta {
        kdamonds: kdamonds.infos(),
        targets: looking.targets,
        ..Meta::default()
    };
    let items = looking.seen.into_values();
    Ok(Glance {
        meta,
        items: items
            .map(|(snapshot, _)| Item::Snapshot(snapshot))
            .collect(),
    })
}

/// How long to wait for kdamonds that say nothing.
fn patience(kdamonds: &Kdamonds) -> Duration {
    let longest = kdamonds.infos().iter().try_fold(0, |longest, info| {
        let intervals = info.intervals.filter(|_| !info.tuned)?;
        Some(intervals.aggr_us.max(longest))
    });
    longest.map_or(LONG_PATIENCE, |us| {
        Duration::from_micros(us.saturating_mul(3)) + PATIENCE
    })
}

struct Looking {
    assembler: Assembler,
    targets: Vec<TargetInfo>,
    /// The first whole snapshot of each target, and how many there were.
    seen: BTreeMap<TargetKey, (Snapshot, u32)>,
}

impl Looking {
    fn take(&mut self, arrival: &Arrival, kdamonds: &mut Kdamonds) {
        let tid = match arrival {
            Arrival::Event(event) => event.kdamond,
            Arrival::Told(told) => told.kdamond,
        };
        // One that has begun meanwhile is for the next look.
        if kdamonds.takes(tid) != Some(true) {
            return;
        }
        let seen = &mut self.seen;
        let mut keep = |item| {
            if let Item::Snapshot(snapshot) = item
                && snapshot.missing == 0
            {
                let entry = seen.entry(snapshot.target);
                entry
                    .and_modify(|(_, count)| *count += 1)
                    .or_insert((snapshot, 1));
            }
        };
        match arrival {
            Arrival::Event(event) => self.assembler.push(event, &mut keep),
            Arrival::Told(told) => {
                self.assembler.told(told, &mut keep);
                kdamonds.told(tid, &told.what);
                self.learn(told);
            }
        }
    }

    /// Takes what the kernel's structures say of a target's process.
    fn learn(&mut self, told: &Told) {
        let What::Target { target_id, pid } = told.what else {
            return;
        };
        let info = TargetInfo {
            target_id,
            pid: Some(pid),
            comm: name_of(Some(pid)),
            kdamond: told.kdamond,
            ..TargetInfo::default()
        };
        match self.targets.iter_mut().find(|it| it.key() == info.key()) {
            Some(known) => *known = info,
            None => self.targets.push(info),
        }
    }

    /// Whether all of a kdamond's targets were seen: each that is known, or
    /// every one that it has told of twice around.
    fn is_known(&self, tid: u32) -> bool {
        let mut targets = self.targets.iter().filter(|target| target.kdamond == tid);
        let own = self.seen.iter().filter(|(key, _)| key.kdamond == tid);
        let (mut any, mut again) = (false, false);
        for (_, (_, count)) in own {
            any = true;
            again |= *count > 1;
        }
        any && (again || targets.all(|target| self.seen.contains_key(&target.key())))
    }
}
