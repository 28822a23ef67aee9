//! DAMON begun anew while a recording goes on: with the first of those that are
//! followed, or when a kdamond's places are used up.

use std::time::{Duration, Instant};

use super::RecordError;
use super::follow::Follow;
use crate::control::params::{Context, Params, Target};
use crate::control::{ControlError, Options, Session, System, others};
use crate::source::Tap;
use crate::sys::tell::tell;

/// Most targets of a kdamond. Each costs it a part of its regions.
pub const PLACES: usize = 1024;

/// What a target watches while there is none: kthreadd, which has no memory.
pub const STAND_IN: u32 = 2;

/// Least time between two beginnings.
const PAUSE: Duration = Duration::from_secs(1);

/// How long somebody who is in the way is left alone.
const OTHERS: Duration = Duration::from_secs(10);

/// How long DAMON's lock, and another damo's, are waited for: nothing is drained
/// meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);

/// How to begin DAMON anew.
#[derive(Debug)]
pub struct Anew {
    system: System,
    options: Options,
    /// Of the one kdamond and its one context; its targets are put in.
    params: Params,
    /// Targets of a kdamond, the dead among them.
    pub places: usize,
    /// `None`: nobody is waited for.
    pub follow: Option<Follow>,
    after: Instant,
    /// When the last places were used up.
    used_up: Option<Instant>,
    told: Option<String>,
}

/// DAMON, on again.
pub struct Begun {
    pub session: Session,
    pub params: Params,
    pub tid: u32,
}

impl Anew {
    /// `params`: of one kdamond with one context.
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
            after: Instant::now(),
            used_up: None,
            told: None,
        }
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

    /// Whether it is time to begin, if there is somebody.
    pub fn is_due(&self) -> bool {
        Instant::now() >= self.after
    }

    /// Somebody else wants DAMON: it is left alone for a while.
    pub fn make_way(&mut self) {
        self.after = Instant::now() + OTHERS;
    }

    /// Whether `living` targets leave places to be won by beginning anew, and the
    /// last time is long enough ago; if so, this counts as the next.
    pub fn may_use_places_again(&mut self, living: usize) -> bool {
        if living >= self.places {
            let places = self.places;
            self.tell(format!("no more than {places} processes can be watched"));
            return false;
        }
        let long_ago = |last: Instant| last.elapsed() >= OTHERS;
        let may = self.used_up.is_none_or(long_ago);
        if may {
            self.used_up = Some(Instant::now());
        }
        may
    }

    /// Switches DAMON on for these processes; nothing of ours is on or set.
    /// `Err` within: not now, and all is as it was.
    ///
    /// # Errors
    /// The maps cannot be written, or DAMON could not be put back.
    pub fn begin(
        &mut self,
        tap: &mut Tap,
        pids: &[u32],
    ) -> Result<Result<Begun, ControlError>, RecordError> {
        self.after = Instant::now() + PAUSE;
        let params = self.with(pids);
        let mut session = match Session::prepare(&self.system, &params, self.options) {
            Ok(session) => session,
            Err(error @ ControlError::AndLeft { .. }) => return Err(error.into()),
            Err(error) => return Ok(Err(error)),
        };
        // None of them is ours; what has ended is gone from the map.
        tap.forget_all_but(&others::kdamond_threads(&self.system)?)?;
        tap.learn(true)?;
        let on = session.turn_on();
        tap.only(on.as_deref().unwrap_or_default())?;
        let error = match on.as_deref() {
            Ok(&[tid]) => {
                return Ok(Ok(Begun {
                    session,
                    params,
                    tid,
                }));
            }
            Ok(_) => ControlError::EndedAtOnce,
            Err(_) => on.err().unwrap_or(ControlError::EndedAtOnce),
        };
        session.restore()?;
        Ok(Err(error))
    }

    /// It could not be begun: why is told, unless processes have only ended
    /// meanwhile. It is tried again later.
    pub fn failed(&mut self, error: &ControlError) {
        if !is_race(error) {
            self.make_way();
            self.tell(format!("waiting: {error}"));
        }
    }

    /// Tells something, once.
    pub fn tell(&mut self, text: String) {
        if self.told.as_ref() != Some(&text) {
            tell(format_args!("damo: {text}"));
            self.told = Some(text);
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
        assert!(anew.is_due());
        anew.make_way();
        assert!(!anew.is_due());
    }
}
