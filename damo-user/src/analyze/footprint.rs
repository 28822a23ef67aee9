//! How much memory the processes and the machine had, as time went by.

use super::{Room, Series, SeriesSpec};
use crate::model::{Known, Note};

/// What is meant by memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FootprintMetric {
    /// All that the watched processes have mapped.
    Vsz,
    /// What they have in memory.
    Rss,
    /// What is not free of the machine's.
    SysUsed,
}

impl FootprintMetric {
    /// A word for it.
    pub fn name(self) -> &'static str {
        match self {
            FootprintMetric::Vsz => "vsz",
            FootprintMetric::Rss => "rss",
            FootprintMetric::SysUsed => "sys_used",
        }
    }
}

/// Folds notes into bytes at each moment that was looked at.
#[derive(Debug)]
pub struct Footprint {
    metric: FootprintMetric,
    room: Room,
    bytes: Series,
    /// Since when, and how much: processes of one time are added up.
    now: Option<(u64, u64)>,
}

impl Footprint {
    /// Nothing yet.
    pub fn new(metric: FootprintMetric, spec: SeriesSpec) -> Footprint {
        Footprint {
            metric,
            room: Room::default(),
            bytes: Series::new(spec),
            now: None,
        }
    }

    /// Takes a note in.
    pub fn add(&mut self, note: &Note) {
        let bytes = match (self.metric, &note.what) {
            (FootprintMetric::Vsz, Known::ProcessMemory(it)) => it.virtual_bytes,
            (FootprintMetric::Rss, Known::ProcessMemory(it)) => it.resident_bytes,
            (FootprintMetric::SysUsed, Known::SystemMemory(it)) => {
                it.total_bytes.saturating_sub(it.free_bytes)
            }
            _ => return,
        };
        match &mut self.now {
            Some((since_ns, sum)) if *since_ns == note.time_ns => *sum = sum.saturating_add(bytes),
            _ => {
                self.end(note.time_ns);
                self.now = Some((note.time_ns, bytes));
            }
        }
    }

    fn end(&mut self, now_ns: u64) {
        if let Some((since_ns, bytes)) = self.now.take() {
            self.bytes
                .push(bytes, now_ns.saturating_sub(since_ns), &mut self.room);
        }
    }

    /// The bytes.
    pub fn finish(mut self) -> Series {
        self.end(0);
        self.bytes.finish();
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ProcessMemory, SystemMemory};

    #[test]
    fn processes_of_one_time_are_added_up() {
        let process = |time_ns, pid, pages: u64| Note {
            time_ns,
            what: Known::ProcessMemory(ProcessMemory {
                pid,
                virtual_bytes: pages * 8192,
                resident_bytes: pages * 4096,
                shared_bytes: 0,
            }),
        };
        let system = |time_ns, free_bytes| Note {
            time_ns,
            what: Known::SystemMemory(SystemMemory {
                total_bytes: 1000,
                free_bytes,
                ..SystemMemory::default()
            }),
        };
        let notes = [
            process(1, 5, 3),
            process(1, 6, 4),
            system(1, 100),
            process(2, 5, 1),
            system(2, 2000),
            process(3, 6, 5),
        ];
        let of = |metric| {
            let mut footprint = Footprint::new(metric, SeriesSpec::BY_SIZE);
            notes.iter().for_each(|note| footprint.add(note));
            footprint.finish().iter().collect::<Vec<u64>>()
        };
        assert_eq!(of(FootprintMetric::Rss), [4096, 5 * 4096, 7 * 4096]);
        assert_eq!(of(FootprintMetric::Vsz), [8192, 5 * 8192, 7 * 8192]);
        assert_eq!(of(FootprintMetric::SysUsed), [0, 900]);
    }
}
