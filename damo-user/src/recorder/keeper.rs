//! What becomes of what arrives: whose it is, and where it goes.

use damo_ebpf::Kdamond;

use super::begin::{info_of, targets_of};
use super::kdamonds::{Kdamonds, Newcomer};
use super::outlet::Outlet;
use super::targets::name_of;
use crate::control::params::Context;
use crate::model::{Happening, TargetInfo};
use crate::source::{Arrival, Assembler, Told, What};

/// Takes what arrives; the pump does what this finds to be done.
pub struct Keeper {
    pub assembler: Assembler,
    pub outlet: Outlet,
    pub kdamonds: Kdamonds,
    pub newcomers: Vec<Newcomer>,
    /// Threads that turned out not to be wanted.
    pub unwanted: Vec<u32>,
    pub forked: Vec<u32>,
    /// Processes that run a program of the followed name from now on.
    pub begun: Vec<u32>,
    /// Time of the first event since the ring was looked at.
    pub first_ns: Option<u64>,
}

impl Keeper {
    /// Nothing has arrived yet.
    pub fn new(assembler: Assembler, outlet: Outlet, kdamonds: Kdamonds) -> Keeper {
        Keeper {
            assembler,
            outlet,
            kdamonds,
            newcomers: Vec::new(),
            unwanted: Vec::new(),
            forked: Vec::new(),
            begun: Vec::new(),
            first_ns: None,
        }
    }

    /// A kdamond of ours has begun, the one of this number, perhaps in place of one
    /// that was.
    pub fn began(
        &mut self,
        (index, context): (usize, &Context),
        before: Option<u32>,
        tid: u32,
        at_ns: u64,
    ) {
        self.assembler
            .kdamond(tid, context.fixed_intervals(), context.addr_unit);
        self.kdamonds.add(info_of(context, index, tid));
        let outlet = &mut self.outlet;
        outlet.happened(at_ns, tid, None, Happening::Began, 0);
        // Targets that are still known keep their numbers.
        let moved = before.is_some_and(|before| outlet.move_targets(before, tid));
        if !moved {
            targets_of(context, tid).for_each(|target| outlet.add_target(target));
        }
    }

    /// Takes what came through the ring.
    pub fn take(&mut self, arrival: &Arrival) {
        let (tid, time_ns) = match arrival {
            Arrival::Event(event) => (event.kdamond, event.time_ns),
            Arrival::Told(told) => match told.what {
                What::Fork(child) => return self.forked.push(child),
                What::Exit => return self.outlet.targets.exited(told.kdamond, told.time_ns),
                What::Exec => return self.begun.push(told.kdamond),
                _ => (told.kdamond, told.time_ns),
            },
        };
        self.first_ns.get_or_insert(time_ns);
        let taken = self.kdamonds.takes(tid);
        if !taken.unwrap_or_else(|| self.admit(tid, time_ns)) {
            return;
        }
        let outlet = &mut self.outlet;
        match arrival {
            Arrival::Event(event) => self.assembler.push(event, &mut |item| outlet.item(item)),
            Arrival::Told(told) => {
                self.assembler.told(told, &mut |item| outlet.item(item));
                self.learn(told);
            }
        }
    }

    /// Whether a thread that was not known is to be recorded.
    fn admit(&mut self, tid: u32, time_ns: u64) -> bool {
        let Some(newcomer) = self.kdamonds.admit(tid) else {
            self.unwanted.push(tid);
            return false;
        };
        self.assembler
            .kdamond(tid, newcomer.intervals, newcomer.addr_unit);
        self.outlet
            .happened(time_ns, tid, None, Happening::Began, 0);
        self.newcomers.push(newcomer);
        true
    }

    /// Takes what the kernel's structures say.
    fn learn(&mut self, told: &Told) {
        self.kdamonds.told(told.kdamond, &told.what);
        if let What::Target { target_id, pid } = told.what {
            self.outlet.add_target(TargetInfo {
                target_id,
                pid: Some(pid),
                comm: name_of(Some(pid)),
                kdamond: told.kdamond,
                ..TargetInfo::default()
            });
        }
    }

    /// Ends a kdamond's part.
    pub fn finish(&mut self, tid: u32, counters: &Kdamond, now_ns: u64) {
        let outlet = &mut self.outlet;
        let mut write = |item| outlet.item(item);
        self.assembler
            .finish(tid, Some(counters), now_ns, &mut write);
    }
}
