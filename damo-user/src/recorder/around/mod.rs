//! What is known around the samples: mappings, memory and CPU time of what is
//! watched, as notes of the record.
//!
//! # What it costs
//!
//! Everything goes through one buffer of 64 KiB. Of a process's mappings only
//! a checksum is kept; they are read once more when it changed, to be written.
//! A process with a few hundred mappings takes about 0.1 ms of CPU time, the
//! memory and CPU time of one about 0.02 ms. One with the kernel's 65,530
//! mappings takes so much longer (`cargo xtask bench around`), and is looked at
//! so much less often: see [`pace`].

mod pace;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{Known, Mapping, Note};
use crate::sys::clock;
use crate::sys::memory;
use crate::sys::proc_maps::{self, Mapped, Print};
use crate::sys::process::Stat;
use crate::sys::tell::tell;
use pace::{Pace, SLICE_NS};

/// What all reading goes through; the longest line of `maps` fits: a name of
/// 4096 bytes, each written as four.
const BUFFER: usize = 64 << 10;

/// What to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The processes' mappings, when they have changed.
    pub mappings: bool,
    /// The memory of the processes and of the machine.
    pub footprint: bool,
    /// The CPU time of the processes and of the kdamonds.
    pub cpu_time: bool,
}

/// Looks around, at most once a second.
pub struct Around {
    choice: Choice,
    proc: PathBuf,
    page: u64,
    /// What it costs is told by this clock, in nanoseconds.
    clock: Box<dyn Fn() -> u64 + Send>,
    buffer: Vec<u8>,
    gate: Pace,
    footprints: Pace,
    /// By process id.
    seen: BTreeMap<u32, Seen>,
    /// Ascending, each once.
    pids: Vec<u32>,
    /// The process whose mappings were looked at last, if others had to wait.
    cursor: Option<u32>,
    told: bool,
}

/// What is remembered of a process's mappings.
#[derive(Default)]
struct Seen {
    /// Of what was written last.
    print: Option<Print>,
    pace: Pace,
}

impl Around {
    /// Nothing is read before [`Around::look`].
    pub fn new(choice: Choice) -> Around {
        Around::at(Path::new("/proc"), choice, Box::new(clock::thread_cpu_ns))
    }

    /// With procfs at `proc`, and a clock for what it costs.
    fn at(proc: &Path, choice: Choice, clock: Box<dyn Fn() -> u64 + Send>) -> Around {
        Around {
            choice,
            proc: proc.to_owned(),
            page: rustix::param::page_size() as u64,
            clock,
            buffer: vec![0; BUFFER],
            gate: Pace::default(),
            footprints: Pace::default(),
            seen: BTreeMap::new(),
            pids: Vec::new(),
            cursor: None,
            told: false,
        }
    }

    /// To be called as often as one likes with the time of the record's clock:
    /// reads something at most once a second, and less often what costs much.
    ///
    /// `pids` are the processes that are watched now, `kdamonds` the thread ids
    /// of DAMON's. What is gone, or cannot be read, has no note. All notes of
    /// one call have the time `now_ns`; a process's mappings come all or not at
    /// all, unless it ends meanwhile.
    pub fn look(&mut self, now_ns: u64, pids: &[u32], kdamonds: &[u32], out: &mut dyn FnMut(Note)) {
        if !self.gate.is_due(now_ns) {
            return;
        }
        self.gate.took(now_ns, 0, 1);
        self.pids.clear();
        self.pids.extend_from_slice(pids);
        self.pids.sort_unstable();
        self.pids.dedup();
        let mut out = |what| {
            out(Note {
                time_ns: now_ns,
                what,
            });
        };
        if self.footprints.is_due(now_ns) {
            let began = (self.clock)();
            self.footprints(&mut out);
            self.cpu_times(kdamonds, &mut out);
            let cost = (self.clock)().saturating_sub(began);
            self.footprints.took(now_ns, cost, 1);
        }
        if self.choice.mappings {
            self.mappings(now_ns, &mut out);
        }
    }

    /// To be called when a new segment of the record begins: the mappings are
    /// written once more, since the segments before may be removed.
    pub fn write_again(&mut self) {
        for seen in self.seen.values_mut() {
            *seen = Seen::default();
        }
    }

    fn footprints(&mut self, out: &mut dyn FnMut(Known)) {
        if !self.choice.footprint {
            return;
        }
        for &pid in &self.pids {
            let text = small(&self.proc, pid, "statm", &mut self.buffer);
            let memory = text.and_then(|text| memory::of_process(pid, &text, self.page));
            memory
                .map(Known::ProcessMemory)
                .into_iter()
                .for_each(&mut *out);
        }
        let text = read_small(&self.proc.join("meminfo"), &mut self.buffer);
        let memory = text.and_then(|text| memory::of_system(&text));
        memory.map(Known::SystemMemory).into_iter().for_each(out);
    }

    fn cpu_times(&mut self, kdamonds: &[u32], out: &mut dyn FnMut(Known)) {
        if !self.choice.cpu_time {
            return;
        }
        let processes = self.pids.iter().map(|&pid| (pid, false));
        for (pid, kdamond) in processes.chain(kdamonds.iter().map(|&tid| (tid, true))) {
            let text = small(&self.proc, pid, "stat", &mut self.buffer);
            let stat = text.and_then(|text| Stat::parse(&text));
            // The id of a kdamond that has ended may be another thread's by now.
            let stat = stat.filter(|stat| stat.is_kdamond() == kdamond);
            if let Some(stat) = stat {
                out(Known::CpuTime(stat.cpu_time(pid)));
            }
        }
    }

    /// Begins after the process that it came to last time, so that each has its
    /// turn although none begins when the time is up.
    fn mappings(&mut self, now_ns: u64, out: &mut dyn FnMut(Known)) {
        let pids = std::mem::take(&mut self.pids);
        self.seen.retain(|pid, _| pids.binary_search(pid).is_ok());
        let first = pids.partition_point(|&pid| self.cursor.is_some_and(|last| pid <= last));
        let (before, after) = pids.split_at(first);
        self.cursor = None;
        let began = (self.clock)();
        for &pid in after.iter().chain(before) {
            let mut seen = self.seen.remove(&pid).unwrap_or_default();
            if seen.pace.is_due(now_ns) {
                let start = (self.clock)();
                if let Err(error) = self.mappings_of(pid, &mut seen.print, out)
                    && let Some(refused) = self.refused(pid, &error)
                {
                    tell(format_args!("damo: {refused}"));
                }
                let end = (self.clock)();
                seen.pace
                    .took(now_ns, end.saturating_sub(start), pids.len() as u64);
                if end.saturating_sub(began) > SLICE_NS {
                    self.cursor = Some(pid);
                }
            }
            self.seen.insert(pid, seen);
            if self.cursor.is_some() {
                break;
            }
        }
        self.pids = pids;
    }

    fn mappings_of(
        &mut self,
        pid: u32,
        last: &mut Option<Print>,
        out: &mut dyn FnMut(Known),
    ) -> io::Result<()> {
        let mut maps = File::open(self.proc.join(pid.to_string()).join("maps"))?;
        if let Some(last) = *last {
            if proc_maps::print(&mut maps, &mut self.buffer)? == last {
                return Ok(());
            }
            maps.rewind()?;
        }
        // Neighbours often have one name.
        let mut name: Arc<str> = Arc::default();
        *last = None;
        let print = proc_maps::lines(&mut maps, &mut self.buffer, |line| {
            let Some(mapped) = Mapped::parse(line) else {
                return;
            };
            if mapped.name != name.as_bytes() {
                name = String::from_utf8_lossy(mapped.name).into();
            }
            out(Known::Mapping(Mapping {
                pid,
                start: mapped.start,
                end: mapped.end,
                permissions: mapped.permissions,
                offset: mapped.offset,
                name: Arc::clone(&name),
            }));
        })?;
        *last = Some(print);
        Ok(())
    }

    /// What to say about an error, if it is worth saying: a process that is
    /// gone is not, and one refusal is enough.
    fn refused(&mut self, pid: u32, error: &io::Error) -> Option<String> {
        let is_new = error.kind() == ErrorKind::PermissionDenied && !self.told;
        self.told |= is_new;
        is_new.then(|| {
            format!(
                "may not read the mappings of process {pid}: {error}; they, and others' like them, are not in the record (CAP_SYS_PTRACE shows them)"
            )
        })
    }
}

/// A file of process `pid`, if it is there.
fn small(proc: &Path, pid: u32, name: &str, buffer: &mut [u8]) -> Option<String> {
    read_small(&proc.join(pid.to_string()).join(name), buffer)
}

/// As much of a file as `buffer` holds; names in it may be any bytes.
fn read_small(path: &Path, buffer: &mut [u8]) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let mut filled = 0;
    loop {
        match file.read(buffer.get_mut(filled..)?) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    Some(String::from_utf8_lossy(buffer.get(..filled)?).into_owned())
}

#[cfg(test)]
mod tests;
