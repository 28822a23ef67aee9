//! DAMON of our own, switched on while a recording goes on: with the first of those
//! that are followed, when a kdamond's places are used up, or after somebody else
//! has switched it off.

use std::time::{Duration, Instant};

use super::RecordError;
use super::follow::Follow;
use super::pace::Pace;
use crate::control::params::{Context, Params, Target};
use crate::control::{ControlError, Options, Session, System, others};
use crate::source::Tap;

/// Most targets of a kdamond. Each costs it a part of its regions.
pub const PLACES: usize = 1024;

/// What a target watches while there is none: kthreadd, which has no memory.
pub const STAND_IN: u32 = 2;

/// How soon what somebody else has switched off is on again.
const SOON: Duration = Duration::from_secs(1);

/// How long somebody who is in the way of those that are followed is left alone: DAMON
/// is given back meanwhile. Places are used up no more often.
const OTHERS: Duration = Duration::from_secs(10);

/// How long DAMON's lock, and another damo's, are waited for: nothing is drained
/// meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);

/// How to switch DAMON on.
#[derive(Debug)]
pub struct Anew {
    system: System,
    options: Options,
    /// Targets that have come since the beginning are not in them.
    params: Params,
    /// Targets of a kdamond, the dead among them.
    pub places: usize,
    /// `None`: nobody is waited for.
    pub follow: Option<Follow>,
    /// How often it may be done.
    pub pace: Pace,
    /// When the last places were used up.
    used_up: Option<Instant>,
}

impl Anew {
    /// `params`: with what DAMON is on.
    pub fn new(system: &System, options: Options, params: &Params, places: usize) -> Anew {
        Anew {
            system: System {
                patience: PATIENCE.min(system.patience),
                ..system.clone()
            },
            options,
            params: params.clone(),
            places: places.max(1),
            follow: None,
            pace: Pace::new(SOON),
            used_up: None,
        }
    }

    /// DAMON is to be on while there are some of these, which are the targets of its
    /// one kdamond.
    pub fn following(self, follow: Follow) -> Anew {
        Anew {
            follow: Some(follow),
            pace: Pace::new(OTHERS),
            ..self
        }
    }

    /// With what DAMON was on at the beginning.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The context, whatever its targets.
    pub fn context(&self) -> Option<&Context> {
        self.params.contexts().map(|(.., context)| context).next()
    }

    /// The parameters, with these targets.
    pub fn with(&self, pids: &[u32]) -> Params {
        let mut params = self.params.clone();
        let mut kdamonds = params.kdamonds.iter_mut();
        let context = kdamonds.next().and_then(|it| it.contexts.first_mut());
        if let Some(context) = context {
            let target = |&pid| Target {
                pid: Some(pid),
                ..Target::default()
            };
            context.targets = pids.iter().take(self.places).map(target).collect();
        }
        params
    }

    /// Whether `living` targets leave places to be won by beginning anew, and the
    /// last time is long enough ago; if so, this counts as the next.
    pub fn may_use_places_again(&mut self, living: usize) -> bool {
        if living >= self.places {
            let places = self.places;
            self.pace
                .tell(format!("no more than {places} processes can be watched"));
            return false;
        }
        let long_ago = |last: Instant| last.elapsed() >= OTHERS;
        let may = self.used_up.is_none_or(long_ago);
        if may {
            self.used_up = Some(Instant::now());
        }
        may
    }

    /// Switches on those of our kdamonds that have these numbers: in the session that
    /// there is, or in one that is prepared for all of `params`. `recorded` are those
    /// of ours that go on. Gives the new threads; or why it cannot be done now, and
    /// all is as it was.
    ///
    /// # Errors
    /// The maps cannot be written, or DAMON could not be put back.
    pub fn switch_on(
        &mut self,
        session: &mut Option<Session>,
        tap: &mut Tap,
        which: &[usize],
        params: &Params,
        recorded: &[u32],
    ) -> Result<Result<Vec<u32>, ControlError>, RecordError> {
        self.pace.tried(Instant::now());
        let is_new = session.is_none();
        let ours = match session {
            Some(ours) => ours,
            None => match Session::prepare(&self.system, params, self.options) {
                Ok(prepared) => session.insert(prepared),
                Err(error @ ControlError::AndLeft { .. }) => return Err(error.into()),
                Err(error) => return Ok(Err(error)),
            },
        };
        // What has ended is gone from the map, but for what it counted of ours.
        let mut known = others::kdamond_threads(&self.system)?;
        known.extend(recorded);
        tap.forget_all_but(&known)?;
        // Whoever is not known yet is let through.
        tap.learn(true)?;
        let on = match is_new {
            true => ours.turn_on(),
            false => ours.turn_on_again(which, params),
        };
        // What others have begun just then is not ours.
        let new = on.as_deref().unwrap_or_default();
        tap.only(&[recorded, new].concat())?;
        match &on {
            Ok(_) => self.pace.begun(Instant::now()),
            Err(_) if is_new => session.take().map_or(Ok(()), |mut it| it.restore())?,
            Err(_) => {}
        }
        Ok(on)
    }

    /// It could not be begun: why is told, unless processes have only ended
    /// meanwhile. It is tried again later.
    pub fn failed(&mut self, error: &ControlError) {
        if !is_race(error) {
            self.pace.wait(Instant::now());
            self.pace.tell(format!("waiting: {error}"));
        }
    }
}

/// Whether processes have only ended meanwhile.
pub fn is_race(error: &ControlError) -> bool {
    matches!(
        error,
        ControlError::NoProcess(_) | ControlError::EndedAtOnce | ControlError::EndedMeanwhile(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anew(places: usize) -> Anew {
        let params = Params::from_json(
            r#"{"kdamonds":[{"contexts":[{"ops":"vaddr","targets":[{"pid":2}],
            "intervals":{"sample_us":"5 ms","aggr_us":"100 ms","ops_update_us":"1 s"},
            "nr_regions":{"min":"10","max":"77"}}]}]}"#,
        );
        Anew::new(
            &System::live(),
            Options::default(),
            &params.unwrap(),
            places,
        )
    }

    #[test]
    fn targets_are_put_into_what_else_is_wanted() {
        let anew = anew(3);
        let params = anew.with(&[11, 12, 13, 14]);
        let (.., context) = params.contexts().next().unwrap();
        let pids: Vec<_> = context.targets.iter().map(|it| it.pid).collect();
        assert_eq!(pids, [Some(11), Some(12), Some(13)]);
        assert_eq!(context.nr_regions.max, 77);
        assert!(params.validate().is_ok());
    }

    #[test]
    fn places_are_used_again_seldom_and_only_if_some_are_of_the_dead() {
        let mut anew = anew(4);
        assert!(!anew.may_use_places_again(4));
        assert!(anew.may_use_places_again(3));
        assert!(!anew.may_use_places_again(3));
    }
}
