//! Which physical addresses are memory.

use std::fs;
use std::io;

/// Where the kernel says it.
const IOMEM: &str = "/proc/iomem";

/// The kernel's name for memory; memory that a driver added has more after it.
const SYSTEM_RAM: &str = "System RAM";

/// Why the memory's addresses are not known.
#[derive(Debug, thiserror::Error)]
pub enum IomemError {
    /// It cannot be read.
    #[error("cannot read {IOMEM}: {0}")]
    Io(#[from] io::Error),
    /// The kernel shows zeros to those who may not know.
    #[error(
        "{IOMEM} hides its addresses; they are shown with CAP_SYS_ADMIN only: run it with sudo, outside of a container, or give --regions"
    )]
    Hidden,
    /// No line of memory.
    #[error("{IOMEM} names no System RAM; give --regions")]
    NoRam,
    /// A line is not as it should be.
    #[error("{IOMEM}: line {line}: '{text}' is not a range of addresses; give --regions")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// The line.
        text: String,
    },
}

/// The System RAM blocks of this machine, `[start, end)` in bytes, ascending;
/// blocks that touch are one.
///
/// # Errors
/// See [`IomemError`].
pub fn system_ram() -> Result<Vec<(u64, u64)>, IomemError> {
    parse(&fs::read_to_string(IOMEM)?)
}

/// As [`system_ram`], from the file's text.
///
/// # Errors
/// See [`IomemError`].
pub fn parse(text: &str) -> Result<Vec<(u64, u64)>, IomemError> {
    let mut blocks = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some((range, name)) = line.split_once(" : ") else {
            continue;
        };
        let name = name.trim();
        if name == SYSTEM_RAM || name.starts_with("System RAM (") {
            blocks.push(inclusive(range).ok_or_else(|| IomemError::Malformed {
                line: index + 1,
                text: line.trim().to_owned(),
            })?);
        }
    }
    if blocks.is_empty() {
        return Err(IomemError::NoRam);
    }
    if blocks.iter().all(|&block| block == (0, 0)) {
        return Err(IomemError::Hidden);
    }
    // The very last address cannot be one past any: it is left out.
    let ranges = blocks.into_iter();
    Ok(merge(
        ranges
            .map(|(start, last)| (start, last.saturating_add(1)))
            .collect(),
    ))
}

/// All resources of the file's text in its order: those within another come after
/// it. `[start, end)` in bytes, and the kernel's name.
pub fn resources(text: &str) -> impl Iterator<Item = (u64, u64, &str)> {
    text.lines().filter_map(|line| {
        let (range, name) = line.split_once(" : ")?;
        let (start, last) = inclusive(range)?;
        Some((start, last.saturating_add(1), name.trim()))
    })
}

/// Ranges `[start, end)` in ascending order, those that touch made one.
pub fn merge(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
    for (start, end) in ranges {
        match merged.last_mut() {
            Some(before) if start <= before.1 => before.1 = before.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}

/// `first-last` in hexadecimal.
fn inclusive(range: &str) -> Option<(u64, u64)> {
    let (first, last) = range.trim().split_once('-')?;
    let first = u64::from_str_radix(first, 16).ok()?;
    let last = u64::from_str_radix(last, 16).ok()?;
    (first <= last).then_some((first, last))
}
