//! `bench-record`: what recording costs, ours beside `perf record` and
//! `perf script`, on the same workload in one run. Runs inside a guest, as
//! root: `cargo xtask bench record`.
//!
//! Both watch all physical memory with 1000 to 2000 regions while `zigzag`
//! runs. What was emitted is counted by the kernel itself (a hist trigger).

mod peer_json;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use damo_tests::counted;
use damo_tests::usage::{cpu_of_thread, peak_kib, wait};
use damo_user::analyze::Losses;

const KDAMOND: &str = "/sys/kernel/mm/damon/admin/kdamonds/0";

#[derive(Parser)]
struct Args {
    /// Seconds to record
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Rounds, each measuring both
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

/// One recording.
struct Measured {
    record_s: f64,
    convert_s: f64,
    peak_kib: u64,
    emitted: u64,
    stored: u64,
    lost: u64,
    bytes: u64,
    kdamond_cpu: f64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let _ = fs::write("/sys/module/damon_stat/parameters/enabled", "N");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    println!(
        "kernel {}, {} s, sample 5 ms, aggregation 50 ms, 1000 to 2000 regions",
        kernel.trim(),
        args.seconds
    );
    println!(
        "recorder                 CPU s  convert s  emitted   stored    lost  bytes/sample  kdamond CPU us/event  peak KiB"
    );
    counted::start()?;
    perf_beside_us()?;
    let mut pairs = Vec::new();
    for _ in 0..args.rounds {
        let mut load = workload()?;
        let ours = ours(args.seconds)?;
        ours.print("damo record");
        let perfs = perf(args.seconds)?;
        perfs.print("perf record + script");
        load.kill()?;
        load.wait()?;
        pairs.push(perfs.cpu() / ours.cpu());
    }
    pairs.sort_by(f64::total_cmp);
    let median = pairs.get(pairs.len() / 2).context("no rounds")?;
    println!(
        "CPU of perf record + script as a multiple of ours, median of {} rounds: {median:.1}",
        pairs.len()
    );
    zigzag()
}

/// Bytes per sample of a recording of one program, beside the same samples in
/// the peer's form.
fn zigzag() -> Result<()> {
    let file = "/tmp/zigzag.data";
    let status = Command::new("damo")
        .args(["record", "-o", file])
        .arg("zigzag --size 100M --period 2s --duration 20s --flush-tlb")
        .status()?;
    ensure!(status.success(), "damo record: {status}");
    let mut snapshots = Vec::new();
    for item in damo_user::import::open(file.as_ref())?.items()? {
        if let damo_user::model::Item::Snapshot(snapshot) = item? {
            snapshots.push(snapshot);
        }
    }
    let samples: usize = snapshots.iter().map(|s| s.regions.len()).sum();
    let per_sample = |bytes: u64| bytes as f64 / samples.max(1) as f64;
    let ours = per_sample(fs::metadata(file)?.len());
    let peers = per_sample(peer_json::compressed_len(&snapshots)?);
    println!(
        "zigzag, {samples} samples in {} snapshots: {ours:.2} bytes per sample, the whole file counted; \
         as the peer's json_compressed {peers:.2}, {:.1} times as many",
        snapshots.len(),
        peers / ours
    );
    Ok(())
}

/// Whoever uses perf beside us still gets the events.
fn perf_beside_us() -> Result<()> {
    let mut damo = Command::new("damo")
        .args([
            "record",
            "-o",
            "/tmp/beside.data",
            "--timeout",
            "6",
            "paddr",
        ])
        .stderr(Stdio::null())
        .spawn()?;
    let watched = Watched::begin()?;
    let stat = Command::new("perf")
        .args([
            "stat",
            "-a",
            "-x",
            ",",
            "-e",
            "damon:damon_aggregated",
            "sleep",
            "2",
        ])
        .output()?;
    wait(&mut damo)?;
    let text = String::from_utf8_lossy(&stat.stderr);
    let count = text.lines().find(|line| line.contains("damon_aggregated"));
    let count = count.and_then(|line| line.split(',').next()?.parse::<u64>().ok());
    ensure!(
        count.is_some_and(|count| count > 0),
        "perf beside damo counts nothing: {text}"
    );
    println!(
        "perf stat beside damo record: {} of {} events",
        count.unwrap_or(0),
        emitted(watched.tid)?
    );
    Ok(())
}

fn workload() -> Result<Child> {
    let child = Command::new("zigzag")
        .args(["--size", "100M", "--period", "2s", "--duration", "3600s"])
        .stdout(Stdio::null())
        .spawn()?;
    sleep(Duration::from_secs(1));
    Ok(child)
}

fn ours(seconds: u64) -> Result<Measured> {
    let file = "/tmp/ours.data";
    counted::start()?;
    let timeout = seconds.to_string();
    let mut child = Command::new("damo")
        .args([
            "record",
            "-o",
            file,
            "--timeout",
            &timeout,
            "-s",
            "5ms",
            "-a",
            "50ms",
        ])
        .args(["-n", "1000", "-m", "2000", "paddr"])
        .stdin(Stdio::null())
        .spawn()?;
    let watched = Watched::begin()?;
    let half = Duration::from_secs(seconds) / 2;
    sleep(half);
    let kdamond_cpu = watched.cpu_per_event()?;
    let peak_kib = peak_kib(&child)?;
    let record_s = wait(&mut child)?;
    let mut record_file = damo_user::import::open(file.as_ref())?;
    let kdamond = record_file
        .meta()
        .kdamond
        .context("no kdamond in the record")?;
    let mut losses = Losses::default();
    for item in record_file.items()? {
        losses.add(&item?);
    }
    Ok(Measured {
        record_s,
        convert_s: 0.0,
        peak_kib,
        emitted: emitted(kdamond)?,
        stored: losses.stored,
        lost: losses.samples(),
        bytes: fs::metadata(file)?.len(),
        kdamond_cpu,
    })
}

fn perf(seconds: u64) -> Result<Measured> {
    let (file, text) = ("/tmp/perf.data", "/tmp/perf.txt");
    counted::start()?;
    damon_on()?;
    let kdamond: u32 = fs::read_to_string(format!("{KDAMOND}/pid"))?
        .trim()
        .parse()?;
    let mut record = Command::new("perf")
        .args([
            "record",
            "-a",
            "-q",
            "-e",
            "damon:damon_aggregated",
            "-o",
            file,
        ])
        .args(["sleep", &seconds.to_string()])
        .stderr(File::create("/tmp/perf.err")?)
        .spawn()
        .context("perf")?;
    let watched = Watched::begin()?;
    sleep(Duration::from_secs(seconds) / 2);
    let kdamond_cpu = watched.cpu_per_event()?;
    let peak_kib = peak_kib(&record)?;
    let record_s = wait(&mut record)?;
    fs::write(format!("{KDAMOND}/state"), "off")?;
    let mut script = Command::new("perf")
        .args(["script", "-i", file])
        .stdout(File::create(text)?)
        .stderr(Stdio::null())
        .spawn()?;
    let convert_s = wait(&mut script)?;
    let lines = BufReader::new(File::open(text)?).lines();
    let stored = lines
        .filter(|l| l.as_ref().is_ok_and(|l| l.contains("damon_aggregated")))
        .count() as u64;
    ensure!(
        stored > 0,
        "perf recorded nothing: {}",
        fs::read_to_string("/tmp/perf.err")?
    );
    fs::write("/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds", "0")?;
    let emitted = emitted(kdamond)?;
    Ok(Measured {
        record_s,
        convert_s,
        peak_kib,
        emitted,
        stored,
        // It tells of none; what was emitted before it attached is not there either.
        lost: emitted.saturating_sub(stored),
        bytes: fs::metadata(file)?.len(),
        kdamond_cpu,
    })
}

/// The same parameters as ours, by hand.
fn damon_on() -> Result<()> {
    let set = |path: &str, value: &str| {
        let path = format!("/sys/kernel/mm/damon/admin/kdamonds/{path}");
        fs::write(&path, value).with_context(|| format!("{value} > {path}"))
    };
    set("nr_kdamonds", "1")?;
    set("0/contexts/nr_contexts", "1")?;
    set("0/contexts/0/operations", "paddr")?;
    set("0/contexts/0/monitoring_attrs/intervals/aggr_us", "50000")?;
    set("0/contexts/0/monitoring_attrs/nr_regions/max", "2000")?;
    set("0/contexts/0/monitoring_attrs/nr_regions/min", "1000")?;
    set("0/contexts/0/targets/nr_targets", "1")?;
    let ram = damo_user::sys::iomem::system_ram()?;
    set(
        "0/contexts/0/targets/0/regions/nr_regions",
        &ram.len().to_string(),
    )?;
    for (index, (start, end)) in ram.iter().enumerate() {
        set(
            &format!("0/contexts/0/targets/0/regions/{index}/start"),
            &start.to_string(),
        )?;
        set(
            &format!("0/contexts/0/targets/0/regions/{index}/end"),
            &end.to_string(),
        )?;
    }
    set("0/state", "on")
}

impl Measured {
    /// Seconds of CPU until the record can be read.
    fn cpu(&self) -> f64 {
        self.record_s + self.convert_s
    }

    fn print(&self, name: &str) {
        println!(
            "{name:22} {:7.3} {:10.2} {:8} {:8} {:7} {:13.2} {:21.2} {:9}",
            self.record_s,
            self.convert_s,
            self.emitted,
            self.stored,
            self.lost,
            self.bytes as f64 / self.stored.max(1) as f64,
            self.kdamond_cpu * 1e6,
            self.peak_kib,
        );
    }
}

/// What the kernel counted of a thread.
fn emitted(tid: u32) -> Result<u64> {
    let counted = counted::by_thread()?;
    counted
        .get(&tid)
        .copied()
        .with_context(|| format!("no events of thread {tid}"))
}

/// The kdamond's own CPU time per event, which includes what a recorder makes
/// it do.
struct Watched {
    tid: u32,
    cpu_s: f64,
    events: u64,
}

impl Watched {
    fn begin() -> Result<Watched> {
        // Wherever it is started, it is the first kdamond of the sysfs tree.
        let mut tid = None;
        for _ in 0..300 {
            let text = fs::read_to_string(format!("{KDAMOND}/pid")).unwrap_or_default();
            tid = text.trim().parse().ok();
            if tid.is_some() {
                break;
            }
            sleep(Duration::from_millis(10));
        }
        let tid = tid.context("DAMON does not start")?;
        sleep(Duration::from_secs(1));
        Ok(Watched {
            tid,
            cpu_s: cpu_of_thread(tid)?,
            events: emitted(tid)?,
        })
    }

    fn cpu_per_event(&self) -> Result<f64> {
        let events = emitted(self.tid)? - self.events;
        Ok((cpu_of_thread(self.tid)? - self.cpu_s) / events.max(1) as f64)
    }
}
