//! What kdamonds use of the processors.

use std::fmt;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Results;
use crate::control::params::{form, text};
use crate::control::sysfs::Tree;
use crate::model::units::format_time;
use crate::sys::process::Stat;

/// What a thread used of the processors since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CpuUsage {
    /// Time on a processor, milliseconds.
    #[serde(deserialize_with = "form::ms")]
    pub cpu_time_ms: u64,
    /// Time since it started, milliseconds.
    #[serde(deserialize_with = "form::ms")]
    pub running_ms: u64,
}

/// Reads it of every kdamond that is on; one that has ended has none.
pub fn read_cpu_usage(results: &mut Results, proc: &Tree) {
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    for kdamond in &mut results.kdamonds {
        kdamond.cpu_usage = kdamond
            .pid
            .and_then(|tid| usage(proc, tid, ticks_per_second));
    }
}

fn usage(proc: &Tree, tid: u32, ticks_per_second: u64) -> Option<CpuUsage> {
    let stat = Stat::parse(&proc.read(format!("{tid}/stat")).ok()?)?;
    let ms = |ticks: u64| ticks.saturating_mul(1_000) / ticks_per_second.max(1);
    // Seconds since boot, with two decimals.
    let uptime = proc.read("uptime").ok()?;
    let (seconds, hundredths) = uptime.split_whitespace().next()?.split_once('.')?;
    let seconds: u64 = seconds.parse().ok()?;
    let hundredths: u64 = hundredths.get(..2)?.parse().ok()?;
    let now = seconds.checked_mul(1_000)?.checked_add(hundredths * 10)?;
    Some(CpuUsage {
        cpu_time_ms: ms(stat.cpu_ticks()),
        running_ms: now.saturating_sub(ms(stat.start_ticks)),
    })
}

impl CpuUsage {
    /// Share of one processor, in hundredths of a percent.
    pub fn share_bp(&self) -> u64 {
        let share = u128::from(self.cpu_time_ms) * 10_000 / u128::from(self.running_ms.max(1));
        u64::try_from(share).unwrap_or(u64::MAX)
    }

    pub(super) fn to_json(self, raw: bool) -> Value {
        let ms = |ms: u64| match raw {
            true => json!(ms),
            false => json!(text::of_ms(ms)),
        };
        json!({ "cpu_time_ms": ms(self.cpu_time_ms), "running_ms": ms(self.running_ms) })
    }
}

impl fmt::Display for CpuUsage {
    /// `1.5 % (150 ms in 10 s)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |ms: u64| format_time(ms.saturating_mul(1_000_000));
        let (used, running) = (time(self.cpu_time_ms), time(self.running_ms));
        let share = text::of_bp(self.share_bp());
        write!(f, "{share} ({used} in {running})")
    }
}
