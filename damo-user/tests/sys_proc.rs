//! What procfs tells of mappings, memory and CPU time, from any text.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is wrong"
)]

use std::fs::{self, File};
use std::io::{self, Read, Seek};

use damo_user::model::{ProcessMemory, SystemMemory};
use damo_user::sys::memory;
use damo_user::sys::proc_maps::{self, EXECUTE, Mapped, READ, SHARED, WRITE};
use damo_user::sys::process::Stat;
use proptest::prelude::*;

#[test]
fn lines_as_the_kernel_writes_them() {
    let cases: [(&[u8], Mapped<'_>); 6] = [
        (
            b"00400000-00452000 r-xp 00001000 08:02 173521      /usr/bin/dbus daemon",
            Mapped {
                start: 0x40_0000,
                end: 0x45_2000,
                permissions: READ | EXECUTE,
                offset: 0x1000,
                name: b"/usr/bin/dbus daemon",
            },
        ),
        (
            b"7f0000000000-7f0000001000 rw-s 00000000 00:01 2065 /memfd:a (deleted) (deleted)",
            Mapped {
                start: 0x7f00_0000_0000,
                end: 0x7f00_0000_1000,
                permissions: READ | WRITE | SHARED,
                offset: 0,
                name: b"/memfd:a (deleted) (deleted)",
            },
        ),
        (
            b"1-2 ---p 00000000 00:00 0 ",
            Mapped {
                start: 1,
                end: 2,
                permissions: 0,
                offset: 0,
                name: b"",
            },
        ),
        (
            b"1-2 ---p ffffffffffffffff 00:00 0",
            Mapped {
                start: 1,
                end: 2,
                permissions: 0,
                offset: u64::MAX,
                name: b"",
            },
        ),
        (
            b"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]",
            Mapped {
                start: 0xffff_ffff_ff60_0000,
                end: 0xffff_ffff_ff60_1000,
                permissions: EXECUTE,
                offset: 0,
                name: b"[vsyscall]",
            },
        ),
        (
            b"1-2 r--p 0 fd:01 7 /a\\012b\r\t\x1b\xff  ",
            Mapped {
                start: 1,
                end: 2,
                permissions: READ,
                offset: 0,
                name: b"/a\\012b\r\t\x1b\xff  ",
            },
        ),
    ];
    for (line, mapped) in cases {
        let text = String::from_utf8_lossy(line);
        assert_eq!(Mapped::parse(line), Some(mapped), "{text}");
    }
}

#[test]
fn lines_that_are_none() {
    for line in [
        "",
        " ",
        "-",
        "1-2",
        "1-2 r--p",
        "1-2 r--p 0 fd:01",
        "1-2 r--p 0 fd:01 ",
        "1-2 r--p 0 fd:01 x /a",
        "2-1 r--p 0 fd:01 7 /a",
        "1-1 r--p 0 fd:01 7 /a",
        "1- r--p 0 fd:01 7 /a",
        "+1-2 r--p 0 fd:01 7 /a",
        "1-00000000000000002 r--p 0 fd:01 7 /a",
        "1-2 r--x 0 fd:01 7 /a",
        "1-2 wr-p 0 fd:01 7 /a",
        "1-2 r--pp 0 fd:01 7 /a",
        "1-2  r--p 0 fd:01 7 /a",
        "1-2 r--p g fd:01 7 /a",
    ] {
        assert_eq!(Mapped::parse(line.as_bytes()), None, "{line:?}");
    }
}

/// Gives a text in pieces, as a kernel may.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.0.len().min(self.1).min(buffer.len());
        let (now, rest) = self.0.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.0 = rest;
        Ok(length)
    }
}

proptest! {
    #[test]
    fn lines_come_whole_whatever_the_pieces(
        text in "[a\n]{0,200}",
        piece in 1..50_usize,
        buffer in 1..60_usize,
    ) {
        let mut buffer = vec![0; buffer];
        let mut lines = Vec::new();
        let print = proc_maps::lines(&mut Pieces(text.as_bytes(), piece), &mut buffer, |line| {
            lines.push(line.to_vec());
        });
        // A line needs room for its newline, too, if it has one.
        let fits = |line: &&str| line.len() < buffer.len();
        let expected: Vec<&str> = text.lines().filter(fits).collect();
        let lines: Vec<String> = lines.into_iter().map(|it| String::from_utf8(it).unwrap()).collect();
        prop_assert_eq!(lines, expected);
        let again = proc_maps::print(&mut Pieces(text.as_bytes(), 7), &mut buffer).unwrap();
        prop_assert_eq!(print.unwrap(), again);
    }

    #[test]
    fn a_mapping_comes_back(
        start in any::<u64>(),
        end in any::<u64>(),
        offset in any::<u64>(),
        permissions in 0..16_u8,
        name in proptest::collection::vec(any::<u8>(), 0..50),
    ) {
        let name: Vec<u8> = name.into_iter().filter(|&byte| byte != b'\n').collect();
        let letters: String = ['r', 'w', 'x', 's'].iter().enumerate().map(|(bit, &letter)| {
            match permissions & 1 << bit {
                0 if letter == 's' => 'p',
                0 => '-',
                _ => letter,
            }
        }).collect();
        let mut line = format!("{start:08x}-{end:08x} {letters} {offset:08x} fd:01 7    ").into_bytes();
        let padded = name.iter().take_while(|&&byte| byte == b' ').count();
        line.extend(&name);
        let expected = (start < end).then_some(Mapped {
            start,
            end,
            permissions,
            offset,
            name: &name[padded..],
        });
        prop_assert_eq!(Mapped::parse(&line), expected);
    }

    #[test]
    fn no_text_is_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Mapped::parse(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        let _ = (memory::of_process(1, &text, 4096), memory::of_system(&text), Stat::parse(&text));
    }

    #[test]
    fn memory_saturates(pages in any::<[u64; 3]>()) {
        let text = format!("{} {} {} 1 0 2 0\n", pages[0], pages[1], pages[2]);
        let [virtual_bytes, resident_bytes, shared_bytes] = pages.map(|it| it.saturating_mul(4096));
        let expected = ProcessMemory { pid: 9, virtual_bytes, resident_bytes, shared_bytes };
        prop_assert_eq!(
            memory::of_process(9, &text, 4096),
            (pages[0] > 0).then_some(expected)
        );
    }
}

#[test]
fn memory_of_the_machine() {
    let text = "\
MemTotal:       16316412 kB
MemFree:          999 kB
MemAvailable:   18446744073709551615 kB
Buffers:            x kB
Cached:            77 kB
SwapCached:        78 kB
SwapTotal:          5
SwapFree:           6 kB
HugePages_Total:    9
";
    let expected = SystemMemory {
        total_bytes: 16_316_412 << 10,
        free_bytes: 999 << 10,
        available_bytes: u64::MAX,
        buffers_bytes: 0,
        cached_bytes: 77 << 10,
        swap_total_bytes: 0,
        swap_free_bytes: 6 << 10,
    };
    assert_eq!(memory::of_system(text), Some(expected));
    assert_eq!(memory::of_system("MemFree: 1 kB\n"), None);
    assert_eq!(memory::of_process(1, "1 2", 4096), None);
    assert_eq!(memory::of_process(1, "0 0 0 0 0 0 0", 4096), None);
}

#[test]
fn cpu_time_is_in_microseconds() {
    let of = |ticks: u64| {
        let text = format!(
            "42 (kdamond.0) S 1 2 3 4 5 2129984 7 8 9 10 {ticks} 2 13 14 15 16 17 18 4711 20"
        );
        Stat::parse(&text).unwrap().cpu_time(42)
    };
    let a_second = rustix::param::clock_ticks_per_second();
    let time = of(3 * a_second);
    assert_eq!((time.pid, time.kdamond), (42, true));
    assert_eq!(time.user_us, 3_000_000);
    assert_eq!(time.system_us, 2 * 1_000_000 / a_second);
    assert!(of(u64::MAX).user_us > u64::MAX / 2);
}

#[test]
fn this_very_process() {
    let text = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap();
    let page = rustix::param::page_size() as u64;
    let memory = memory::of_process(7, &text("statm"), page).unwrap();
    assert!(memory.virtual_bytes > memory.resident_bytes);
    assert!(memory.resident_bytes > 1 << 20, "{memory:?}");
    let system = memory::of_system(&fs::read_to_string("/proc/meminfo").unwrap()).unwrap();
    assert!(system.total_bytes > memory.resident_bytes);
    assert!((1..system.total_bytes).contains(&system.available_bytes));
    assert!(!Stat::parse(&text("stat")).unwrap().cpu_time(7).kdamond);

    // Every line is understood, and our code is in one of them.
    let code = this_very_process as fn() as usize as u64;
    let mut maps = File::open("/proc/self/maps").unwrap();
    let mut buffer = vec![0; 4096];
    let mut found = None;
    proc_maps::lines(&mut maps, &mut buffer, |line| {
        let text = String::from_utf8_lossy(line).into_owned();
        let mapped = Mapped::parse(line).unwrap_or_else(|| panic!("{text}"));
        if (mapped.start..mapped.end).contains(&code) {
            found = Some((mapped.permissions, text));
        }
    })
    .unwrap();
    let (permissions, line) = found.unwrap();
    assert_eq!(permissions, READ | EXECUTE, "{line}");
    let name = std::env::current_exe().unwrap();
    assert!(line.ends_with(name.to_str().unwrap()), "{line}");
    // It can be read once more.
    maps.rewind().unwrap();
    proc_maps::print(&mut maps, &mut buffer).unwrap();
}
