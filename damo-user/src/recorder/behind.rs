//! The recorder from the ring's other end on: whose each event is, snapshots, what is
//! written of them, the file. Without DAMON, BPF or a clock of its own, for what measures it.

use super::destination::Destination;
use super::kdamonds::Kdamonds;
use super::keeper::Keeper;
use super::outlet::Outlet;
use super::targets::Targets;
use super::{Plan, RecordError};
use crate::control::System;
use crate::model::{Intervals, KdamondInfo, Meta};
use crate::source::{Arrival, Assembler};
use crate::store::Stats;
use damo_ebpf::Kdamond;

/// A recording of one kdamond whose events somebody brings. Writing waits for the disk.
pub struct Behind {
    keeper: Keeper,
    kdamond: u32,
}

impl Behind {
    /// Begins it, with the kdamond of this thread.
    ///
    /// # Errors
    /// The record cannot be made.
    pub fn begin(
        plan: &Plan,
        kdamond: u32,
        intervals: Intervals,
        now_ns: u64,
    ) -> Result<Behind, RecordError> {
        let mut kdamonds = Kdamonds::ours(&System::live());
        kdamonds.add(KdamondInfo {
            tid: kdamond,
            intervals: Some(intervals),
            ..KdamondInfo::default()
        });
        let meta = Meta {
            mono_ns: now_ns,
            ..plan.meta(None)
        };
        let mut record = Destination::begin(plan.place(None)?, &meta)?;
        record.keep()?;
        record.wait_for_room();
        let mut assembler = Assembler::new(None, 1);
        assembler.started(now_ns);
        assembler.kdamond(kdamond, Some(intervals), 1);
        let targets = Targets::new().map_err(RecordError::Runtime)?;
        let outlet = Outlet::new(record, targets, plan);
        Ok(Behind {
            keeper: Keeper::new(assembler, outlet, kdamonds),
            kdamond,
        })
    }

    /// Takes what came through the ring.
    pub fn take(&mut self, arrival: &Arrival) {
        self.keeper.take(arrival);
        self.keeper.first_ns = None;
    }

    /// To be called regularly.
    ///
    /// # Errors
    /// The disk failed.
    pub fn tick(&mut self, now_ns: u64) -> Result<(), RecordError> {
        self.keeper.outlet.record.tick(now_ns);
        self.keeper.outlet.record.check_disk()
    }

    /// Ends the recording; `counters` are what the BPF program would have counted.
    ///
    /// # Errors
    /// The record could not be written to its end.
    pub fn close(mut self, counters: &Kdamond, now_ns: u64) -> Result<Stats, RecordError> {
        self.keeper.finish(self.kdamond, counters, now_ns);
        self.keeper.outlet.record.close(Some(counters.seen))
    }
}
