//! What a process used, from its own accounts.

use std::io;
use std::process::Child;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// What a process and all its children that ended used.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// User and system time, in seconds.
    pub cpu_s: f64,
    /// Largest resident memory of this and every child before it, in KiB.
    pub peak_kib: i64,
}

/// Waits for a child to end well and says what it used. Exact only if no other
/// child of this process ends meanwhile.
///
/// # Errors
/// The child failed.
pub fn wait(child: &mut Child) -> Result<Usage> {
    let before = of_children()?;
    let status = child.wait()?;
    ensure!(status.success(), "a measured command failed: {status}");
    let after = of_children()?;
    Ok(Usage {
        cpu_s: after.cpu_s - before.cpu_s,
        peak_kib: after.peak_kib,
    })
}

fn of_children() -> io::Result<Usage> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let us = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Usage {
        cpu_s: us as f64 / 1e6,
        peak_kib: usage.max_rss(),
    })
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
