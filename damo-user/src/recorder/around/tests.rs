//! On a procfs of files, with a clock that shows what the test wants.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use super::pace::A_SECOND_NS;
use super::*;
use crate::model::{CpuTime, ProcessMemory, SystemMemory};

const ALL: Choice = Choice {
    mappings: true,
    footprint: true,
    cpu_time: true,
};
const MAPPINGS: Choice = Choice {
    mappings: true,
    footprint: false,
    cpu_time: false,
};
/// Not zero: what is not looked at yet is due at any time.
const T: u64 = 77 * A_SECOND_NS;

const NOTHING: [u32; 0] = [];

struct Fake {
    dir: tempfile::TempDir,
    around: Around,
    /// Each time the clock is read it goes on by this.
    step: Arc<AtomicU64>,
}

impl Fake {
    fn new(choice: Choice) -> Fake {
        let dir = tempfile::tempdir().unwrap();
        let (now, step) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
        let by = Arc::clone(&step);
        let clock = move || now.fetch_add(by.load(Ordering::Relaxed), Ordering::Relaxed);
        let around = Around::at(dir.path(), choice, Box::new(clock));
        Fake { dir, around, step }
    }

    fn put(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn look(&mut self, now_ns: u64, pids: &[u32]) -> Vec<Known> {
        let mut notes = Vec::new();
        self.around.look(now_ns, pids, &[], &mut |note| {
            assert_eq!(note.time_ns, now_ns);
            notes.push(note.what);
        });
        notes
    }

    /// Whose mappings there are.
    fn mapped(&mut self, now_ns: u64, pids: &[u32]) -> Vec<u32> {
        let of = |known| match known {
            Known::Mapping(mapping) => mapping.pid,
            other => panic!("{other:?}"),
        };
        self.look(now_ns, pids).into_iter().map(of).collect()
    }
}

const LINE: &str = "1000-2000 r--p 00000000 fd:01 7                  /bin/a b (deleted)\n";
const MORE: &str = "1000-2000 r--p 00000000 fd:01 7 /bin/a\n2000-3000 rw-p 00000000 00:00 0 \n";

#[test]
fn everything_that_was_chosen_and_nothing_else() {
    let fill = |fake: &Fake| {
        let stat = |name: &str, flags: &str| {
            format!("5 ({name}) S 1 1 1 0 -1 {flags} 0 0 0 0 123 45 0 0 20 0 1 0 99 0 0")
        };
        fake.put("5/maps", LINE);
        fake.put("5/statm", "100 20 10 1 0 50 0\n");
        fake.put("5/stat", stat("kdamond.0", "4194304"));
        fake.put("8/stat", stat("kdamond.0", "2129984"));
        fake.put("9/stat", stat("sh", "4194304"));
        fake.put("meminfo", "MemTotal:       8 kB\nMemFree: 3 kB\n");
    };
    let page = rustix::param::page_size() as u64;
    let tick = 1_000_000 / rustix::param::clock_ticks_per_second();
    let time = |pid, kdamond| {
        Known::CpuTime(CpuTime {
            pid,
            kdamond,
            user_us: 123 * tick,
            system_us: 45 * tick,
        })
    };
    let mapping = Known::Mapping(Mapping {
        pid: 5,
        start: 0x1000,
        end: 0x2000,
        permissions: 1,
        offset: 0,
        name: "/bin/a b (deleted)".into(),
    });
    let memory = [
        Known::ProcessMemory(ProcessMemory {
            pid: 5,
            virtual_bytes: 100 * page,
            resident_bytes: 20 * page,
            shared_bytes: 10 * page,
        }),
        Known::SystemMemory(SystemMemory {
            total_bytes: 8192,
            free_bytes: 3072,
            ..SystemMemory::default()
        }),
    ];
    // 9 has taken the id of a kdamond; 5 only calls itself one.
    let times = [time(5, false), time(8, true)];
    for (choice, expected) in [
        (MAPPINGS, vec![mapping.clone()]),
        (
            Choice {
                footprint: true,
                ..Choice::default()
            },
            memory.to_vec(),
        ),
        (
            Choice {
                cpu_time: true,
                ..Choice::default()
            },
            times.to_vec(),
        ),
        (ALL, [&memory[..], &times, &[mapping]].concat()),
        (Choice::default(), vec![]),
    ] {
        let mut fake = Fake::new(choice);
        fill(&fake);
        let mut notes = Vec::new();
        // 6 is gone; 5 is there twice.
        fake.around.look(T, &[6, 5, 5], &[8, 9, 10], &mut |note| {
            notes.push(note.what);
        });
        assert_eq!(notes, expected, "{choice:?}");
    }
}

#[test]
fn at_most_once_a_second_and_mappings_only_when_they_changed() {
    let mut fake = Fake::new(MAPPINGS);
    fake.put("5/maps", LINE);
    assert_eq!(fake.mapped(T, &[5]), [5]);
    fake.put("5/maps", MORE);
    assert_eq!(fake.mapped(T + A_SECOND_NS - 1, &[5]), NOTHING);
    assert_eq!(fake.mapped(T + A_SECOND_NS, &[5]), [5, 5]);
    assert_eq!(fake.mapped(T + 2 * A_SECOND_NS, &[5]), NOTHING);
    // As many bytes as before.
    fake.put("5/maps", MORE.replace("rw-p", "r--p"));
    assert_eq!(fake.mapped(T + 3 * A_SECOND_NS, &[5]), [5, 5]);
    // Another process of that id.
    assert_eq!(fake.mapped(T + 4 * A_SECOND_NS, &[]), NOTHING);
    assert!(fake.around.seen.is_empty());
    assert_eq!(fake.mapped(T + 5 * A_SECOND_NS, &[5]), [5, 5]);
    fake.around.write_again();
    assert_eq!(fake.mapped(T + 6 * A_SECOND_NS, &[5]), [5, 5]);
}

#[test]
fn what_costs_much_is_looked_at_less_often_but_once_a_minute() {
    let mut fake = Fake::new(MAPPINGS);
    // The clock is read before and after: 30 ms.
    fake.step.store(30_000_000, Ordering::Relaxed);
    for (wait, text, looked) in [
        (0, MORE, 2),
        (2, LINE, 0),
        (3, LINE, 1),
        (4, MORE, 0),
        (6, MORE, 2),
    ] {
        fake.put("5/maps", text);
        let seen = fake.mapped(T + wait * A_SECOND_NS, &[5]).len();
        assert_eq!(seen, looked, "{wait}");
    }
    // An hour each time.
    fake.step.store(3_600_000_000_000, Ordering::Relaxed);
    let t = T + 9 * A_SECOND_NS;
    for (wait, looked) in [(0, 1), (59, 0), (60, 1)] {
        fake.put("5/maps", LINE.replace("fd:01", &format!("fd:{wait}")));
        assert_eq!(
            fake.mapped(t + wait * A_SECOND_NS, &[5]).len(),
            looked,
            "{wait}"
        );
    }
}

#[test]
fn many_processes_share_their_part_of_the_time_and_each_has_its_turn() {
    let mut fake = Fake::new(MAPPINGS);
    let pids = [9, 8, 5, 7, 6];
    for pid in pids {
        fake.put(&format!("{pid}/maps"), LINE);
    }
    // 15 ms each, and as much between two: more than a slice.
    fake.step.store(15_000_000, Ordering::Relaxed);
    let mut turns = Vec::new();
    for second in 0..4 {
        turns.push(fake.mapped(T + second * A_SECOND_NS, &pids));
    }
    assert_eq!(turns, [[5], [6], [7], [8]]);
    // 5 x 15 ms is a hundredth of 7.5 s.
    fake.put("5/maps", MORE);
    assert_eq!(fake.mapped(T + 7 * A_SECOND_NS, &pids), [9]);
    assert_eq!(fake.mapped(T + 8 * A_SECOND_NS, &pids), [5, 5]);
}

#[test]
fn the_most_mappings_that_there_can_be_go_through_the_one_buffer() {
    const MOST: u64 = 65_530;
    let mut fake = Fake::new(MAPPINGS);
    let mut text = String::new();
    let name = "x".repeat(200);
    for i in 1..=MOST {
        text += &format!(
            "{:x}-{:x} r--p 00000000 fd:01 7 /{name}\n",
            i << 12,
            (i + 1) << 12
        );
    }
    // Longer than any that a kernel writes.
    text += &format!("1-2 r--p 00000000 fd:01 7 /{}\n", "y".repeat(BUFFER));
    text += "7fff-8fff r--p 00000000 fd:01 7 /last";
    fake.put("5/maps", text);
    let mut count = 0;
    let mut last = None;
    fake.around.look(T, &[5], &[], &mut |note| {
        count += 1;
        last = Some(note.what);
    });
    assert_eq!(count, MOST + 1);
    assert!(matches!(last, Some(Known::Mapping(it)) if &*it.name == "/last"));
    assert_eq!(fake.around.buffer.capacity(), BUFFER);
    assert_eq!(fake.around.seen.len(), 1);
}

#[test]
fn names_are_any_bytes() {
    let mut fake = Fake::new(MAPPINGS);
    let line: &[u8] = b"1000-2000 rwxs 00ff0000 fd:01 7    /a\xff\x1b[31m\\012 b \nnonsense\n";
    fake.put("5/maps", line);
    let notes = fake.look(T, &[5]);
    let [Known::Mapping(mapping)] = &notes[..] else {
        panic!("{notes:?}");
    };
    assert_eq!(&*mapping.name, "/a\u{fffd}\u{1b}[31m\\012 b ");
    assert_eq!((mapping.permissions, mapping.offset), (15, 0xff_0000));
}

#[test]
fn one_refusal_is_told_and_a_process_that_is_gone_is_not() {
    let mut around = Around::new(MAPPINGS);
    let missing = io::Error::from_raw_os_error(nix::libc::ENOENT);
    let refused = io::Error::from_raw_os_error(nix::libc::EACCES);
    assert_eq!(around.refused(4, &missing), None);
    let said = around.refused(5, &refused).unwrap();
    assert!(
        said.starts_with("may not read the mappings of process 5: "),
        "{said}"
    );
    assert_eq!(around.refused(6, &refused), None);
}
