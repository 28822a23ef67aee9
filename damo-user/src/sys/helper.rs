//! A program that works beside us and must not outlive us.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use nix::errno::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, getpid, getppid, pidfd_open, pidfd_send_signal,
    set_parent_process_death_signal,
};

use super::child::ends_within;

/// A program that works beside us. Dropping it kills it; should this process
/// end without that, the kernel sends it SIGTERM.
///
/// The kernel goes by the thread that started it: that one must stay.
#[derive(Debug)]
pub struct Helper {
    child: Child,
    pidfd: OwnedFd,
}

impl Helper {
    /// Starts it.
    ///
    /// # Errors
    /// It cannot be executed.
    pub fn start(mut command: Command) -> io::Result<Helper> {
        let we = getpid();
        // SAFETY: between fork and exec this makes two system calls; it
        // allocates nothing, takes no lock and does not panic.
        unsafe {
            command.pre_exec(move || {
                set_parent_process_death_signal(Some(Signal::TERM))?;
                // We may have ended before the kernel knew.
                match getppid() == Some(we) {
                    true => Ok(()),
                    false => Err(Errno::ESRCH.into()),
                }
            });
        }
        let mut child = command.spawn()?;
        let pid = Pid::from_raw(child.id().cast_signed()).ok_or(Errno::ESRCH)?;
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Helper { child, pidfd }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error.into())
            }
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    ///
    /// # Errors
    /// The system refused.
    pub fn has_ended(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Asks it to end (SIGINT); one that has ended need not hear it.
    pub fn interrupt(&self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::INT);
    }

    /// Asks it to end, and waits for that; kills it after `grace`.
    ///
    /// # Errors
    /// The system refused.
    pub fn end(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        self.interrupt();
        if !ends_within(self.pidfd.as_fd(), grace)? {
            self.child.kill()?;
        }
        self.child.wait()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn it_ends_with_whoever_started_it() {
        let start = || {
            let mut sleep = Command::new("sleep");
            sleep.arg("1000");
            Helper::start(sleep).unwrap()
        };
        let mut helper = std::thread::spawn(start).join().unwrap();
        // Far more than it takes.
        let ended = ends_within(helper.pidfd.as_fd(), Duration::from_mins(1));
        assert!(ended.unwrap());
        let status = helper.child.wait().unwrap();
        assert_eq!(status.signal(), Some(15));
    }
}
