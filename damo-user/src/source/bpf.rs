//! Loads the BPF program, attaches it and drains its ring buffer.

use std::os::fd::{AsFd, BorrowedFd};

use aya::maps::{Array, HashMap, MapData, RingBuf};
use aya::programs::TracePoint;
use aya::programs::trace_point::TracePointLinkId;
use aya::{Ebpf, EbpfLoader, Pod};
use aya_log::EbpfLogger;
use damo_ebpf::summary::MAX_SUMMARIES;
use damo_ebpf::told::EXEC;
use damo_ebpf::{Kdamond, Offsets, RingEvent, RingTold, mode};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::btf;
use super::layout::Layout;
use super::summaries::{Fields, Summaries};
use super::told::{Layouts, Told, Tracepoint};
use super::wire::Event;
use crate::sys::tracefs;

mod error;
mod maps;
mod options;

pub use error::SourceError;
pub use options::{Options, Wanted};

use maps::of_mode;
use options::{name_bytes, wanted};

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
