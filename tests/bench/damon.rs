//! DAMON itself: switched on and off by hand, and what its thread uses.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use damo_tests::counted;
use damo_tests::usage::cpu_of_thread;

const KDAMONDS: &str = "/sys/kernel/mm/damon/admin/kdamonds";

/// Aggregation interval of every recording here.
pub const AGGREGATION_NS: u64 = 50_000_000;

/// What is recorded: all physical memory, in at least this many regions.
pub const PARAMETERS: [&str; 8] = ["-s", "5ms", "-a", "50ms", "-n", "1000", "-m", "2000"];

/// A shell's script that switches DAMON on for `seconds`: started by a recorder
/// that is ready, so that it misses nothing.
pub fn on_for(seconds: u64) -> String {
    format!("echo on >{KDAMONDS}/0/state && sleep {seconds} && echo off >{KDAMONDS}/0/state")
}

/// The same parameters as damo sets, by hand.
pub fn set_up() -> Result<()> {
    let set = |path: &str, value: &str| {
        let path = format!("{KDAMONDS}/{path}");
        fs::write(&path, value).with_context(|| format!("{value} > {path}"))
    };
    set("nr_kdamonds", "1")?;
    set("0/contexts/nr_contexts", "1")?;
    set("0/contexts/0/operations", "paddr")?;
    set(
        "0/contexts/0/monitoring_attrs/intervals/aggr_us",
        &(AGGREGATION_NS / 1000).to_string(),
    )?;
    set("0/contexts/0/monitoring_attrs/nr_regions/max", "2000")?;
    set("0/contexts/0/monitoring_attrs/nr_regions/min", "1000")?;
    set("0/contexts/0/targets/nr_targets", "1")?;
    let regions = "0/contexts/0/targets/0/regions";
    let ram = damo_user::sys::iomem::system_ram()?;
    set(&format!("{regions}/nr_regions"), &ram.len().to_string())?;
    for (index, (start, end)) in ram.iter().enumerate() {
        set(&format!("{regions}/{index}/start"), &start.to_string())?;
        set(&format!("{regions}/{index}/end"), &end.to_string())?;
    }
    Ok(())
}

/// As after boot.
pub fn clear() {
    let _ = fs::write(format!("{KDAMONDS}/0/state"), "off");
    let _ = fs::write(format!("{KDAMONDS}/nr_kdamonds"), "0");
}

/// What is there to see: two areas that are used in turn.
pub fn workload() -> Result<Child> {
    let child = Command::new("zigzag")
        .args(["--size", "100M", "--period", "2s", "--duration", "3600s"])
        .stdout(Stdio::null())
        .spawn()?;
    sleep(Duration::from_secs(1));
    Ok(child)
}

/// What the kernel counted of a thread.
pub fn emitted(tid: u32) -> Result<u64> {
    let counted = counted::by_thread()?;
    counted
        .get(&tid)
        .copied()
        .with_context(|| format!("no events of thread {tid}"))
}

/// The kdamond, wherever it is started: the first one of the sysfs tree.
///
/// # Errors
/// `alive` says that nobody will start it any more, or it takes minutes.
pub fn kdamond(mut alive: impl FnMut() -> Result<bool>) -> Result<u32> {
    for _ in 0..6000 {
        let text = fs::read_to_string(format!("{KDAMONDS}/0/pid")).unwrap_or_default();
        if let Ok(tid) = text.trim().parse() {
            return Ok(tid);
        }
        if !alive()? {
            break;
        }
        sleep(Duration::from_millis(10));
    }
    anyhow::bail!("DAMON does not start")
}

/// The kdamond's own CPU time per event, which includes what a recorder makes
/// it do.
pub struct Watched {
    tid: u32,
    cpu_s: f64,
    events: u64,
}

impl Watched {
    /// From now on.
    ///
    /// # Errors
    /// The thread is gone, or has no events yet.
    pub fn begin(tid: u32) -> Result<Watched> {
        Ok(Watched {
            tid,
            cpu_s: cpu_of_thread(tid)?,
            events: emitted(tid)?,
        })
    }

    /// Until now, in seconds.
    ///
    /// # Errors
    /// The thread is gone.
    pub fn cpu_per_event(&self) -> Result<f64> {
        let events = emitted(self.tid)? - self.events;
        Ok((cpu_of_thread(self.tid)? - self.cpu_s) / events.max(1) as f64)
    }
}
