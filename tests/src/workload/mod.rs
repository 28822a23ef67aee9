//! Programs whose memory accesses are known: a [`Plan`] says which areas are
//! used in which phase, a [`run`] does so and logs what it really did.

mod areas;
mod log;
mod options;

use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::time::{ClockId, clock_gettime};

pub use areas::{Areas, FlushTlb};
pub use log::{Area, Layout, Log, Phase, Touched};
pub use options::{Options, parse_size, parse_time};

/// Pages touched between two looks at the clock.
const BATCH: usize = 64;

/// How often the TLB is flushed if asked for.
const FLUSH_EVERY: Duration = Duration::from_millis(5);

/// How often signals are looked for.
const SIGNALS_EVERY: Duration = Duration::from_millis(50);

/// Which areas a workload has and uses.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// How many areas there are, all of one size.
    pub areas: usize,
    /// The area used in each phase; then all over again.
    pub phases: Vec<usize>,
}

impl Plan {
    /// Two areas in turn.
    pub fn zigzag() -> Self {
        Self::stairs(2)
    }

    /// Several areas, one after another.
    pub fn stairs(areas: usize) -> Self {
        Self {
            areas,
            phases: (0..areas).collect(),
        }
    }

    /// A hot area, and a cold one that is only touched at the start.
    pub fn hot_cold() -> Self {
        Self {
            areas: 2,
            phases: vec![0],
        }
    }
}

/// Works until the options' duration is over or SIGTERM or SIGINT comes, which
/// is a normal end.
///
/// # Errors
/// The memory is not there, or the log cannot be written.
pub fn run(plan: &Plan, options: &Options) -> Result<()> {
    let signals = stop_signals()?;
    let mut areas = Areas::map(plan.areas, options.size, options.huge)?;
    let mut log = Log::open(options.log.as_deref())?;
    log.write(&Layout {
        areas: areas.ranges(),
    })?;
    if !options.no_prefault {
        for area in 0..plan.areas {
            areas.touch(area, 0, usize::MAX);
        }
    }
    let mut flush = if options.flush_tlb {
        Some(FlushTlb::new()?)
    } else {
        None
    };

    let start = now();
    let end = start.saturating_add(options.duration);
    let (mut next_flush, mut next_look) = (start, start);
    let mut phase_start = start;
    // Phases are counted from the start, so that they do not drift.
    for (number, &area) in (1..).zip(plan.phases.iter().cycle()) {
        let phase_end = start.saturating_add(options.period * number).min(end);
        let mut touched = Touched::default();
        let mut stop = false;
        let mut time = now();
        while time < phase_end && !stop {
            touched.add(areas.touch(area, touched.next, BATCH), areas.pages());
            if let Some(flush) = flush.as_mut().filter(|_| time >= next_flush) {
                flush.flush()?;
                next_flush = time.saturating_add(FLUSH_EVERY);
            }
            if time >= next_look {
                stop = signals.read_signal().context("signals")?.is_some();
                next_look = time.saturating_add(SIGNALS_EVERY);
            }
            time = now();
        }
        let range = areas.ranges().swap_remove(area);
        log.write(&Phase::new(phase_start, time, range, touched.passes))?;
        phase_start = time;
        if stop || time >= end {
            break;
        }
    }
    Ok(())
}

/// CLOCK_MONOTONIC.
fn now() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::try_from(time).unwrap_or_default()
}

/// SIGTERM and SIGINT, to be read instead of ending the program.
fn stop_signals() -> Result<SignalFd> {
    let signals = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
    signals.thread_block().context("signals")?;
    SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .context("signals")
}
