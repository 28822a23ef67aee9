//! A service's own DAMON, on again after somebody else has switched it off: with more and
//! more patience, and never while somebody else uses DAMON.

use std::time::{Duration, Instant};

use super::super::RecordError;
use super::super::anew::STAND_IN;
use super::Pump;
use crate::control::params::Params;
use crate::control::{ControlError, Session};
use crate::model::{Happening, Ops};
use crate::recorder::begin::info_of;
use crate::sys::clock;
use crate::sys::tell::tell;

/// How soon the first try comes, and how long the last ones wait.
const SOON: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(60);

/// How DAMON comes on again.
#[derive(Debug)]
pub struct Revival {
    params: Params,
    pause: Duration,
    /// When it may be tried.
    after: Option<Instant>,
    /// Since when it is on.
    since: Instant,
    /// What was said last.
    said: Option<String>,
}

impl Revival {
    /// `params`: with what DAMON was switched on.
    pub fn new(params: Params) -> Revival {
        Revival {
            params,
            pause: SOON,
            after: None,
            since: Instant::now(),
            said: None,
        }
    }

    /// Whether it is time to switch DAMON on, which is off.
    fn is_due(&mut self, now: Instant) -> bool {
        let after = *self.after.get_or_insert_with(|| {
            // One that was on for long was not switched off by one who goes on doing so.
            if now.duration_since(self.since) > LATE {
                self.pause = SOON;
            }
            now + self.pause
        });
        now >= after
    }

    /// Waits twice as long as before.
    fn put_off(&mut self, now: Instant) {
        self.pause = (self.pause * 2).min(LATE);
        self.after = Some(now + self.pause);
    }

    /// It is on: if it is off again soon, the next try waits longer.
    fn is_on(&mut self, now: Instant) {
        (self.after, self.since, self.said) = (None, now, None);
        self.pause = (self.pause * 2).min(LATE);
    }

    /// Says something, once.
    fn say(&mut self, what: String) {
        if self.said.as_ref() != Some(&what) {
            tell(format_args!(
                "damo: DAMON was switched off by somebody else; {what}"
            ));
            self.said = Some(what);
        }
    }
}

impl Pump {
    /// Once a second: switches DAMON on again, if it is off and nobody else uses it.
    pub(super) fn revive(&mut self, session: Option<&mut Session>) -> Result<(), RecordError> {
        let (Some(revival), Some(session)) = (&mut self.revival, session) else {
            return Ok(());
        };
        // Its end is written down first.
        if super::is_on(session) || !self.keeper.kdamonds.is_empty() {
            return Ok(());
        }
        let now = Instant::now();
        if !revival.is_due(now) {
            return Ok(());
        }
        match session.who_else() {
            Ok(None) => {}
            Ok(Some(who)) => {
                revival.say(format!("waiting until {who} is off"));
                return Ok(());
            }
            // Somebody holds DAMON's lock.
            Err(_) => return Ok(()),
        }
        let mut params = match &self.children {
            Some(children) => children.params().clone(),
            None => revival.params.clone(),
        };
        stand_in_for_gone(&mut params, &self.keeper.outlet.targets.pids());
        // Whoever is not known yet is let through; nobody else is on.
        self.tap.learn(true)?;
        let begun_ns = clock::monotonic_ns();
        let on = session.turn_on_again(&params);
        match on {
            Ok(tids) => self.take_over(&params, &tids, begun_ns),
            Err(error) => self.put_off(now, &error),
        }
        // What others have begun just then is not ours.
        Ok(self.tap.only(&self.keeper.kdamonds.tids())?)
    }

    fn put_off(&mut self, now: Instant, error: &ControlError) {
        if let Some(revival) = &mut self.revival {
            revival.put_off(now);
            revival.say(format!("it cannot be switched on again yet: {error}"));
        }
    }

    /// These threads are our kdamonds now, in place of those that were.
    fn take_over(&mut self, params: &Params, tids: &[u32], begun_ns: u64) {
        let before = std::mem::replace(&mut self.ours, tids.to_vec());
        self.keeper.assembler.started(begun_ns);
        for ((index, _, context), &tid) in params.contexts().zip(tids) {
            let assembler = &mut self.keeper.assembler;
            assembler.kdamond(tid, context.fixed_intervals(), context.addr_unit);
            self.keeper.kdamonds.add(info_of(context, index, tid));
            let outlet = &mut self.keeper.outlet;
            outlet.happened(begun_ns, tid, None, Happening::Began, 0);
            if let Some(&from) = before.get(index) {
                for target in outlet.targets.move_to(from, tid) {
                    outlet.record.target(&target);
                }
            }
            if let Some(children) = &mut self.children {
                children.move_to(tid);
            }
        }
        if let Some(revival) = &mut self.revival {
            revival.is_on(Instant::now());
        }
        tell("damo: DAMON was switched off by somebody else, and is on again");
    }
}

/// Processes that are gone keep their places: DAMON refuses to look for them.
fn stand_in_for_gone(params: &mut Params, living: &[u32]) {
    let kdamonds = params.kdamonds.iter_mut();
    let contexts = kdamonds.flat_map(|kdamond| &mut kdamond.contexts);
    for context in contexts.filter(|context| context.ops != Ops::Paddr) {
        for target in &mut context.targets {
            if target.pid.is_some_and(|pid| !living.contains(&pid)) {
                target.pid = Some(STAND_IN);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_try_waits_twice_as_long_until_it_has_lasted() {
        let params = Params::default();
        let mut revival = Revival::new(params);
        let mut now = revival.since;
        let mut waits = Vec::new();
        for _ in 0..8 {
            assert!(!revival.is_due(now));
            let off = now;
            while !revival.is_due(now) {
                now += SOON;
            }
            waits.push((now - off).as_secs());
            revival.is_on(now);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        now += LATE + SOON;
        assert!(!revival.is_due(now));
        assert!(revival.is_due(now + SOON));
        // One that fails waits, too.
        revival.put_off(now);
        assert!(!revival.is_due(now + SOON));
        assert!(revival.is_due(now + SOON * 2));
    }
}
