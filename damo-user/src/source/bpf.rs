//! Loads the BPF program, attaches it and drains its ring buffer.

use std::collections::HashMap as StdHashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use aya::maps::{Array, HashMap, MapData, MapError, RingBuf};
use aya::programs::trace_point::TracePointLinkId;
use aya::programs::{ProgramError, TracePoint};
use aya::{Ebpf, EbpfError, EbpfLoader, Pod};
use aya_log::EbpfLogger;
use damo_ebpf::{Kdamond, mode};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::layout::{Layout, LayoutError};
use super::wire::Event;
use crate::sys::tracefs::{self, TracefsError};

/// How to tap the tracepoint.
#[derive(Clone, Debug)]
pub struct Options {
    /// Size of the ring buffer in bytes: a power of two, at least a page.
    pub ring_bytes: u32,
    /// Log each snapshot from within the kernel through `log`.
    pub debug: bool,
}

impl Default for Options {
    /// 4 MiB hold 58,000 events: six seconds at 1000 regions and 100 ms.
    fn default() -> Options {
        Options {
            ring_bytes: 4 << 20,
            debug: false,
        }
    }
}

/// Why live samples cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// tracefs is nowhere.
    #[error(transparent)]
    Tracefs(#[from] TracefsError),
    /// The kernel has no such tracepoint.
    #[error(
        "this kernel has no tracepoint damon:damon_aggregated: use one built with CONFIG_DAMON and CONFIG_FTRACE"
    )]
    NoTracepoint,
    /// The tracepoint's description cannot be read.
    #[error("{}: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The tracepoint has a layout that cannot be decoded.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The program could not be loaded.
    #[error(
        "cannot load the BPF program: {0}; loading needs root (or CAP_BPF and CAP_PERFMON) and a kernel with CONFIG_BPF_SYSCALL"
    )]
    Load(#[from] EbpfError),
    /// The program could not be verified or attached.
    #[error("cannot attach the BPF program: {0}")]
    Attach(#[from] ProgramError),
    /// A map could not be read or written.
    #[error("cannot reach the BPF program's maps: {0}")]
    Map(#[from] MapError),
    /// The object is not the one this binary was made with.
    #[error("the BPF object has no '{0}': rebuild it with `cargo xtask build-ebpf`")]
    Object(&'static str),
    /// The logger of `--debug-bpf` could not be started.
    #[error("cannot read the BPF program's log: {0}")]
    Log(#[from] aya_log::Error),
}

/// [`Kdamond`] as user space's copy of the map's value.
#[repr(transparent)]
#[derive(Clone, Copy, Default)]
pub struct Counters(pub Kdamond);

// SAFETY: Kdamond is `repr(C)`, has only integer fields and no padding, so any
// bytes are a valid value and all its bytes are initialised.
unsafe impl Pod for Counters {}

/// The attached program and its maps. Dropping it detaches.
pub struct Tap {
    // Fields drop in order: the link goes with `ebpf`, last.
    events: RingBuf<MapData>,
    kdamonds: HashMap<MapData, u32, Counters>,
    learn: Array<MapData, u32>,
    link: Option<TracePointLinkId>,
    logger: Option<EbpfLogger<&'static dyn log::Log>>,
    layout: Layout,
    format: String,
    ebpf: Ebpf,
}

impl Tap {
    /// Loads and attaches the program. It lets through what did not run
    /// before: every kdamond but those in `running` (thread ids). Call
    /// [`Tap::only`] as soon as ours is known.
    ///
    /// # Errors
    /// No tracepoint, no rights, or a kernel that refuses the program.
    pub fn attach(running: &[u32], options: &Options) -> Result<Tap, SourceError> {
        let format = read_format()?;
        let layout = Layout::parse(&format)?;
        let quarter = u64::from(options.ring_bytes / 4);
        let mut ebpf = loader_without_btf()
            .map_max_entries("EVENTS", options.ring_bytes)
            .override_global("QUARTER", &quarter, true)
            .override_global("DEBUG", &u8::from(options.debug), true)
            .load(damo_ebpf::OBJECT)?;
        let events = RingBuf::try_from(take(&mut ebpf, "EVENTS")?)?;
        let mut kdamonds: HashMap<_, u32, Counters> =
            HashMap::try_from(take(&mut ebpf, "KDAMONDS")?)?;
        let mut learn: Array<_, u32> = Array::try_from(take(&mut ebpf, "LEARN")?)?;
        let ignored = Counters(Kdamond {
            mode: mode::IGNORE,
            ..Kdamond::default()
        });
        for tid in running {
            kdamonds.insert(tid, ignored, 0)?;
        }
        learn.set(0, 1, 0)?;
        let logger = match options.debug {
            true => Some(EbpfLogger::init(&mut ebpf)?),
            false => None,
        };
        let program: &mut TracePoint = ebpf
            .program_mut("damon_aggregated")
            .ok_or(SourceError::Object("damon_aggregated"))?
            .try_into()?;
        program.load()?;
        let link = program.attach("damon", "damon_aggregated")?;
        Ok(Tap {
            events,
            kdamonds,
            learn,
            link: Some(link),
            logger,
            layout,
            format,
            ebpf,
        })
    }

    /// From now on, lets through this kdamond alone.
    ///
    /// # Errors
    /// The maps cannot be written.
    pub fn only(&mut self, tid: u32) -> Result<(), SourceError> {
        let fresh = Counters(Kdamond {
            mode: mode::RECORD,
            ..Kdamond::default()
        });
        // First of all, so that none of its events falls between; and never
        // over an entry that has begun to count: the program writes that one.
        match self.kdamonds.insert(tid, fresh, BPF_NOEXIST) {
            Ok(()) => {}
            Err(_) if self.kdamonds.get(&tid, 0).is_ok() => {}
            Err(error) => return Err(error.into()),
        }
        self.learn.set(0, 0, 0)?;
        let known: StdHashMap<u32, Counters> = self.kdamonds.iter().collect::<Result<_, _>>()?;
        for (other, mut counters) in known {
            if other != tid && counters.0.mode == mode::RECORD {
                counters.0.mode = mode::IGNORE;
                self.kdamonds.insert(other, counters, 0)?;
            }
        }
        Ok(())
    }

    /// Gives `each` every event in the ring; returns how many there were.
    pub fn drain(&mut self, mut each: impl FnMut(&Event)) -> usize {
        let mut drained = 0;
        while let Some(item) = self.events.next() {
            if let Some(event) = Event::decode(&self.layout, &item) {
                each(&event);
                drained += 1;
            }
        }
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
        drained
    }

    /// The program's counters for a kdamond: zeros if it never fired.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn counters(&self, tid: u32) -> Result<Kdamond, SourceError> {
        match self.kdamonds.get(&tid, 0) {
            Ok(counters) => Ok(counters.0),
            Err(MapError::KeyNotFound) => Ok(Kdamond::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Detaches the program; what is in the ring can still be drained.
    ///
    /// # Errors
    /// The program is not the one that was attached.
    pub fn detach(&mut self) -> Result<(), SourceError> {
        if let Some(link) = self.link.take() {
            let program: &mut TracePoint = self
                .ebpf
                .program_mut("damon_aggregated")
                .ok_or(SourceError::Object("damon_aggregated"))?
                .try_into()?;
            program.detach(link)?;
        }
        Ok(())
    }

    /// The tracepoint's `format` text, by which events are decoded.
    pub fn format(&self) -> &str {
        &self.format
    }
}

impl AsFd for Tap {
    /// Readable when the program has notified: drain then.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

/// Aya reads and parses the kernel's whole BTF when a loader is made: a third
/// of our start-up time and most of our memory, for relocations that our
/// object does not have. Without a descriptor to be had, it does without.
fn loader_without_btf<'a>() -> EbpfLoader<'a> {
    let usual = getrlimit(Resource::Nofile);
    let none = Rlimit {
        current: Some(0),
        ..usual
    };
    // Where the limit cannot be set, it only takes longer.
    let _ = setrlimit(Resource::Nofile, none);
    let loader = EbpfLoader::new();
    let _ = setrlimit(Resource::Nofile, usual);
    loader
}

/// The kernel's flag for "only if there is no such key".
const BPF_NOEXIST: u64 = 1;

fn take(ebpf: &mut Ebpf, name: &'static str) -> Result<aya::maps::Map, SourceError> {
    ebpf.take_map(name).ok_or(SourceError::Object(name))
}

fn read_format() -> Result<String, SourceError> {
    let path = tracefs::find_or_mount()?.join("events/damon/damon_aggregated/format");
    match std::fs::read_to_string(&path) {
        Ok(format) => Ok(format),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(SourceError::NoTracepoint)
        }
        Err(source) => Err(SourceError::Format { path, source }),
    }
}
