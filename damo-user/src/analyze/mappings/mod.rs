//! Which mapping an address belongs to, at each snapshot's time.

mod usage;

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use super::PerTarget;
use crate::model::{Known, Meta, Note, TargetKey};

pub use usage::{MappingUse, Usage};

/// Mappings of a process that may wait for their time.
const WAITING: usize = 128 << 10;

/// What addresses are told apart by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// The mapping's name, in each process.
    #[default]
    Mapping,
    /// The process.
    Process,
    /// The kind of mapping, in each process.
    Kind,
}

/// What memory is behind a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MappingKind {
    /// A file's.
    File,
    /// What `brk` gave.
    Heap,
    /// The first thread's stack.
    Stack,
    /// A program's own, shared or not.
    Anonymous,
    /// The kernel's (`[vdso]`).
    Kernel,
    /// In no mapping that is known.
    Unmapped,
}

impl MappingKind {
    /// By a mapping's name.
    pub fn of(name: &str) -> MappingKind {
        match name {
            "" => MappingKind::Anonymous,
            "[heap]" => MappingKind::Heap,
            _ if name.starts_with("[stack") => MappingKind::Stack,
            _ if name.starts_with("[anon") => MappingKind::Anonymous,
            _ if name.starts_with('[') => MappingKind::Kernel,
            // No file that anybody could open: shared memory of forks.
            "/dev/zero (deleted)" => MappingKind::Anonymous,
            _ if name.starts_with("/memfd:") || name.starts_with("/SYSV") => MappingKind::Anonymous,
            _ => MappingKind::File,
        }
    }

    /// A word for it.
    pub fn name(self) -> &'static str {
        match self {
            MappingKind::File => "file",
            MappingKind::Heap => "heap",
            MappingKind::Stack => "stack",
            MappingKind::Anonymous => "anonymous",
            MappingKind::Kernel => "kernel",
            MappingKind::Unmapped => "unmapped",
        }
    }
}

/// What is told apart: a mapping, a kind of them, or a process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Whose; 0 where that is not known.
    pub pid: u32,
    /// `None` for all of the process.
    pub kind: Option<MappingKind>,
    /// The file or the kernel's name for it; empty where it has none.
    pub name: Arc<str>,
}

/// The mappings of all processes as time goes by. Of each process those in force
/// are kept, and the few that were told ahead of their time.
#[derive(Debug, Default)]
pub struct Mappings {
    by: By,
    meta: Meta,
    pids: PerTarget<u32>,
    processes: HashMap<u32, Process>,
    places: Vec<Place>,
    numbers: HashMap<Place, usize>,
    told: bool,
}

#[derive(Debug, Default)]
struct Process {
    /// Ascending, if `sorted`.
    pieces: Vec<Piece>,
    sorted: bool,
    /// When they were told, if they were.
    since_ns: Option<u64>,
    waiting: VecDeque<(u64, Vec<Piece>)>,
    nr_waiting: usize,
    /// All that it ever had.
    places: Vec<usize>,
    outside: usize,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    start: u64,
    end: u64,
    place: usize,
}

/// The mappings of one process at one moment.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pieces: &'a [Piece],
    outside: usize,
    /// All places of the process until now.
    pub places: &'a [usize],
    /// How many places there are of all processes.
    pub count: usize,
}

impl Mappings {
    /// Of the processes that a record says its targets are.
    pub fn new(meta: &Meta, by: By) -> Mappings {
        Mappings {
            by,
            meta: Meta {
                targets: meta.targets.clone(),
                ..Meta::default()
            },
            ..Mappings::default()
        }
    }

    /// Takes a note in. Notes are in order of time among themselves, and come
    /// before the snapshots of their time, or earlier.
    pub fn note(&mut self, note: &Note) {
        let Known::Mapping(mapping) = &note.what else {
            return;
        };
        self.told = true;
        let kind = MappingKind::of(&mapping.name);
        let (place, is_new) = self.number(mapping.pid, kind, &mapping.name);
        let process = self.process(mapping.pid);
        let piece = Piece {
            start: mapping.start,
            end: mapping.end,
            place,
        };
        if is_new {
            process.places.push(place);
        }
        if process.waiting.is_empty() && process.since_ns == Some(note.time_ns) {
            // More of those that are in force already.
            process.pieces.push(piece);
            process.sorted = false;
            return;
        }
        match process.waiting.back_mut() {
            Some((time_ns, pieces)) if *time_ns == note.time_ns => pieces.push(piece),
            _ => process.waiting.push_back((note.time_ns, vec![piece])),
        }
        process.nr_waiting += 1;
        while process.nr_waiting > WAITING && process.waiting.len() > 1 {
            process.next();
        }
    }

    /// The process of a target, and its mappings at a time, which must not go
    /// back.
    pub fn at(&mut self, target: TargetKey, time_ns: u64) -> View<'_> {
        let meta = &self.meta;
        let pid = *self.pids.entry(target, || {
            let known = meta.known_targets().only(target);
            known.and_then(|it| it.pid).unwrap_or(0)
        });
        self.process(pid);
        let count = self.places.len();
        let process = self.processes.entry(pid).or_default();
        // The first that is known stands for what was before it.
        while process
            .waiting
            .front()
            .is_some_and(|(from_ns, _)| *from_ns <= time_ns || process.since_ns.is_none())
        {
            process.next();
        }
        process.sort();
        View {
            pieces: &process.pieces,
            outside: process.outside,
            places: &process.places,
            count,
        }
    }

    /// What there is to tell apart, by the numbers that [`View`] tells.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// As [`Mappings::places`].
    pub fn into_places(self) -> Vec<Place> {
        self.places
    }

    /// Whether there was any mapping.
    pub fn any(&self) -> bool {
        self.told
    }

    fn process(&mut self, pid: u32) -> &mut Process {
        if !self.processes.contains_key(&pid) {
            let (outside, is_new) = self.number(pid, MappingKind::Unmapped, &Arc::default());
            let process = Process {
                places: if is_new { vec![outside] } else { Vec::new() },
                outside,
                ..Process::default()
            };
            self.processes.insert(pid, process);
        }
        self.processes.entry(pid).or_default()
    }

    /// The number of a place, and whether it is a new one.
    fn number(&mut self, pid: u32, kind: MappingKind, name: &Arc<str>) -> (usize, bool) {
        let place = match self.by {
            By::Mapping => Place {
                pid,
                kind: Some(kind),
                name: Arc::clone(name),
            },
            By::Kind => Place {
                pid,
                kind: Some(kind),
                name: Arc::default(),
            },
            By::Process => Place {
                pid,
                kind: None,
                name: Arc::default(),
            },
        };
        if let Some(number) = self.numbers.get(&place) {
            return (*number, false);
        }
        let number = self.places.len();
        self.places.push(place.clone());
        self.numbers.insert(place, number);
        (number, true)
    }
}

impl Process {
    /// Puts the next mappings in force.
    fn next(&mut self) {
        if let Some((time_ns, pieces)) = self.waiting.pop_front() {
            self.nr_waiting -= pieces.len();
            (self.pieces, self.since_ns) = (pieces, Some(time_ns));
            self.sorted = false;
        }
    }

    fn sort(&mut self) {
        if !self.sorted {
            self.pieces.sort_unstable_by_key(|piece| piece.start);
            self.sorted = true;
        }
    }
}

impl View<'_> {
    /// Gives each part of a range its place: `take` gets the place's number and
    /// how many bytes are there.
    pub fn split(&self, range: Range<u64>, mut take: impl FnMut(usize, u64)) {
        let mut at = range.start;
        let first = self
            .pieces
            .partition_point(|piece| piece.end <= range.start);
        for piece in self.pieces.iter().skip(first) {
            if piece.start >= range.end {
                break;
            }
            // What overlaps is counted once.
            let (from, to) = (piece.start.max(at), piece.end.min(range.end));
            if from >= to {
                continue;
            }
            if at < from {
                take(self.outside, from - at);
            }
            take(piece.place, to - from);
            at = to;
        }
        if at < range.end {
            take(self.outside, range.end - at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Mapping, TargetInfo};

    const KEY: TargetKey = TargetKey {
        kdamond: 9,
        target_id: 0,
    };

    fn mappings(by: By) -> Mappings {
        let target = TargetInfo {
            pid: Some(5),
            ..TargetInfo::default()
        };
        let meta = Meta {
            targets: vec![target],
            ..Meta::default()
        };
        Mappings::new(&meta, by)
    }

    fn note(time_ns: u64, start: u64, end: u64, name: &str) -> Note {
        let mapping = Mapping {
            pid: 5,
            start,
            end,
            permissions: 3,
            offset: 0,
            name: name.into(),
        };
        Note {
            time_ns,
            what: Known::Mapping(mapping),
        }
    }

    fn parts(mappings: &mut Mappings, time_ns: u64, range: Range<u64>) -> Vec<(String, u64)> {
        let mut parts = Vec::new();
        let view = mappings.at(KEY, time_ns);
        view.split(range, |place, bytes| parts.push((place, bytes)));
        let name = |place: usize| {
            let place = &mappings.places()[place];
            let kind = place.kind.map_or("process", MappingKind::name);
            format!("{kind} {}", place.name).trim().to_owned()
        };
        parts
            .into_iter()
            .map(|(place, bytes)| (name(place), bytes))
            .collect()
    }

    #[test]
    fn kinds_are_told_by_names() {
        for (name, kind) in [
            ("", "anonymous"),
            ("[heap]", "heap"),
            ("[stack]", "stack"),
            ("[stack:77]", "stack"),
            ("[anon:malloc]", "anonymous"),
            ("[vdso]", "kernel"),
            ("/usr/bin/cat", "file"),
            ("/memfd:x (deleted)", "anonymous"),
            ("/dev/zero (deleted)", "anonymous"),
            ("/dev/shm/x", "file"),
        ] {
            assert_eq!(MappingKind::of(name).name(), kind, "{name}");
        }
    }

    #[test]
    fn ranges_are_cut_by_what_is_in_force() {
        let mut all = mappings(By::Mapping);
        // Told before the snapshots, in no order of addresses, in two parts.
        for it in [
            note(100, 300, 400, "[heap]"),
            note(100, 100, 200, "/bin/a"),
            note(500, 100, 400, ""),
            note(500, 350, 500, "/bin/b"),
        ] {
            all.note(&it);
        }
        let at = |name: &str, bytes| (name.to_owned(), bytes);
        let early = [
            at("unmapped", 50),
            at("file /bin/a", 100),
            at("unmapped", 100),
            at("heap [heap]", 100),
            at("unmapped", 50),
        ];
        assert_eq!(parts(&mut all, 10, 50..450), early);
        assert_eq!(parts(&mut all, 499, 50..450), early);
        all.note(&note(500, 600, 700, "[stack]"));
        // What overlaps is counted once.
        let late = [
            at("anonymous", 300),
            at("file /bin/b", 100),
            at("unmapped", 100),
            at("stack [stack]", 50),
        ];
        assert_eq!(parts(&mut all, 500, 100..650), late);
        all.note(&note(500, 700, 800, "[stack]"));
        assert_eq!(parts(&mut all, 501, 700..701), [at("stack [stack]", 1)]);
        assert_eq!(all.at(KEY, 501).places.len(), 6);
        assert!(all.any());
    }

    #[test]
    fn kinds_and_processes_are_fewer() {
        for (by, expected) in [
            (
                By::Kind,
                vec![("file", 100), ("file", 100), ("unmapped", 10)],
            ),
            (
                By::Process,
                vec![("process", 100), ("process", 100), ("process", 10)],
            ),
        ] {
            let mut all = mappings(by);
            all.note(&note(1, 0, 100, "/bin/a"));
            all.note(&note(1, 100, 200, "/bin/b"));
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(name, bytes)| (name.to_owned(), bytes))
                .collect();
            assert_eq!(parts(&mut all, 1, 0..210), expected);
        }
        // Of no known process, all is outside.
        let mut none = Mappings::new(&Meta::default(), By::Mapping);
        assert_eq!(parts(&mut none, 1, 0..10), [("unmapped".to_owned(), 10)]);
        assert!(!none.any());
    }
}
