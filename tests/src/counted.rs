//! The kernel's own count of DAMON's events, by a hist trigger: neither our
//! BPF program nor our reader has a part in it.

use std::collections::BTreeMap;
use std::fs;
use std::io;

const EVENT: &str = "/sys/kernel/tracing/events/damon/damon_aggregated";

/// Counts the events from now on, starting at zero.
///
/// # Errors
/// The kernel has no such tracepoint, or no hist triggers.
pub fn start() -> io::Result<()> {
    stop();
    fs::write(format!("{EVENT}/trigger"), "hist:keys=common_pid")
}

/// Stops counting, if anybody did.
pub fn stop() {
    let _ = fs::write(format!("{EVENT}/trigger"), "!hist:keys=common_pid");
}

/// Events since [`start`], by thread id.
///
/// # Errors
/// Nobody counts.
pub fn by_thread() -> io::Result<BTreeMap<u32, u64>> {
    Ok(parse(&fs::read_to_string(format!("{EVENT}/hist"))?))
}

/// Lines like `{ common_pid:        189 } hitcount:      31549`.
fn parse(text: &str) -> BTreeMap<u32, u64> {
    let numbers = |line: &str| {
        let mut numbers = line
            .strip_prefix("{ common_pid:")?
            .split(|c: char| !c.is_ascii_digit())
            .filter(|digits| !digits.is_empty());
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    };
    text.lines().filter_map(numbers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_text_is_read() {
        let text = "# event histogram\n#\n# trigger info: hist:keys=common_pid:vals=hitcount\n\n\
            { common_pid:        189 } hitcount:      31549\n\
            { common_pid:         77 } hitcount:          2\n\nTotals:\n    Hits: 31551\n";
        assert_eq!(parse(text), BTreeMap::from([(77, 2), (189, 31549)]));
    }
}
