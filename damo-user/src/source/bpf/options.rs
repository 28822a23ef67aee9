//! What is wanted of the kernel.

use damo_ebpf::NAME_BYTES;

use crate::source::told::{self, Tracepoint};

/// What is wanted beside the regions, where the kernel tells it.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Each region that a scheme is about to be applied to.
    pub applied: bool,
    /// Processes that followed ones begin, and their ends; see [`Tap::follow`](super::Tap::follow).
    pub processes: bool,
    /// Processes that begin a program of this name (`comm`).
    pub name: Option<String>,
}

/// How to tap the tracepoints.
#[derive(Clone, Debug)]
pub struct Options {
    /// Size of the ring buffer in bytes: a power of two, at least a page.
    pub ring_bytes: u32,
    /// What else is wanted.
    pub wanted: Wanted,
    /// Regions are counted in the kernel, and not passed on: see
    /// [`Tap::summaries`](super::Tap::summaries).
    pub summary: bool,
    /// Log each snapshot from within the kernel through `log`.
    pub debug: bool,
}

impl Default for Options {
    /// 4 MiB hold 58,000 events: six seconds at 1000 regions and 100 ms.
    fn default() -> Options {
        Options {
            ring_bytes: 4 << 20,
            wanted: Wanted::default(),
            summary: false,
            debug: false,
        }
    }
}

/// The tracepoints that tell what is wanted.
pub(super) fn wanted(wanted: &Wanted) -> Vec<Tracepoint> {
    let mut tracepoints = told::OF_DAMON.to_vec();
    tracepoints.extend(wanted.applied.then_some(told::OF_REGIONS));
    if wanted.processes {
        tracepoints.extend(told::OF_PROCESSES);
    }
    tracepoints.extend(wanted.name.is_some().then_some(told::OF_EXECS));
    tracepoints
}

/// A name as the kernel keeps it: cut off, with a zero at its end.
pub(super) fn name_bytes(name: Option<&str>) -> [u8; NAME_BYTES] {
    let mut bytes = [0; NAME_BYTES];
    let name = name.unwrap_or_default().bytes();
    for (place, byte) in bytes.iter_mut().zip(name.take(NAME_BYTES - 1)) {
        *place = byte;
    }
    bytes
}
