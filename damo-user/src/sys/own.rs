//! What this very process uses.

use std::fs;

use rustix::time::{ClockId, clock_gettime};

/// Processor time of all our threads until now, in nanoseconds.
pub fn cpu_ns() -> u64 {
    super::clock::nanoseconds(clock_gettime(ClockId::ProcessCPUTime))
}

/// Resident memory, in bytes; `None` without procfs.
pub fn rss_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_and_memory_are_seen() {
        let before = cpu_ns();
        let mut memory = vec![0u8; 32 << 20];
        // Touched, so that it is resident.
        memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
        assert!(rss_bytes().unwrap() > 32 << 20);
        assert!(std::hint::black_box(memory)[4096] == 1);
        assert!(cpu_ns() > before);
    }
}
