//! What DAMON watches, from before its beginning to its end: processes that run
//! already, or a command that is started for it.

mod hold;
mod signals;

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

pub use hold::{Ended, HoldError, Holding, hold, leave};
pub use signals::Signals;

use crate::control::params::Params;
use crate::sys::caller::Caller;
use crate::sys::child::{ChildError, Held, Running};
use crate::sys::command_line::CommandLine;
use crate::sys::process::{Process, ProcessError};
use crate::sys::readiness::Readiness;

/// Why something cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The command could not be started.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// A process to watch is not there.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The system refused.
    #[error("cannot watch the targets' end: {0}")]
    Io(#[from] io::Error),
}

/// Processes by their ids, each with what becomes readable when it is gone.
pub type Ends = Vec<(u32, OwnedFd)>;

/// What is watched, found or held before its first instruction. Dropping it
/// kills what is held.
#[derive(Debug)]
pub struct Watched {
    held: Option<Held>,
    processes: Ends,
}

impl Watched {
    /// The process id that stands for a command's in parameters, until
    /// [`Watched::find`] has started it: they can be checked before.
    pub fn stand_in() -> u32 {
        std::process::id()
    }

    /// Finds the processes that `params` name, and starts `command`, as `caller`
    /// if there is one; its pid goes into `params`.
    ///
    /// # Errors
    /// [`WatchError`]; nothing was started then.
    pub fn find(
        params: &mut Params,
        command: Option<&CommandLine>,
        caller: Option<&Caller>,
    ) -> Result<Watched, WatchError> {
        let mut pids = params.pids();
        if command.is_some() {
            pids.retain(|pid| *pid != Watched::stand_in());
        }
        let pidfd = |&pid: &u32| Ok::<_, WatchError>((pid, Process::find(pid)?.pidfd()?));
        let processes = pids.iter().map(pidfd).collect::<Result<_, _>>()?;
        let held = command
            .map(|command| Held::start(command, caller))
            .transpose()?;
        if let Some(held) = &held {
            let contexts = params.kdamonds.iter_mut().flat_map(|k| &mut k.contexts);
            for target in contexts.flat_map(|context| &mut context.targets) {
                if target.pid == Some(Watched::stand_in()) {
                    target.pid = Some(held.pid());
                }
            }
        }
        Ok(Watched { held, processes })
    }

    /// Lets a held command begin. Gives the processes, each with what becomes
    /// readable when it is gone, and the command.
    ///
    /// # Errors
    /// The system refused; the command is killed then.
    pub fn release(self) -> io::Result<(Ends, Option<Running>)> {
        let Watched {
            held,
            mut processes,
        } = self;
        let command = held.map(Held::release).transpose()?;
        if let Some(command) = &command {
            processes.push((command.pid(), command.pidfd()?));
        }
        Ok((processes, command))
    }
}

/// What everything that watches runs on: one thread, since whoever starts a held
/// command must also release it.
///
/// # Errors
/// The process cannot do asynchronous I/O.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Resolves after that time; never, if there is none.
pub async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Resolves when every one of these has become readable; never, if none.
///
/// # Errors
/// The runtime cannot wait for them.
pub async fn all_gone(processes: Ends) -> io::Result<()> {
    if processes.is_empty() {
        return std::future::pending().await;
    }
    for (_, pidfd) in processes {
        Readiness::of(pidfd)?.wait().await?;
    }
    Ok(())
}
