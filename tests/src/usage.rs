//! What a process used, from its own accounts.

use std::io;
use std::process::Child;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Waits for a child to end well and says what CPU time it and its own
/// children used, in seconds. Exact only if no other child of this process
/// ends meanwhile.
///
/// # Errors
/// The child failed.
pub fn wait(child: &mut Child) -> Result<f64> {
    let before = cpu_of_children()?;
    let status = child.wait()?;
    ensure!(status.success(), "a measured command failed: {status}");
    Ok(cpu_of_children()? - before)
}

fn cpu_of_children() -> io::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let us = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(us as f64 / 1e6)
}

/// The most memory that a process had resident so far, in KiB.
///
/// # Errors
/// The process is gone.
pub fn peak_kib(child: &Child) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let digits = peak.and_then(|peak| peak.split_whitespace().next());
    Ok(digits.context("no VmHWM")?.parse()?)
}

/// CPU time of a thread, in seconds, from the scheduler's own count.
///
/// # Errors
/// The thread is gone, or the kernel keeps no such count.
pub fn cpu_of_thread(tid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{tid}/schedstat"))?;
    let ns: f64 = text
        .split_whitespace()
        .next()
        .context("schedstat is empty")?
        .parse()?;
    Ok(ns / 1e9)
}
