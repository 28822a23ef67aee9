//! Commands with a deadline: what hangs fails its own test, soon, and tells
//! what it said.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How long a command may take, if nothing else is said.
pub const LIMIT: Duration = Duration::from_secs(60);

/// How long a killed one may take to be gone.
const GONE: Duration = Duration::from_secs(5);

const LOOK: Duration = Duration::from_millis(10);

/// A command that runs, in a process group of its own. Dropping it kills the group.
pub struct Started {
    child: Child,
    stdout: File,
    stderr: File,
}

impl Started {
    /// Its output goes to files without a name, not to pipes: these would stay
    /// open as long as anything that it started.
    #[track_caller]
    pub fn new(command: &mut Command) -> Started {
        let [stdout, stderr] = [(), ()].map(|()| tempfile::tempfile().unwrap());
        let child = command
            .stdout(stdout.try_clone().unwrap())
            .stderr(stderr.try_clone().unwrap())
            .process_group(0)
            .spawn()
            .unwrap();
        Started {
            child,
            stdout,
            stderr,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        crate::kit::signal(self.pid(), name);
    }

    #[track_caller]
    pub fn wait(self) -> Ran {
        self.wait_for(LIMIT)
    }

    #[track_caller]
    pub fn wait_for(mut self, limit: Duration) -> Ran {
        let Some(status) = self.ends_within(limit) else {
            self.kill();
            let [out, err] = [&self.stdout, &self.stderr].map(said);
            panic!("not done after {limit:?}, so it was killed. It said: {out}{err}");
        };
        Ran {
            status,
            stdout: said(&self.stdout),
            stderr: said(&self.stderr),
        }
    }

    fn ends_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        loop {
            let status = self.child.try_wait().unwrap();
            if status.is_some() || begun.elapsed() > limit {
                return status;
            }
            sleep(LOOK);
        }
    }

    fn kill(&mut self) {
        let group = Pid::from_raw(self.child.id().cast_signed());
        let _ = killpg(group, Signal::SIGKILL);
        // One that the kernel does not let go is not waited for.
        let _ = self.ends_within(GONE);
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}

fn said(mut file: &File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

/// A command that has ended by itself.
#[derive(Debug)]
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    #[track_caller]
    pub fn exits(self, code: i32) -> Ran {
        assert_eq!(
            self.status.code(),
            Some(code),
            "{}{}",
            self.stdout,
            self.stderr
        );
        self
    }

    #[track_caller]
    pub fn prints(self, text: &str) -> Ran {
        assert!(
            self.stdout.contains(text),
            "no '{text}' in: {}",
            self.stdout
        );
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Ran {
        assert!(
            self.stderr.contains(text),
            "no '{text}' in: {}",
            self.stderr
        );
        self
    }
}

#[test]
fn what_hangs_is_killed_and_fails_with_what_it_said() {
    let begun = Instant::now();
    let mut hangs = Command::new("sh");
    hangs.args(["-c", "echo first words >&2; busybox sleep 1000 & wait"]);
    let started = Started::new(&mut hangs);
    let group = Pid::from_raw(started.pid().cast_signed());
    let wait = std::panic::AssertUnwindSafe(|| started.wait_for(Duration::from_secs(1)));
    let panic = std::panic::catch_unwind(wait).err().unwrap();
    let message = panic.downcast::<String>().unwrap();
    assert!(message.contains("not done after 1s"), "{message}");
    assert!(message.contains("first words"), "{message}");
    assert!(begun.elapsed() < Duration::from_secs(20));
    // What it started is gone, too, once somebody has asked how it ended.
    crate::kit::until("the end of its child", || killpg(group, None).is_err());
}
