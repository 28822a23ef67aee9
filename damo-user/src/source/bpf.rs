//! Loads the BPF program, attaches it and drains its ring buffer.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use aya::maps::{Array, HashMap, MapData, MapError, RingBuf};
use aya::programs::trace_point::TracePointLinkId;
use aya::programs::{ProgramError, TracePoint};
use aya::{Ebpf, EbpfError, EbpfLoader, Pod};
use aya_log::EbpfLogger;
use damo_ebpf::summary::MAX_SUMMARIES;
use damo_ebpf::told::EXEC;
use damo_ebpf::{Kdamond, NAME_BYTES, Offsets, RingEvent, RingTold, mode};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::btf;
use super::layout::{Layout, LayoutError};
use super::summaries::{Fields, Summaries};
use super::told::{self, Layouts, Told, Tracepoint};
use super::wire::Event;
use crate::sys::tracefs::{self, TracefsError};

/// What is wanted beside the regions, where the kernel tells it.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Each region that a scheme is about to be applied to.
    pub applied: bool,
    /// Processes that followed ones begin, and their ends; see [`Tap::follow`].
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
    /// [`Tap::summaries`].
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
    /// Nothing tells where the kernel keeps DAMON's intervals.
    #[error(
        "--summary needs the kernel's own description of DAMON's structures (/sys/kernel/btf/vmlinux, of Linux 6.1 or later with CONFIG_DEBUG_INFO_BTF), which is not there or not known: record without --summary"
    )]
    NoBtf,
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

/// [`Offsets`] as the program's setting.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Places(Offsets);

// SAFETY: Offsets is `repr(C)` and has only fields of 4 bytes.
unsafe impl Pod for Places {}

/// Something that came through the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A region.
    Event(Event),
    /// What else the kernel told.
    Told(Told),
}

/// The attached programs and their maps. Dropping it detaches.
pub struct Tap {
    // Fields drop in order: the links go with `ebpf`, last.
    events: RingBuf<MapData>,
    kdamonds: HashMap<MapData, u32, Counters>,
    learn: Array<MapData, u32>,
    followed: HashMap<MapData, u32, u8>,
    untold: Array<MapData, u64>,
    summaries: Summaries,
    links: Vec<(&'static str, TracePointLinkId)>,
    logger: Option<EbpfLogger<&'static dyn log::Log>>,
    layout: Layout,
    layouts: Layouts,
    format: String,
    lacking: Vec<&'static str>,
    ebpf: Ebpf,
}

impl Tap {
    /// Loads and attaches the program. It lets through what did not run
    /// before: every kdamond but those in `running` (thread ids). Call
    /// [`Tap::only`] as soon as ours are known.
    ///
    /// # Errors
    /// No tracepoint, no rights, or a kernel that refuses the program. What is
    /// only wanted may be lacking: see [`Tap::lacks`].
    pub fn attach(running: &[u32], options: &Options) -> Result<Tap, SourceError> {
        let format = read_format("damon", AGGREGATED)?.ok_or(SourceError::NoTracepoint)?;
        let layout = Layout::parse(&format)?;
        let quarter = u64::from(options.ring_bytes / 4);
        let offsets = btf::offsets();
        if options.summary && offsets.is_none() {
            return Err(SourceError::NoBtf);
        }
        let places = Places(offsets.unwrap_or_default());
        let (program, summaries, fields) = match options.summary {
            true => ("damon_summarized", MAX_SUMMARIES, Fields::of(&layout)?),
            false => (AGGREGATED, 1, Fields::default()),
        };
        let name = name_bytes(options.wanted.name.as_deref());
        let mut ebpf = loader_without_btf()
            .map_max_entries("EVENTS", options.ring_bytes)
            .override_global("QUARTER", &quarter, true)
            .override_global("DEBUG", &u8::from(options.debug), true)
            .override_global("OFFSETS", &places, true)
            .override_global("NAME", &name, true)
            .override_global("PLACES", &fields, true)
            .map_max_entries("SUMMARIES", summaries)
            .load(damo_ebpf::OBJECT)?;
        let events = RingBuf::try_from(take(&mut ebpf, "EVENTS")?)?;
        let logger = match options.debug {
            true => Some(EbpfLogger::init(&mut ebpf)?),
            false => None,
        };
        let mut tap = Tap {
            events,
            kdamonds: HashMap::try_from(take(&mut ebpf, "KDAMONDS")?)?,
            learn: Array::try_from(take(&mut ebpf, "LEARN")?)?,
            followed: HashMap::try_from(take(&mut ebpf, "FOLLOWED")?)?,
            untold: Array::try_from(take(&mut ebpf, "UNTOLD")?)?,
            summaries: Summaries::new(take(&mut ebpf, "SUMMARIES")?)?,
            links: Vec::new(),
            logger,
            layout,
            layouts: Layouts::default(),
            format,
            lacking: Vec::new(),
            ebpf,
        };
        for tid in running {
            tap.kdamonds.insert(tid, of_mode(mode::IGNORE), 0)?;
        }
        tap.learn(true)?;
        for tracepoint in wanted(&options.wanted) {
            tap.attach_wanted(&tracepoint)?;
        }
        // Last, so that nothing is told of a kdamond's regions before the rest.
        tap.attach_program(program, "damon", AGGREGATED)?;
        Ok(tap)
    }

    /// Attaches what can be done without.
    fn attach_wanted(&mut self, tracepoint: &Tracepoint) -> Result<(), SourceError> {
        let format = read_format(tracepoint.group, tracepoint.name)?;
        let fields = format.and_then(|format| tracepoint.fields(&format).ok());
        let Some(fields) = fields else {
            self.lacking.push(tracepoint.name);
            return Ok(());
        };
        self.layouts.set(tracepoint, fields);
        let attached = self.attach_program(tracepoint.program, tracepoint.group, tracepoint.name);
        match attached {
            // Who has a name can be found otherwise, too.
            Err(error) if tracepoint.kind == EXEC => {
                log::info!("{}: {error}", tracepoint.name);
                self.lacking.push(tracepoint.name);
                Ok(())
            }
            attached => attached,
        }
    }

    fn attach_program(
        &mut self,
        program: &'static str,
        group: &str,
        name: &str,
    ) -> Result<(), SourceError> {
        let loaded: &mut TracePoint = self
            .ebpf
            .program_mut(program)
            .ok_or(SourceError::Object(program))?
            .try_into()?;
        loaded.load()?;
        self.links.push((program, loaded.attach(group, name)?));
        Ok(())
    }

    /// Tracepoints that would tell what is wanted, and that this kernel lacks
    /// or describes in a way that is not known.
    pub fn lacks(&self) -> &[&'static str] {
        &self.lacking
    }

    /// Whether kdamonds that are not known are let through, too.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn learn(&mut self, whether: bool) -> Result<(), SourceError> {
        Ok(self.learn.set(0, u32::from(whether), 0)?)
    }

    /// Lets a kdamond through from now on, or goes on doing so.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn record(&mut self, tid: u32) -> Result<(), SourceError> {
        // Never over an entry that has begun to count: the program writes that one.
        match self
            .kdamonds
            .insert(tid, of_mode(mode::RECORD), BPF_NOEXIST)
        {
            Ok(()) => Ok(()),
            Err(error) => match self.kdamonds.get(&tid, 0) {
                Ok(counters) if counters.0.mode == mode::RECORD => Ok(()),
                Ok(_) => Ok(self.kdamonds.insert(tid, of_mode(mode::RECORD), 0)?),
                Err(_) => Err(error.into()),
            },
        }
    }

    /// Lets a kdamond through no more, and forgets its counters. Its thread is
    /// to be gone, or to be one that was never recorded.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn forget(&mut self, tid: u32) -> Result<(), SourceError> {
        match self.kdamonds.remove(&tid) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Forgets all kdamonds but these: there is room for 256 only.
    ///
    /// # Errors
    /// The map cannot be read or written.
    pub fn forget_all_but(&mut self, tids: &[u32]) -> Result<(), SourceError> {
        let known: Vec<u32> = self.kdamonds.keys().collect::<Result<_, _>>()?;
        let mut others = known.into_iter().filter(|tid| !tids.contains(tid));
        others.try_for_each(|tid| self.forget(tid))
    }

    /// From now on, does not let a kdamond through, whose thread lives on.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn ignore(&mut self, tid: u32) -> Result<(), SourceError> {
        Ok(self.kdamonds.insert(tid, of_mode(mode::IGNORE), 0)?)
    }

    /// From now on, lets through these kdamonds alone.
    ///
    /// # Errors
    /// The maps cannot be written.
    pub fn only(&mut self, tids: &[u32]) -> Result<(), SourceError> {
        // First of all, so that none of their events falls between.
        for tid in tids {
            self.record(*tid)?;
        }
        self.learn(false)?;
        for tid in self.known()? {
            if !tids.contains(&tid) {
                self.ignore(tid)?;
            }
        }
        Ok(())
    }

    /// Kdamonds that are let through.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn known(&self) -> Result<Vec<u32>, SourceError> {
        let all: Vec<(u32, Counters)> = self.kdamonds.iter().collect::<Result<_, _>>()?;
        let recorded = all.iter().filter(|(_, it)| it.0.mode == mode::RECORD);
        Ok(recorded.map(|(tid, _)| *tid).collect())
    }

    /// Tells of processes that this one begins.
    ///
    /// # Errors
    /// The map is full, or cannot be written.
    pub fn follow(&mut self, pid: u32) -> Result<(), SourceError> {
        Ok(self.followed.insert(pid, 1, 0)?)
    }

    /// Tells of them no more.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn unfollow(&mut self, pid: u32) -> Result<(), SourceError> {
        match self.followed.remove(&pid) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Tells of these, and no others.
    ///
    /// # Errors
    /// As for [`Tap::follow`].
    pub fn follow_only(&mut self, pids: &BTreeSet<u32>) -> Result<(), SourceError> {
        let known: Vec<u32> = self.followed.keys().collect::<Result<_, _>>()?;
        for pid in known.iter().filter(|pid| !pids.contains(pid)) {
            self.unfollow(*pid)?;
        }
        pids.iter().try_for_each(|pid| self.follow(*pid))
    }

    /// How many forks and execs could not be told of, or follow, so far.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn untold(&self) -> Result<u64, SourceError> {
        Ok(self.untold.get(&0, 0)?)
    }

    /// What the program counts instead of passing it on, if that is wanted.
    pub fn summaries(&mut self) -> &mut Summaries {
        &mut self.summaries
    }

    /// Gives `each` everything in the ring; returns how many there were.
    pub fn drain(&mut self, mut each: impl FnMut(&Arrival)) -> usize {
        let mut drained = 0;
        while let Some(item) = self.events.next() {
            let arrival = match item.len() {
                REGION => Event::decode(&self.layout, &item).map(Arrival::Event),
                TOLD => Told::decode(&self.layouts, &item).map(Arrival::Told),
                _ => None,
            };
            if let Some(arrival) = arrival {
                each(&arrival);
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

    /// Detaches the programs; what is in the ring can still be drained.
    ///
    /// # Errors
    /// The programs are not those that were attached.
    pub fn detach(&mut self) -> Result<(), SourceError> {
        for (program, link) in std::mem::take(&mut self.links) {
            let program: &mut TracePoint = self
                .ebpf
                .program_mut(program)
                .ok_or(SourceError::Object(program))?
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

/// The two sizes of what lies in the ring.
const REGION: usize = size_of::<RingEvent>();
const TOLD: usize = size_of::<RingTold>();

/// The tracepoint of regions, and the program on it that passes them on.
const AGGREGATED: &str = "damon_aggregated";

fn of_mode(mode: u32) -> Counters {
    Counters(Kdamond {
        mode,
        ..Kdamond::default()
    })
}

/// The tracepoints that tell what is wanted.
fn wanted(wanted: &Wanted) -> Vec<Tracepoint> {
    let mut tracepoints = told::OF_DAMON.to_vec();
    tracepoints.extend(wanted.applied.then_some(told::OF_REGIONS));
    if wanted.processes {
        tracepoints.extend(told::OF_PROCESSES);
    }
    tracepoints.extend(wanted.name.is_some().then_some(told::OF_EXECS));
    tracepoints
}

/// A name as the kernel keeps it: cut off, with a zero at its end.
fn name_bytes(name: Option<&str>) -> [u8; NAME_BYTES] {
    let mut bytes = [0; NAME_BYTES];
    let name = name.unwrap_or_default().bytes();
    for (place, byte) in bytes.iter_mut().zip(name.take(NAME_BYTES - 1)) {
        *place = byte;
    }
    bytes
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

/// A tracepoint's description; `None` if there is no such tracepoint.
fn read_format(group: &str, name: &str) -> Result<Option<String>, SourceError> {
    let path = tracefs::find_or_mount()?.join(format!("events/{group}/{name}/format"));
    match std::fs::read_to_string(&path) {
        Ok(format) => Ok(Some(format)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SourceError::Format { path, source }),
    }
}
