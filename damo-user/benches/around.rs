//! What looking around costs: CPU time of a look at this process, with few
//! mappings and with as many as the kernel allows, beside reading the files
//! and nothing else. `cargo xtask bench around` runs it in the sandbox.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark ends where something is wrong"
)]

use std::fs::File;
use std::io::Read;
use std::ptr;

use damo_user::model::{Known, Meta};
use damo_user::recorder::around::{Around, Choice};
use damo_user::store::Writer;
use damo_user::sys::clock;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};

/// Longer than anything is put off.
const MINUTE: u64 = 60_000_000_000;

/// A look at mappings alone, and one at the rest.
const MAPPINGS: Choice = Choice {
    mappings: true,
    footprint: false,
    cpu_time: false,
};
const REST: Choice = Choice {
    mappings: false,
    footprint: true,
    cpu_time: true,
};

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let rounds = match std::env::args().any(|it| it == "--bench") {
        true => 20,
        false => 1,
    };
    let mut buffer = vec![0; 64 << 10];
    println!("CPU time of a look, the least of {rounds}; looked at again after 100 times as much,");
    println!("but at least a second and at most a minute. [a] reading the file and nothing else");
    println!("mappings  unchanged  / [a]   written  / [a]   bytes of record each");
    let mut now_ns = 0;
    for more in [0, 1000, 10_000, 65_000] {
        let area = Area::new(more);
        let least = |look: &mut dyn FnMut()| {
            let cost = |_| {
                let began = clock::thread_cpu_ns();
                look();
                clock::thread_cpu_ns() - began
            };
            (0..rounds).map(cost).min().unwrap() as f64 / 1e6
        };
        let plain = least(&mut || {
            let mut maps = File::open("/proc/self/maps").unwrap();
            while maps.read(&mut buffer).unwrap() > 0 {}
        });
        let mut rows = 0_u64;
        let mut writer = Writer::new(Vec::new(), &Meta::default()).unwrap();
        let mut around = Around::new(MAPPINGS);
        let written = least(&mut || {
            now_ns += MINUTE;
            around.write_again();
            look(&mut around, now_ns, |note| {
                rows += 1;
                writer.note(note).unwrap();
            });
            writer.flush().unwrap();
        });
        let each = writer.stats().bytes as f64 / rows as f64;
        // What we did meanwhile may have changed our own; the least of them did not.
        let unchanged = least(&mut || {
            now_ns += MINUTE;
            look(&mut around, now_ns, |_| ());
        });
        println!(
            "{:8}{unchanged:8.3} ms{:7.2}{written:7.3} ms{:7.2}{each:16.2}",
            rows / rounds,
            unchanged / plain,
            written / plain
        );
        drop(area);
    }
    let mut around = Around::new(REST);
    let mut rest = f64::MAX;
    for _ in 0..rounds {
        now_ns += MINUTE;
        let began = clock::thread_cpu_ns();
        look(&mut around, now_ns, |note| {
            assert!(!matches!(note.what, Known::Mapping(_)))
        });
        rest = rest.min((clock::thread_cpu_ns() - began) as f64 / 1e6);
    }
    println!("memory and CPU time of a process, and the machine's memory: {rest:.3} ms");
}

fn look(around: &mut Around, now_ns: u64, mut out: impl FnMut(&damo_user::model::Note)) {
    around.look(now_ns, &[std::process::id()], &[], &mut |note| out(&note));
}

/// Memory of which every second page has other permissions: so many mappings.
struct Area {
    start: *mut std::ffi::c_void,
    length: usize,
}

impl Area {
    fn new(mappings: usize) -> Area {
        let page = rustix::param::page_size();
        let length = (mappings + 1) * page;
        // SAFETY: the kernel chooses a place that nothing else has.
        let start = unsafe {
            mmap_anonymous(ptr::null_mut(), length, ProtFlags::READ, MapFlags::PRIVATE).unwrap()
        };
        for at in (page..length).step_by(2 * page) {
            // SAFETY: within what was just mapped, which nobody looks into.
            unsafe { mprotect(start.byte_add(at), page, MprotectFlags::empty()).unwrap() };
        }
        Area { start, length }
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: exactly what `new` mapped, and nobody points into it.
        unsafe { rustix::mm::munmap(self.start, self.length).unwrap() };
    }
}
