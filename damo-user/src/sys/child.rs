//! A command started for us, held before its first instruction.
//!
//! The child asks to be traced before it executes the program, so that the
//! kernel stops it when the program is loaded and nothing of it has run. Its pid
//! can then be given to DAMON, and the first sample is the program's first.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid, setgroups, setresgid, setresuid};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

use super::caller::Caller;
use super::command_line::{CommandError, CommandLine};
use super::notify::Notifier;

/// Why a command did not start. Nothing of it is left then.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It cannot be found.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// It cannot be executed.
    #[error("cannot start {program}{as_whom}: {source}")]
    Spawn {
        /// What was to be executed.
        program: String,
        /// ` as user NAME`, or nothing.
        as_whom: String,
        /// What the system said.
        source: io::Error,
    },
    /// It cannot be held.
    #[error("cannot hold {program} before it begins: {source}")]
    Hold {
        /// What was executed.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody killed it meanwhile.
    #[error("{program} was killed before it began")]
    Killed {
        /// What was executed.
        program: String,
    },
}

/// A child that has loaded its program and not begun it. Dropping it kills it,
/// and so does the kernel should this process die.
///
/// Tracing belongs to a thread: this cannot leave the thread that started it.
#[derive(Debug)]
pub struct Held {
    /// Taken when released.
    child: Option<Child>,
    pid: Pid,
    _not_send: PhantomData<*const ()>,
}

impl Held {
    /// Starts `command` and holds it; as `caller` if there is one, with the
    /// caller's groups and HOME, USER and LOGNAME.
    ///
    /// # Errors
    /// See [`ChildError`].
    pub fn start(command: &CommandLine, caller: Option<&Caller>) -> Result<Held, ChildError> {
        command.check()?;
        let (program, args) = command.argv().split_first().ok_or(CommandError::Empty)?;
        let name = || program.to_string_lossy().into_owned();
        let mut spawn = Command::new(program);
        spawn.args(args);
        Notifier::hide_from(&mut spawn);
        if let Some(caller) = caller {
            spawn.env("USER", &caller.name).env("LOGNAME", &caller.name);
            if let Some(home) = &caller.home {
                spawn.env("HOME", home);
            }
        }
        let identity = caller.map(Identity::of);
        let blocked = all_but_trap();
        // SAFETY: between fork and exec this makes system calls through
        // async-signal-safe functions, with what was made before the fork; it
        // allocates nothing, takes no lock and does not panic.
        unsafe {
            spawn.pre_exec(move || {
                if let Some(identity) = &identity {
                    identity.take_on()?;
                }
                // A signal would stop a traced child before exec, with std
                // waiting for that exec for ever.
                blocked.thread_set_mask()?;
                Ok(ptrace::traceme()?)
            });
        }
        let child = spawn.spawn().map_err(|source| ChildError::Spawn {
            program: name(),
            as_whom: caller.map_or_else(String::new, |caller| format!(" as user {}", caller.name)),
            source,
        })?;
        let pid = Pid::from_raw(child.id().cast_signed());
        let held = Held {
            child: Some(child),
            pid,
            _not_send: PhantomData,
        };
        let hold = |error: Errno| ChildError::Hold {
            program: name(),
            source: error.into(),
        };
        if !wait_for_exec(pid).map_err(hold)? {
            return Err(ChildError::Killed { program: name() });
        }
        ptrace::setoptions(pid, ptrace::Options::PTRACE_O_EXITKILL).map_err(hold)?;
        unblock_signals(pid).map_err(hold)?;
        Ok(held)
    }

    /// Its process id, which the program keeps.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw().cast_unsigned()
    }

    /// Lets the program begin. Signals that came meanwhile reach it now.
    ///
    /// # Errors
    /// The system refused; the child is killed then.
    pub fn release(mut self) -> io::Result<Running> {
        let pid = rustix::process::Pid::from_raw(self.pid.as_raw()).ok_or(Errno::ESRCH)?;
        let pidfd = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
        match ptrace::detach(self.pid, None) {
            // Killed while it was held: that is for the wait to tell.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => return Err(error.into()),
        }
        let child = self.child.take().ok_or(Errno::ESRCH)?;
        Ok(Running { child, pidfd })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Both fail only if it is gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A child that runs. Dropping it asks it to end (SIGTERM), unless its end was
/// waited for: nothing that was started is to stay because of an error.
#[derive(Debug)]
pub struct Running {
    child: Child,
    pidfd: OwnedFd,
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.try_wait(), Ok(None)) {
            // Fails only if it is gone by now.
            let _ = pidfd_send_signal(&self.pidfd, rustix::process::Signal::TERM);
        }
    }
}

impl Running {
    /// Lets it go on without us.
    pub fn leave(self) {
        // Nothing of it may be dropped, and its descriptor ends with us.
        std::mem::forget(self);
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A descriptor of its own that becomes readable when the child ends, as
    /// poll and tokio's `AsyncFd` see it.
    ///
    /// # Errors
    /// No descriptor is free.
    pub fn pidfd(&self) -> io::Result<OwnedFd> {
        self.pidfd.try_clone()
    }

    /// How it ended, if it did.
    ///
    /// # Errors
    /// The system refused.
    pub fn try_wait(&mut self) -> io::Result<Option<Ended>> {
        Ok(self.child.try_wait()?.map(Ended))
    }

    /// Waits for its end, however long that takes.
    ///
    /// # Errors
    /// The system refused.
    pub fn wait(&mut self) -> io::Result<Ended> {
        Ok(Ended(self.child.wait()?))
    }

    /// Ends it: SIGTERM, and SIGKILL if it is still there after `grace`. Only
    /// the child itself, not what it started. Blocks until it is gone.
    ///
    /// # Errors
    /// The system refused.
    pub fn terminate(&mut self, grace: Duration) -> io::Result<Ended> {
        if let Some(ended) = self.try_wait()? {
            return Ok(ended);
        }
        // By descriptor and before it is reaped: it cannot be another process.
        pidfd_send_signal(&self.pidfd, rustix::process::Signal::TERM)?;
        if !ends_within(self.pidfd.as_fd(), grace)? {
            pidfd_send_signal(&self.pidfd, rustix::process::Signal::KILL)?;
        }
        self.wait()
    }
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended(ExitStatus);

impl Ended {
    /// Its exit code, or 128 and the signal that ended it, as shells have it.
    pub fn code(&self) -> u8 {
        let code = match self.0.signal() {
            Some(signal) => signal.saturating_add(128),
            None => self.0.code().unwrap_or(0),
        };
        u8::try_from(code).unwrap_or(u8::MAX)
    }

    /// The signal that ended it, if one did.
    pub fn signal(&self) -> Option<i32> {
        self.0.signal()
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A user's ids as the system calls take them.
struct Identity {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Identity {
    fn of(caller: &Caller) -> Identity {
        Identity {
            uid: Uid::from_raw(caller.uid),
            gid: Gid::from_raw(caller.gid),
            groups: caller.groups.iter().copied().map(Gid::from_raw).collect(),
        }
    }

    /// Gives up all other ids, the saved ones included, for good.
    fn take_on(&self) -> nix::Result<()> {
        // Groups first: afterwards there is no right to change them.
        setgroups(&self.groups)?;
        setresgid(self.gid, self.gid, self.gid)?;
        setresuid(self.uid, self.uid, self.uid)
    }
}

/// The stop at exec is a signal too, and must come through.
fn all_but_trap() -> SigSet {
    let mut signals = SigSet::all();
    signals.remove(Signal::SIGTRAP);
    signals
}

/// Waits until the program is loaded; false if the child ended instead.
fn wait_for_exec(pid: Pid) -> nix::Result<bool> {
    loop {
        match waitpid(pid, None) {
            Ok(WaitStatus::Stopped(_, Signal::SIGTRAP)) => return Ok(true),
            // SIGSTOP cannot be blocked: it is passed on, and exec comes next.
            Ok(WaitStatus::Stopped(_, signal)) => ptrace::cont(pid, signal)?,
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => return Ok(false),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Gives a held child the empty signal mask that a program expects.
fn unblock_signals(pid: Pid) -> nix::Result<()> {
    // The kernel's own signal set: one bit per signal.
    let none = 0_u64;
    // SAFETY: the kernel reads as many bytes as the third argument says from
    // where the fourth points to, which is `none`, and keeps no pointer.
    let result = unsafe {
        nix::libc::ptrace(
            nix::libc::PTRACE_SETSIGMASK,
            pid.as_raw(),
            size_of_val(&none),
            &raw const none,
        )
    };
    Errno::result(result).map(drop)
}

/// Whether a process ends in time.
pub(super) fn ends_within(pidfd: BorrowedFd<'_>, time: Duration) -> io::Result<bool> {
    let begin = Instant::now();
    loop {
        let left = time.saturating_sub(begin.elapsed());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(
            &mut [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)],
            Some(&timeout),
        ) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
