//! `cargo xtask guest`: a command in a guest kernel.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::build;
use crate::cache::Cache;
use crate::console::{Console, Ending};
use crate::initramfs::{self, Bring};
use crate::kernels::{self, Fetch, Kernel};
use crate::qemu::{self, Machine, Qemu};
use crate::tools;

/// Runs a command as root in a guest kernel, with damo and the workloads in its
/// PATH. What it leaves in /out comes back. Ends with the command's status, or
/// with 125 when the guest broke, hung or lost its verdict.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// 6.12, 6.17, 7.2, 7.3, another line that Debian has, all of these, or
    /// 6.1-debugfs (built once, in about 11 minutes of CPU time)
    #[arg(long)]
    kernel: String,
    #[command(flatten)]
    machine: Machine,
    #[command(flatten)]
    fetch: Fetch,
    /// Bring a file: to /root, or where :DEST says
    #[arg(long, value_name = "FILE[:DEST]")]
    with: Vec<String>,
    /// Where /out goes [default: target/guest-out/KERNEL]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Bring the tests of tests/guest as `guest`; fail when none ran
    #[arg(long)]
    tests: bool,
    /// Bring optimised binaries
    #[arg(long)]
    release: bool,
    /// Bring a disk, of serial number damo-tools, with perf, trace-cmd and damo in Python
    #[arg(long)]
    tools: bool,
    /// Bring the programs in a folder, and build none
    #[arg(long, value_name = "DIR", conflicts_with = "release", hide = true)]
    programs: Option<PathBuf>,
    /// What to run
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Everything about a run but the kernel.
pub struct Run<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// What it gets.
    pub bring: &'a [Bring],
    /// Whether it must report tests.
    pub tests: bool,
    /// A disk of tools to boot with; it stays as it is.
    pub tools: Option<&'a Path>,
    /// Where /out goes.
    pub out: &'a Path,
    /// argv.
    pub command: &'a [OsString],
}

/// What a run has come to.
pub struct Ran {
    /// How it ended.
    pub ending: Ending,
    /// From QEMU's start to PID 1, if it got there.
    pub boot: Option<Duration>,
    /// From QEMU's start to its end.
    pub wall: Duration,
    /// The initramfs's bytes.
    pub initramfs: u64,
    /// The last lines of everything said, oldest first.
    pub tail: Vec<String>,
}

/// Runs the subcommand.
pub fn main(args: &Args) -> Result<ExitCode> {
    let lines = kernels::lines(&args.kernel)?;
    let cache = Cache::open()?;
    let mut bring = match &args.programs {
        Some(dir) => programs_in(dir)?,
        None => programs(args.release, args.tests)?,
    };
    for with in &args.with {
        bring.push(Bring::parse(with)?);
    }
    let tools = match args.tools {
        true => Some(tools::image(&cache, args.fetch.mirror.as_deref())?),
        false => None,
    };
    let mut worst = 0;
    for line in &lines {
        let kernel = kernels::get(&cache, line, &args.fetch)?;
        let out = match &args.out {
            Some(dir) if lines.len() > 1 => dir.join(line),
            Some(dir) => dir.clone(),
            None => fresh_out(line)?,
        };
        let run = Run {
            machine: &args.machine,
            bring: &bring,
            tests: args.tests,
            tools: tools.as_deref(),
            out: &out,
            command: &args.command,
        };
        let ran = run.on(&cache, &kernel, &mut io::stdout().lock())?;
        ran.report(&kernel);
        worst = worst.max(ran.ending.status());
    }
    Ok(ExitCode::from(worst))
}

/// `damo` and the workloads; the tests, if they are wanted.
fn programs(release: bool, tests: bool) -> Result<Vec<Bring>> {
    let (programs, test) = build::guest_binaries(release, tests)?;
    let programs = programs.into_iter().map(|path| {
        let name = path.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        Bring::program(path, &name)
    });
    let test = test.map(|path| Bring::program(path, "guest"));
    Ok(programs.chain(test).collect())
}

/// Builds what guests' tests need, into a folder: cargo may build other things
/// while guests begin.
pub fn build_into(dir: &Path) -> Result<()> {
    fs::create_dir(dir).with_context(|| dir.display().to_string())?;
    for program in programs(false, true)? {
        let name = Path::new(&program.dest).file_name().unwrap_or_default();
        fs::copy(&program.source, dir.join(name))
            .with_context(|| program.source.display().to_string())?;
    }
    Ok(())
}

fn programs_in(dir: &Path) -> Result<Vec<Bring>> {
    let entries = fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    let program = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        Ok(Bring::program(entry.path(), &name))
    };
    entries.map(program).collect()
}

/// `damo` and the workloads.
pub fn binaries() -> Result<Vec<Bring>> {
    programs(false, false)
}

/// As [`binaries`], with an optimised `damo`. Optimising the rest as well would
/// take minutes and change nothing that is measured.
pub fn binaries_to_measure() -> Result<Vec<Bring>> {
    let mut bring = binaries()?;
    let damo = Bring::program(build::optimised_damo()?, "damo");
    bring.retain(|other| other.dest != damo.dest);
    bring.push(damo);
    Ok(bring)
}

/// The usual place for a guest's /out, emptied.
pub fn fresh_out(name: &str) -> Result<PathBuf> {
    let out = build::target_dir("guest-out")?.join(name);
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| out.display().to_string())?;
    }
    Ok(out)
}

impl Run<'_> {
    /// Boots, runs, and brings /out back. The command's output goes to `output`.
    pub fn on(&self, cache: &Cache, kernel: &Kernel, output: &mut dyn Write) -> Result<Ran> {
        qemu::ensure_installed()?;
        let dir = run_dir()?;
        let (image, disk) = (dir.path().join("initramfs"), dir.path().join("out.tar"));
        let nonce = nonce()?;
        let argv: Vec<&[u8]> = self.command.iter().map(|word| word.as_bytes()).collect();
        let script = initramfs::command_script(&argv)?;
        let busybox = initramfs::busybox(cache)?;
        initramfs::write(&image, &busybox, self.bring, &nonce, &script)?;

        let mut qemu = Qemu::start(self.machine, &kernel.image, &image, &disk, self.tools)?;
        let start = qemu.start_time();
        let mut console = Console::new(&nonce, output, start);
        let cut_short = qemu.watch(self.machine, &mut console)?;
        drop(qemu);
        let ending = cut_short.unwrap_or_else(|| console.ending(self.tests));
        let ran = Ran {
            boot: console.started().map(|at| at - start),
            wall: start.elapsed(),
            initramfs: fs::metadata(&image)?.len(),
            tail: console.tail().map(str::to_owned).collect(),
            ending,
        };
        if matches!(ran.ending, Ending::Exited(_) | Ending::NoTests) {
            unpack(&disk, self.out)?;
        }
        Ok(ran)
    }
}

impl Ran {
    /// One line about the run, after the last lines of a guest that failed.
    pub fn report(&self, kernel: &Kernel) {
        if !matches!(self.ending, Ending::Exited(_)) {
            eprintln!("--- the last lines of guest {} ---", kernel.line);
            for line in &self.tail {
                eprintln!("{line}");
            }
            eprintln!("---");
        }
        let boot = self.boot.map_or_else(
            || "never up".to_owned(),
            |boot| format!("up after {:.1} s", boot.as_secs_f64()),
        );
        eprintln!(
            "guest {}: {} ({}; initramfs {} KiB, {boot}, gone after {:.1} s)",
            kernel.line,
            self.ending,
            kernel.package,
            self.initramfs / 1024,
            self.wall.as_secs_f64()
        );
    }
}

/// A folder for one run; runs that were killed left theirs.
fn run_dir() -> Result<tempfile::TempDir> {
    let runs = build::target_dir("guest-runs")?;
    for entry in fs::read_dir(&runs)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let pid = name.split('-').next().unwrap_or_default();
        if !Path::new("/proc").join(pid).exists() {
            // Another run may be clearing up as well.
            let _ = fs::remove_dir_all(&path);
        }
    }
    let prefix = format!("{}-", std::process::id());
    tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in(runs)
        .context("no folder for the run")
}

fn unpack(disk: &Path, out: &Path) -> Result<()> {
    fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let file = File::open(disk).with_context(|| disk.display().to_string())?;
    let mut archive = tar::Archive::new(io::BufReader::new(file));
    // What the guest's clock says would only mislead.
    archive.set_preserve_mtime(false);
    archive
        .unpack(out)
        .with_context(|| format!("{}: cannot bring /out back", out.display()))
}

/// Tells this run's verdict from anything else that is said.
fn nonce() -> Result<String> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("/dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
