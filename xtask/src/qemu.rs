//! Running QEMU, and ending it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{FdFlags, fcntl_setfd};

use crate::console::{Console, Ending, Line};

/// How long a broken kernel may still explain itself.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Room for what comes out of a guest; sparse, so it costs what is used.
const OUT_SIZE: u64 = 1 << 30;

/// The disk that a test may swap to; sparse, too.
const SWAP_SIZE: u64 = 256 << 20;

/// How fast a guest is, and how exact.
#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
pub enum Accel {
    /// Emulation: works everywhere
    Tcg,
    /// Emulation with a thread per CPU: quicker, but the kernel may break when it patches its code
    TcgMulti,
    /// This machine's CPU: fast, but nested KVM may hang at boot
    Kvm,
}

/// The machine to emulate.
#[derive(Clone, Debug, clap::Args)]
pub struct Machine {
    /// How the CPU is provided
    #[arg(long, value_enum, default_value_t = Self::default().accel)]
    pub accel: Accel,
    /// Memory
    #[arg(long, default_value_t = Self::default().memory)]
    pub memory: String,
    /// Number of CPUs
    #[arg(long, default_value_t = Self::default().cpus)]
    pub cpus: u32,
    /// Give up after this many seconds, the boot included
    #[arg(long, value_name = "S", default_value_t = Self::default().timeout)]
    pub timeout: u64,
    /// Call it a hang when nothing is heard for this many seconds
    #[arg(long, value_name = "S", default_value_t = Self::default().silence)]
    pub silence: u64,
    /// More arguments for the kernel
    #[arg(long, value_name = "ARGS", default_value_t, allow_hyphen_values = true)]
    pub append: String,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            accel: Accel::Tcg,
            memory: "1G".to_owned(),
            cpus: 2,
            timeout: 300,
            silence: 45,
            append: String::new(),
        }
    }
}

/// Makes sure that QEMU is there.
pub fn ensure_installed() -> Result<()> {
    let found = || {
        Command::new("qemu-system-x86_64")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if found() {
        return Ok(());
    }
    crate::debian::install(&["qemu-system-x86"])?;
    ensure!(
        found(),
        "qemu-system-x86 is installed, but qemu-system-x86_64 does not run"
    );
    Ok(())
}

/// A running QEMU, ended with this value and with this process.
pub struct Qemu {
    child: Child,
    serial: [UnixStream; 3],
    errors: ChildStderr,
    start: Instant,
}

impl Qemu {
    /// Boots a kernel. `disk` becomes the disk that the guest packs /out onto;
    /// beside it comes an empty one to swap to. `tools` is a disk, too; what is
    /// written to it is forgotten.
    pub fn start(
        machine: &Machine,
        kernel: &Path,
        initramfs: &Path,
        disk: &Path,
        tools: Option<&Path>,
    ) -> Result<Self> {
        let swap = disk.with_extension("swap");
        // The guest finds them by these serial numbers.
        let disks = [
            (disk, "damo-out", OUT_SIZE),
            (&swap, "damo-swap", SWAP_SIZE),
        ];
        for (disk, _, size) in disks {
            File::create(disk)
                .and_then(|file| file.set_len(size))
                .with_context(|| disk.display().to_string())?;
        }
        let (console, console_end) = UnixStream::pair()?;
        let (output, output_end) = UnixStream::pair()?;
        let (control, control_end) = UnixStream::pair()?;
        let ends = [console_end, output_end, control_end].map(OwnedFd::from);

        // setpriv: QEMU must not outlive us, however we end.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "qemu-system-x86_64"]);
        // cmpxchg16b is emulated wrongly: 6.12 crashes early (QEMU 7.2).
        let emulated = ["-cpu", "max,-cx16"];
        let (accel, cpu) = match machine.accel {
            // One thread for all CPUs: with more, a CPU may still run the int3
            // of a patch that is done (seen as "Oops: int3" on attaching to a
            // tracepoint, and in one boot of 25).
            Accel::Tcg => ("tcg,thread=single", emulated),
            Accel::TcgMulti => ("tcg,thread=multi", emulated),
            Accel::Kvm => ("kvm", ["-cpu", "host"]),
        };
        command.args(["-accel", accel]).args(cpu);
        command.args(["-m", &machine.memory, "-smp", &machine.cpus.to_string()]);
        command.args("-nodefaults -display none -no-reboot -nic none".split(' '));
        for (i, end) in ends.iter().enumerate() {
            fcntl_setfd(end, FdFlags::empty())?;
            let chardev = format!("socket,id=serial{i},fd={}", end.as_raw_fd());
            command.args(["-chardev", &chardev]);
            command.args(["-serial", &format!("chardev:serial{i}")]);
        }
        let disks = disks.map(|(disk, serial, _)| (disk, serial, ""));
        let tools = tools.map(|disk| (disk, "damo-tools", ",snapshot=on"));
        for (disk, serial, more) in disks.into_iter().chain(tools) {
            let drive = format!(
                "file={},if=none,id={serial},format=raw,cache=unsafe{more}",
                disk.display().to_string().replace(',', ",,")
            );
            command.args(["-drive", &drive]);
            command.args(["-device", &format!("nvme,serial={serial},drive={serial}")]);
        }
        command.arg("-kernel").arg(kernel);
        command.arg("-initrd").arg(initramfs);
        command.arg("-append").arg(format!(
            "console=ttyS0 quiet panic=-1 oops=panic norandmaps {}",
            machine.append
        ));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("setpriv (of util-linux)")?;
        let errors = child.stderr.take().context("QEMU's stderr")?;
        Ok(Self {
            child,
            serial: [console, output, control],
            errors,
            start: Instant::now(),
        })
    }

    /// Listens until the guest is gone, or makes an end of it.
    pub fn watch(
        &mut self,
        machine: &Machine,
        console: &mut Console<'_>,
    ) -> Result<Option<Ending>> {
        let timeout = Duration::from_secs(machine.timeout);
        let silence = Duration::from_secs(machine.silence);
        let mut open = vec![Line::Kernel, Line::Output, Line::Control, Line::Qemu];
        let mut broken = None;
        while !open.is_empty() {
            let ready = self.wait(&open)?;
            let now = Instant::now();
            for line in ready {
                let mut buffer = [0; 4096];
                let bytes = match self.read(line, &mut buffer) {
                    Ok(length) => buffer.get(..length).unwrap_or_default(),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) if error.kind() == io::ErrorKind::ConnectionReset => &[],
                    Err(error) => return Err(error).context("the guest's serial line"),
                };
                if bytes.is_empty() {
                    open.retain(|&other| other != line);
                }
                console.take(line, bytes, now).context("stdout")?;
            }
            if console.is_broken() && now - *broken.get_or_insert(now) > LAST_WORDS {
                return Ok(None);
            }
            if now - self.start > timeout {
                return Ok(Some(Ending::TimedOut(timeout)));
            }
            if console.silent(now) > silence && broken.is_none() {
                return Ok(Some(Ending::Hung(silence)));
            }
        }
        self.child.wait()?;
        Ok(None)
    }

    /// When it was started.
    pub fn start_time(&self) -> Instant {
        self.start
    }

    fn wait(&self, open: &[Line]) -> Result<Vec<Line>> {
        let mut fds: Vec<_> = open
            .iter()
            .map(|line| match line {
                Line::Qemu => self.errors.as_fd(),
                line => self.stream(*line).as_fd(),
            })
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let tick = Timespec {
            tv_sec: 0,
            tv_nsec: 200_000_000,
        };
        match poll(&mut fds, Some(&tick)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("poll"),
        }
        Ok(open
            .iter()
            .zip(&fds)
            .filter(|(_, fd)| !fd.revents().is_empty())
            .map(|(line, _)| *line)
            .collect())
    }

    fn read(&mut self, line: Line, buffer: &mut [u8]) -> io::Result<usize> {
        match line {
            Line::Qemu => self.errors.read(buffer),
            line => self.stream(line).read(buffer),
        }
    }

    fn stream(&self, line: Line) -> &UnixStream {
        let [console, output, control] = &self.serial;
        match line {
            Line::Kernel => console,
            Line::Output => output,
            Line::Control | Line::Qemu => control,
        }
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // Gone already, mostly; never a pid that is not ours, since it is not
        // reaped before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
