//! DAMON with parameters of ours: for as long as we are here, or to stay.

use std::io;
use std::time::Duration;

use super::{Signals, WatchError, Watched, after, all_gone, runtime};
use crate::control::params::Params;
use crate::control::{ControlError, FileError, NotRestored, Options, Session, System};
use crate::sys::caller::{Caller, CallerError};
use crate::sys::child;
use crate::sys::command_line::CommandLine;

/// How often DAMON is asked whether it still runs.
const ASK: Duration = Duration::from_secs(1);

/// How long a command may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// What ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every target is gone; the command's own end, if there was one.
    Target(Option<child::Ended>),
    /// The time that was asked for is over.
    Timeout,
    /// SIGINT, SIGQUIT, SIGTERM or SIGHUP.
    Signal,
    /// DAMON was switched off by somebody else, or by itself.
    SwitchedOff,
}

/// Why DAMON could not be held.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// The process cannot wait.
    #[error("cannot wait for signals: {0}")]
    Runtime(#[from] io::Error),
    /// DAMON could not be set up or switched on.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// DAMON's files cannot be read any more.
    #[error(transparent)]
    File(#[from] FileError),
    /// The targets.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// Who asked for it is unclear.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// A signal came before DAMON was on.
    #[error("interrupted before DAMON was on; nothing was changed")]
    Interrupted,
    /// DAMON is not as it was.
    #[error("{0}")]
    NotRestored(#[from] NotRestored),
}

/// What is to be done.
#[derive(Debug)]
pub struct Holding {
    /// What to set, with [`Watched::stand_in`] for the command's pid.
    pub params: Params,
    /// What to start.
    pub command: Option<CommandLine>,
    /// Start it as root, whoever called.
    pub as_root: bool,
    /// What may be done to others.
    pub options: Options,
    /// When to end, if nothing else ends it before.
    pub timeout: Option<Duration>,
}

/// DAMON switched on, with what it watches still held.
struct On {
    session: Session,
    watched: Watched,
    signals: Signals,
}

/// Keeps DAMON on until the targets are gone, the time is over or a signal
/// comes; then puts everything back. `on` is called when DAMON is on.
///
/// # Errors
/// See [`HoldError`].
pub fn hold(holding: Holding, on: impl FnOnce()) -> Result<Ended, HoldError> {
    runtime()?.block_on(async {
        let timeout = holding.timeout;
        let On {
            mut session,
            watched,
            mut signals,
        } = switch_on(holding)?;
        if signals.came().await {
            // The command has not begun, and is dropped with the rest.
            session.restore()?;
            return Ok(Ended::Signal);
        }
        let (gone, mut command) = watched.release()?;
        on();
        let ended = wait(&session, all_gone(gone), timeout, &mut signals).await;
        // DAMON goes first: its last statistics are of a whole target.
        let restored = session.restore();
        let ended = match (ended?, &mut command) {
            (Ended::Target(_), Some(command)) => Ended::Target(Some(command.wait()?)),
            (ended, Some(command)) => {
                command.terminate(GRACE)?;
                ended
            }
            (ended, None) => ended,
        };
        restored?;
        Ok(ended)
    })
}

/// Switches DAMON on and leaves it so, the command running.
///
/// # Errors
/// See [`HoldError`]; everything is as it was then.
pub fn leave(holding: Holding) -> Result<Vec<u32>, HoldError> {
    runtime()?.block_on(async {
        let On {
            session,
            watched,
            mut signals,
        } = switch_on(holding)?;
        let tids = session.tids();
        if signals.came().await {
            return Err(HoldError::Interrupted);
        }
        session.leave()?;
        let (_, command) = watched.release()?;
        if let Some(command) = command {
            command.leave();
        }
        Ok(tids)
    })
}

fn switch_on(mut holding: Holding) -> Result<On, HoldError> {
    // Caught from here on: a signal during set-up must not skip putting back.
    let signals = Signals::listen()?;
    let system = System::live();
    Session::check(&system, holding.options)?;
    let caller = match holding.as_root {
        true => None,
        false => Caller::from_env()?,
    };
    let command = holding.command.as_ref();
    let watched = Watched::find(&mut holding.params, command, caller.as_ref())?;
    let mut session = Session::prepare(&system, &holding.params, holding.options)?;
    session.turn_on()?;
    Ok(On {
        session,
        watched,
        signals,
    })
}

async fn wait(
    session: &Session,
    gone: impl Future<Output = io::Result<()>>,
    timeout: Option<Duration>,
    signals: &mut Signals,
) -> Result<Ended, HoldError> {
    let over = after(timeout);
    tokio::pin!(gone, over);
    let mut asks = tokio::time::interval(ASK);
    loop {
        tokio::select! {
            biased;
            () = signals.next() => return Ok(Ended::Signal),
            () = &mut over => return Ok(Ended::Timeout),
            result = &mut gone => {
                result?;
                return Ok(Ended::Target(None));
            }
            _ = asks.tick() => {
                if !session.is_on()? {
                    // It switches itself off with its last target.
                    let both = Duration::from_millis(100);
                    return match tokio::time::timeout(both, &mut gone).await {
                        Ok(_) => Ok(Ended::Target(None)),
                        Err(_) => Ok(Ended::SwitchedOff),
                    };
                }
            }
        }
    }
}
