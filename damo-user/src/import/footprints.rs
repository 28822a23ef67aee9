//! damo 3's side file of a record, `FILE.mem_footprint`: memory of processes and
//! of the machine, as json.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer as _, SeqAccess, Visitor};

use crate::model::{Known, Note, ProcessMemory, ReadError, SystemMemory};

/// The page size that the peer takes for granted.
const PAGE: u64 = 4096;
/// How much of a file decides whether it is one.
const HEAD: u64 = 1024;

/// One look at everything.
#[derive(Deserialize)]
struct Look {
    /// Seconds since 1970.
    time: f64,
    footprints: Vec<One>,
}

/// A process, or without an id the machine.
#[derive(Deserialize)]
struct One {
    pid: Option<u32>,
    footprint: Counts,
}

/// Pages of a process, or KiB of the machine.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Counts {
    size: u64,
    resident: u64,
    shared: u64,
    total: u64,
    free: u64,
    available: Option<u64>,
    buffers: Option<u64>,
    cached: Option<u64>,
}

/// The side file that belongs to a record.
pub fn side_file(record: &Path) -> PathBuf {
    let mut name = record.as_os_str().to_owned();
    name.push(".mem_footprint");
    name.into()
}

/// Whether a file is such a side file, by its beginning.
pub fn is_side_file(path: &Path) -> bool {
    // Opening a pipe would wait for who writes to it, and take its first bytes.
    if !path.metadata().is_ok_and(|it| it.is_file()) {
        return false;
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    let key = b"\"footprints\"";
    read.is_ok()
        && head.trim_ascii_start().starts_with(b"[")
        && head.windows(key.len()).any(|part| part == key)
}

/// Gives everything in it to `take`, one look after the other.
///
/// # Errors
/// It cannot be read, or is no such file.
pub fn read_side_file(path: &Path, take: &mut dyn FnMut(&Note)) -> Result<(), ReadError> {
    let io = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let file = BufReader::new(File::open(path).map_err(io)?);
    let mut json = serde_json::Deserializer::from_reader(file);
    let read = json.deserialize_seq(Looks(take)).and_then(|()| json.end());
    read.map_err(|error| match error.is_io() {
        true => io(error.into()),
        false => ReadError::Malformed {
            path: path.to_owned(),
            offset: error.line() as u64,
            what: format!("(a line) {error}: not what damo 3 writes beside a record"),
        },
    })
}

struct Looks<'a>(&'a mut dyn FnMut(&Note));

impl<'de> Visitor<'de> for Looks<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of looks at memory")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut looks: A) -> Result<(), A::Error> {
        while let Some(look) = looks.next_element::<Look>()? {
            let time_ns = (look.time * 1e9) as u64;
            for one in look.footprints {
                let what = one.known();
                (self.0)(&Note { time_ns, what });
            }
        }
        Ok(())
    }
}

impl One {
    fn known(&self) -> Known {
        let it = &self.footprint;
        let pages = |count: u64| count.saturating_mul(PAGE);
        let kib = |count: u64| count.saturating_mul(1024);
        match self.pid {
            Some(pid) => Known::ProcessMemory(ProcessMemory {
                pid,
                virtual_bytes: pages(it.size),
                resident_bytes: pages(it.resident),
                shared_bytes: pages(it.shared),
            }),
            None => Known::SystemMemory(SystemMemory {
                total_bytes: kib(it.total),
                free_bytes: kib(it.free),
                available_bytes: kib(it.available.unwrap_or(0)),
                buffers_bytes: kib(it.buffers.unwrap_or(0)),
                cached_bytes: kib(it.cached.unwrap_or(0)),
                ..SystemMemory::default()
            }),
        }
    }
}
