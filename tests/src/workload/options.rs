//! What all workloads can be told.

use std::path::PathBuf;
use std::time::Duration;

/// The options of every workload.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Size of each area, in bytes or with K, M or G
    #[arg(long, default_value = "100M", value_parser = parse_size)]
    pub size: usize,
    /// Time per phase: 2s, 500ms, 100us
    #[arg(long, default_value = "2s", value_parser = parse_time)]
    pub period: Duration,
    /// Time of all phases together
    #[arg(long, default_value = "20s", value_parser = parse_time)]
    pub duration: Duration,
    /// Write what was done to a file, or to stdout if it is -
    #[arg(long, value_name = "FILE|-")]
    pub log: Option<PathBuf>,
    /// Do not touch all areas once before the first phase
    #[arg(long)]
    pub no_prefault: bool,
    /// Allow transparent huge pages
    #[arg(long)]
    pub huge: bool,
    /// Make the kernel flush the TLB every 5 ms: for small areas under emulation
    #[arg(long)]
    pub flush_tlb: bool,
}

/// Reads a size above zero: `4096`, `64K`, `100M`, `1G` (powers of 1024).
///
/// # Errors
/// It is not one.
pub fn parse_size(text: &str) -> Result<usize, String> {
    let (digits, shift) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(digits) if text.ends_with('K') => (digits, 10),
        Some(digits) if text.ends_with('M') => (digits, 20),
        Some(digits) => (digits, 30),
        None => (text, 0),
    };
    digits
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .filter(|size| (1..=isize::MAX as usize).contains(size))
        .ok_or_else(|| "give a size like 4096, 64K, 100M or 1G".to_owned())
}

/// Reads a time above zero: `2s`, `500ms`, `100us`.
///
/// # Errors
/// It is not one.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let number = |unit: &str| text.strip_suffix(unit)?.parse::<u64>().ok();
    let millis = || number("ms").map(Duration::from_millis);
    let micros = || number("us").map(Duration::from_micros);
    let seconds = || number("s").map(Duration::from_secs);
    millis()
        .or_else(micros)
        .or_else(seconds)
        .filter(|time| (1..=1 << 50).contains(&time.as_micros()))
        .ok_or_else(|| "give a time like 2s, 500ms or 100us".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        for (text, size) in [("1", 1), ("4096", 4096), ("64K", 1 << 16), ("2G", 2 << 30)] {
            assert_eq!(parse_size(text), Ok(size));
        }
        assert_eq!(parse_size("100M"), Ok(100 << 20));
        for text in [
            "",
            "0",
            "M",
            "1.5M",
            "-1",
            "1T",
            "1m",
            "1MK",
            "99999999999G",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_have_units() {
        assert_eq!(parse_time("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(parse_time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_time("100us"), Ok(Duration::from_micros(100)));
        for text in [
            "",
            "2",
            "0s",
            "s",
            "1.5s",
            "-1s",
            "1m",
            "18446744073709551615s",
        ] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
