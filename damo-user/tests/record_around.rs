//! Looking around a process that does what the test tells it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test ends where something is wrong"
)]

use std::io::{BufRead, BufReader, Cursor, Lines, Write};
use std::process::{Child, ChildStderr, Command, Stdio};

use damo_user::model::{CpuTime, Item, Known, Mapping, Meta, Note, ProcessMemory, Record};
use damo_user::recorder::around::{Around, Choice};
use damo_user::store::{Reader, Writer};

const MIB: u64 = 1 << 20;
/// What the child maps when it is told to.
const SIZE: u64 = 64 * MIB;
/// Longer than anything is put off.
const MINUTE: u64 = 60_000_000_000;

/// What the child does: with each line that it reads it maps some memory,
/// writes to it, and says where it is. No test by itself.
#[test]
#[ignore = "is started by the other test"]
fn child() {
    let mut all = Vec::new();
    for line in std::io::stdin().lock().lines() {
        line.unwrap();
        all.push(vec![1_u8; SIZE as usize]);
        eprintln!("{}", all.last().unwrap().as_ptr() as u64);
    }
}

/// Killed at the end, however that comes.
struct Guard(Child, Lines<BufReader<ChildStderr>>);

impl Guard {
    fn start() -> Guard {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Guard(child, lines)
    }

    /// Address of the memory that it has mapped by now.
    fn map(&mut self) -> u64 {
        writeln!(self.0.stdin.as_mut().unwrap(), "map").unwrap();
        self.1.next().unwrap().unwrap().parse().unwrap()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[derive(Default)]
struct Seen {
    notes: Vec<Note>,
    mappings: Vec<Mapping>,
    memory: Vec<ProcessMemory>,
    times: Vec<CpuTime>,
    system: usize,
}

fn look(around: &mut Around, now_ns: u64, pids: &[u32]) -> Seen {
    let mut seen = Seen::default();
    // This test is no kdamond.
    around.look(now_ns, pids, &[std::process::id()], &mut |note| {
        seen.notes.push(note.clone());
        assert_eq!(note.time_ns, now_ns);
        match note.what {
            Known::Mapping(it) => seen.mappings.push(it),
            Known::ProcessMemory(it) => seen.memory.push(it),
            Known::CpuTime(it) => seen.times.push(it),
            Known::SystemMemory(_) => seen.system += 1,
            other => panic!("{other:?}"),
        }
    });
    seen
}

fn holds(mappings: &[Mapping], start: u64) -> bool {
    mappings.iter().any(|it| {
        it.start <= start && start + SIZE <= it.end && it.permissions == 3 && it.name.is_empty()
    })
}

#[test]
fn a_child_that_maps_memory() {
    let mut child = Guard::start();
    let pid = child.0.id();
    let first = child.map();
    let mut around = Around::new(Choice {
        mappings: true,
        footprint: true,
        cpu_time: true,
    });
    let gone = u32::MAX >> 8;
    let one = look(&mut around, MINUTE, &[pid, gone]);
    assert!(holds(&one.mappings, first), "{:x?}", one.mappings);
    assert!(one.mappings.iter().all(|it| it.pid == pid));
    assert!(one.mappings.iter().any(|it| &*it.name == "[stack]"));
    assert_eq!((one.memory.len(), one.times.len(), one.system), (1, 1, 1));
    assert_eq!((one.memory[0].pid, one.times[0].pid), (pid, pid));
    assert!(one.memory[0].resident_bytes >= SIZE);

    // It waits for us, so that nothing changes meanwhile.
    let two = look(&mut around, 2 * MINUTE, &[pid]);
    assert_eq!((two.mappings.len(), two.memory.len()), (0, 1));

    let second = child.map();
    assert_eq!(look(&mut around, 2 * MINUTE + 1, &[pid]).notes, []);
    let three = look(&mut around, 3 * MINUTE, &[pid]);
    assert!(holds(&three.mappings, second), "{:x?}", three.mappings);
    assert!(holds(&three.mappings, first));
    let (before, now) = (two.memory[0], three.memory[0]);
    // The kernel may keep some pages of each CPU to itself for a while.
    let grown = now.resident_bytes - before.resident_bytes;
    assert!(grown > SIZE - 8 * MIB && grown < SIZE + 8 * MIB, "{grown}");
    assert!(now.virtual_bytes - before.virtual_bytes >= SIZE);
    let spent = |time: CpuTime| time.user_us + time.system_us;
    assert!(spent(three.times[0]) >= spent(one.times[0]));

    // What is left of it when its end was not noticed yet: its CPU time.
    child.0.kill().unwrap();
    let stderr = child.1.next();
    assert!(stderr.is_none(), "{stderr:?}");
    let four = look(&mut around, 4 * MINUTE, &[pid]);
    assert_eq!((four.mappings.len(), four.memory.len()), (0, 0));
    child.0.wait().unwrap();
    let five = look(&mut around, 5 * MINUTE, &[pid]);
    assert_eq!((five.notes.len(), five.system), (1, 1));

    // As a record.
    let notes: Vec<Note> = [one, two, three]
        .into_iter()
        .flat_map(|it| it.notes)
        .collect();
    let mut writer = Writer::new(Vec::new(), &Meta::default()).unwrap();
    for note in &notes {
        writer.note(note).unwrap();
    }
    writer.finish().unwrap();
    let mut reader = Reader::from_source(Cursor::new(writer.into_sink()), "memory").unwrap();
    let mut back = Vec::new();
    for item in reader.items().unwrap() {
        match item.unwrap() {
            Item::Note(note) => back.push(note),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(back.len(), notes.len());
    assert!(notes.iter().all(|note| back.contains(note)));
}
