//! How much memory a process and the machine have, as procfs tells.

use crate::model::{ProcessMemory, SystemMemory};

/// Reads `/proc/PID/statm`, which counts pages of `page` bytes; `None` if it is
/// no such text, or of a process that has no memory any more.
pub fn of_process(pid: u32, statm: &str, page: u64) -> Option<ProcessMemory> {
    let mut fields = statm.split_ascii_whitespace();
    let mut bytes = || {
        let pages: u64 = fields.next()?.parse().ok()?;
        Some(pages.saturating_mul(page))
    };
    let memory = ProcessMemory {
        pid,
        virtual_bytes: bytes()?,
        resident_bytes: bytes()?,
        shared_bytes: bytes()?,
    };
    (memory.virtual_bytes > 0).then_some(memory)
}

/// Reads `/proc/meminfo`; `None` without its `MemTotal`. What else is missing
/// is 0.
pub fn of_system(meminfo: &str) -> Option<SystemMemory> {
    let mut memory = SystemMemory::default();
    let mut known = false;
    for line in meminfo.lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let place = match name {
            "MemTotal" => &mut memory.total_bytes,
            "MemFree" => &mut memory.free_bytes,
            "MemAvailable" => &mut memory.available_bytes,
            "Buffers" => &mut memory.buffers_bytes,
            "Cached" => &mut memory.cached_bytes,
            "SwapTotal" => &mut memory.swap_total_bytes,
            "SwapFree" => &mut memory.swap_free_bytes,
            _ => continue,
        };
        let number = value.trim().strip_suffix("kB").map(str::trim);
        if let Some(number) = number.and_then(|number| number.parse::<u64>().ok()) {
            *place = number.saturating_mul(1024);
            known |= name == "MemTotal";
        }
    }
    known.then_some(memory)
}
