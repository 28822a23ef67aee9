//! What the loop does beside moving events: who has come and gone, what is told of
//! it, and what it may cost.

use crate::control::{ControlError, Session};
use crate::model::{Happening, Item};
use crate::sys::{clock, own};

use super::super::RecordError;
use super::super::keeper::Keeper;
use super::super::status::Recorded;
use super::super::teller::{Going, Teller};
use super::{Pump, follow, is_on, sum};

impl Pump {
    /// Gives up detail that costs too much, or takes it up again.
    pub(super) fn keep_to_budget(&mut self) {
        let now = clock::monotonic_ns();
        let level = self
            .budget
            .as_mut()
            .and_then(|it| it.tick(now, own::cpu_ns()));
        if let Some(level) = level {
            self.keeper.outlet.set_level(level, now);
        }
    }

    /// Tells others how it goes.
    pub(super) fn tell(&mut self, how: fn(&mut Teller, &Going<'_>)) -> Result<(), RecordError> {
        let counters = self.counters()?;
        let outlet = &self.keeper.outlet;
        let mut stats = outlet.stats();
        if outlet.summary.is_some() {
            // Those that are not read yet are counted, too.
            let rest = counters.lost.saturating_add(self.left_out());
            stats.samples = counters.seen.saturating_sub(rest);
        }
        let infos = self.keeper.kdamonds.infos().into_iter();
        let said = format!(
            "{} region samples, {} lost, {} bytes",
            stats.samples, stats.lost, stats.bytes
        );
        let going = Going {
            seen: counters.seen,
            lost: counters.lost,
            unseen: counters.unseen,
            left_out: outlet.left_out(),
            stats,
            lag_ns: std::mem::take(&mut self.lag_ns),
            kdamonds: infos
                .map(|info| Recorded {
                    tid: info.tid,
                    name: info.name,
                })
                .collect(),
            targets: outlet.targets.len(),
            level: outlet.level(),
            segments: outlet.record.files(),
            said: &said,
        };
        how(&mut self.teller, &going);
        Ok(())
    }

    /// Writes what the program has counted, if it is time for that: of each
    /// kdamond, or of one that is gone. Gives whether it is time for everything
    /// that comes as often.
    pub(super) fn sum_up(&mut self, last: Option<u32>, now_ns: u64) -> Result<bool, RecordError> {
        let Keeper {
            assembler,
            outlet,
            kdamonds,
            ..
        } = &mut self.keeper;
        let time = match &outlet.summary {
            None => return Ok(true),
            Some(summary) if last.is_none() && !summary.is_due(now_ns) => return Ok(false),
            Some(summary) => (summary.since_ns(), now_ns),
        };
        for tid in last.map_or_else(|| kdamonds.tids(), |tid| vec![tid]) {
            let counters = self.tap.counters(tid)?;
            let mut write = |item| outlet.item(item);
            assembler.reconcile(tid, &counters, time, &mut write);
        }
        let takes = |tid| kdamonds.takes(tid);
        outlet.sum_up(last, now_ns, self.tap.summaries(), takes)?;
        Ok(true)
    }

    /// Has DAMON watch what the watched processes have begun. Gives whether nobody
    /// is left.
    pub(super) fn add_children(
        &mut self,
        session: &mut Option<Session>,
    ) -> Result<bool, RecordError> {
        let with_children = self.follow().is_none_or(|follow| follow.children);
        let (Some(children), Some(on)) = (&mut self.children, session.as_mut()) else {
            return Ok(false);
        };
        let untold = self.tap.untold()?;
        if untold > self.untold {
            self.untold = untold;
            if with_children {
                children.search(&self.keeper.outlet.targets);
            }
        }
        // What somebody else has switched off is left alone until it is on again.
        if !children.are_due() || (self.service && !is_on(on)) {
            return Ok(false);
        }
        let living = self.keeper.outlet.targets.len_of_living();
        if let Some(anew) = &mut self.anew
            && children.are_too_many()
            && anew.may_use_places_again(living)
        {
            return self.begin_anew_with_all(session);
        }
        let (added, gone) = match children.add(on, &self.keeper.outlet.targets) {
            Ok(told) => told,
            // A process that ended just then has ended the kdamond, too.
            Err(ControlError::EndedByCommit(_)) => return self.begin_anew_with_all(session),
            // If it has ended, that is seen where it is asked for.
            Err(_) => return Ok(false),
        };
        for target in added {
            follow(&mut self.tap, &target)?;
            self.keeper.outlet.add_target(target);
        }
        for pid in gone {
            self.tap.unfollow(pid)?;
        }
        Ok(false)
    }

    /// Once a second: who has come, who has gone, who has another name; and what
    /// is known beside the regions.
    pub(super) fn look_around(&mut self) -> Result<(), RecordError> {
        let now = clock::monotonic_ns();
        for tid in self.keeper.kdamonds.take_gone_others() {
            // Its place is needed for the next.
            self.tap.forget(tid)?;
        }
        let gone = self.keeper.kdamonds.gone();
        if !gone.is_empty() {
            // What they said last is still in the ring.
            self.drain()?;
        }
        for tid in gone {
            self.part_from(tid, now)?;
        }
        let is_time = self.sum_up(None, now)?;
        for target in self.keeper.kdamonds.look_again() {
            follow(&mut self.tap, &target)?;
            self.keeper.outlet.add_target(target);
        }
        let outlet = &mut self.keeper.outlet;
        for target in outlet.targets.renamed() {
            outlet.record.target(&target);
        }
        if let Some(infos) = self.keeper.kdamonds.changed() {
            outlet.record.kdamonds(&infos);
        }
        outlet.tell_left_out(now);
        outlet.record.note_clock(now);
        let segment = outlet.record.segment();
        if std::mem::replace(&mut self.segment, segment) != segment {
            self.aside.write_again();
        }
        if outlet.level().has_side_information() {
            let (pids, tids) = (outlet.targets.pids(), self.keeper.kdamonds.tids());
            let mut write = |note| outlet.record.item(&Item::Note(note));
            match is_time {
                true => self.aside.look(now, pids, tids, &mut write),
                false => self.aside.collect(&mut write),
            }
        }
        Ok(())
    }

    /// A kdamond is gone, and everything that it said is drained.
    pub(super) fn part_from(&mut self, tid: u32, now_ns: u64) -> Result<(), RecordError> {
        self.finish(tid, now_ns)?;
        let outlet = &mut self.keeper.outlet;
        outlet.happened(now_ns, tid, None, Happening::Ended, 0);
        outlet.record.forget(tid);
        // Ours ends with its targets: that they are gone is asked for yet.
        if !self.keeper.kdamonds.are_ours() {
            outlet.forget(tid);
        }
        self.keeper.kdamonds.remove(tid);
        Ok(self.tap.forget(tid)?)
    }

    /// Ends a kdamond's part, with what the program counted of it.
    pub(super) fn finish(&mut self, tid: u32, now_ns: u64) -> Result<(), RecordError> {
        self.sum_up(Some(tid), now_ns)?;
        let counters = self.tap.counters(tid)?;
        self.counted = sum(&self.counted, &counters);
        self.keeper.finish(tid, &counters, now_ns);
        Ok(())
    }
}
