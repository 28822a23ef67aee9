//! A process that runs already.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::model::CpuTime;

/// A kernel thread, in the flags of `/proc/PID/stat`.
const PF_KTHREAD: u32 = 0x0020_0000;

/// Lets `pidfd_open` take any thread (Linux 6.9); the same bit as O_EXCL.
const PIDFD_THREAD: PidfdFlags = PidfdFlags::from_bits_retain(0o200);

/// Why a process cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is none.
    #[error("no such process: {0}")]
    Missing(u32),
    /// It has ended, and its parent has not noticed yet.
    #[error(
        "process {pid} ({comm}) has ended, only its parent has not noticed yet; it cannot be watched"
    )]
    Zombie {
        /// Its id.
        pid: u32,
        /// Its name.
        comm: String,
    },
    /// It has no address space.
    #[error("{pid} ({comm}) is a kernel thread; it has no memory of its own to watch")]
    KernelThread {
        /// Its id.
        pid: u32,
        /// Its name.
        comm: String,
    },
    /// procfs cannot be understood, or a system call failed.
    #[error("cannot learn about process {pid}: {source}")]
    Io {
        /// Its id.
        pid: u32,
        /// What the system said.
        source: io::Error,
    },
}

/// What `/proc/PID/stat` says, as far as needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its name.
    pub comm: String,
    /// State letter: `Z` and `X` have ended.
    pub state: char,
    /// The process that has it as a child.
    pub parent: u32,
    /// Whether it is a thread of the kernel's.
    pub kernel_thread: bool,
    /// What it used of the processors in user space, in clock ticks.
    pub user_ticks: u64,
    /// What it used of them in the kernel.
    pub system_ticks: u64,
    /// When it started, in clock ticks after boot: with the pid, unique.
    pub start_ticks: u64,
}

impl Stat {
    /// Parses the file's text; `None` if it is not such a text. The name may
    /// hold spaces, parentheses and newlines.
    pub fn parse(text: &str) -> Option<Stat> {
        let (before, after) = text.rsplit_once(')')?;
        let (_, comm) = before.split_once('(')?;
        let mut fields = after.split_ascii_whitespace();
        // Counted from 1 in proc(5): state is field 3, ppid 4, flags 9, utime 14,
        // stime 15, starttime 22.
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        let flags: u32 = fields.nth(4)?.parse().ok()?;
        let user_ticks = fields.nth(4)?.parse().ok()?;
        let system_ticks = fields.next()?.parse().ok()?;
        let start_ticks = fields.nth(6)?.parse().ok()?;
        Some(Stat {
            comm: comm.to_owned(),
            state,
            parent,
            kernel_thread: flags & PF_KTHREAD != 0,
            user_ticks,
            system_ticks,
            start_ticks,
        })
    }

    /// What it used of the processors, in clock ticks.
    pub fn cpu_ticks(&self) -> u64 {
        self.user_ticks.saturating_add(self.system_ticks)
    }

    /// Its CPU time so far, as a record has it.
    pub fn cpu_time(&self, pid: u32) -> CpuTime {
        CpuTime {
            pid,
            kdamond: self.is_kdamond(),
            user_us: microseconds(self.user_ticks),
            system_us: microseconds(self.system_ticks),
        }
    }

    /// Whether it is one of DAMON's threads: any process can take such a name,
    /// only the kernel's threads have the flag.
    pub fn is_kdamond(&self) -> bool {
        self.kernel_thread && self.comm.starts_with("kdamond.")
    }
}

/// Clock ticks as time.
fn microseconds(ticks: u64) -> u64 {
    let a_second = u128::from(rustix::param::clock_ticks_per_second().max(1));
    let us = u128::from(ticks) * 1_000_000 / a_second;
    u64::try_from(us).unwrap_or(u64::MAX)
}

/// A process or thread, as it was when it was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its name.
    pub comm: String,
    /// When it started, in clock ticks after boot.
    pub start_ticks: u64,
}

impl Process {
    /// Looks up a process, or a thread, that DAMON can watch.
    ///
    /// # Errors
    /// See [`ProcessError`].
    pub fn find(pid: u32) -> Result<Process, ProcessError> {
        Process::find_in(Path::new("/proc"), pid)
    }

    /// As [`Process::find`], with procfs at `proc`.
    ///
    /// # Errors
    /// See [`ProcessError`].
    pub fn find_in(proc: &Path, pid: u32) -> Result<Process, ProcessError> {
        let bytes = match fs::read(proc.join(pid.to_string()).join("stat")) {
            Ok(bytes) => bytes,
            Err(source) => {
                return Err(match Errno::from_io_error(&source) {
                    Some(Errno::NOENT | Errno::SRCH) => ProcessError::Missing(pid),
                    _ => ProcessError::Io { pid, source },
                });
            }
        };
        // A name may hold any bytes.
        let stat = Stat::parse(&String::from_utf8_lossy(&bytes)).ok_or_else(|| {
            let source = io::Error::new(io::ErrorKind::InvalidData, "its stat file is odd");
            ProcessError::Io { pid, source }
        })?;
        let comm = stat.comm;
        match stat.state {
            'Z' | 'X' => Err(ProcessError::Zombie { pid, comm }),
            _ if stat.kernel_thread => Err(ProcessError::KernelThread { pid, comm }),
            _ => Ok(Process {
                pid,
                comm,
                start_ticks: stat.start_ticks,
            }),
        }
    }

    /// A descriptor that becomes readable when the process ends, as poll and
    /// tokio's `AsyncFd` see it. A thread that is no process needs Linux 6.9.
    ///
    /// # Errors
    /// It has ended, or its id belongs to another by now.
    pub fn pidfd(&self) -> Result<OwnedFd, ProcessError> {
        let pid = self.pid;
        let missing = || ProcessError::Missing(pid);
        let raw = i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(missing)?;
        let pidfd = pidfd_open(raw, PidfdFlags::NONBLOCK)
            .or_else(|error| match error {
                Errno::INVAL | Errno::NOENT => pidfd_open(raw, PidfdFlags::NONBLOCK | PIDFD_THREAD),
                other => Err(other),
            })
            .map_err(|error| match error {
                Errno::SRCH => missing(),
                other => ProcessError::Io {
                    pid,
                    source: other.into(),
                },
            })?;
        // Only now that the descriptor holds it, the id cannot change hands.
        if Process::find(pid)?.start_ticks != self.start_ticks {
            return Err(missing());
        }
        Ok(pidfd)
    }
}
