//! Anonymous memory to touch.

use std::hint::black_box;

use anyhow::{Context, Result};
use memmap2::{Advice, MmapMut};

use super::log::Area;

/// The unit of touching; every page of this or a larger size is touched.
pub const PAGE: usize = 4096;

/// Pages whose protection is toggled to make the kernel flush the TLB: more
/// than the 33 that it would flush one by one. DAMON sees them as used, too, so
/// they are few.
const SCRATCH_PAGES: usize = 64;

/// Several areas of one size. The kernel may place one right after the other.
pub struct Areas {
    maps: Vec<MmapMut>,
    pages: usize,
}

impl Areas {
    /// Maps areas of `size` bytes, with transparent huge pages only if `huge`.
    ///
    /// # Errors
    /// There is not that much memory.
    pub fn map(count: usize, size: usize, huge: bool) -> Result<Self> {
        let map = || -> Result<MmapMut> {
            let map = MmapMut::map_anon(size)
                .with_context(|| format!("cannot map an area of {size} bytes"))?;
            if !huge {
                map.advise(Advice::NoHugePage).context("madvise")?;
            }
            Ok(map)
        };
        Ok(Self {
            maps: (0..count).map(|_| map()).collect::<Result<_>>()?,
            pages: size.div_ceil(PAGE),
        })
    }

    /// Pages per area.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Where the areas are.
    pub fn ranges(&self) -> Vec<Area> {
        let range = |map: &MmapMut| {
            let range = map.as_ptr_range();
            Area::new(range.start as usize, range.end as usize)
        };
        self.maps.iter().map(range).collect()
    }

    /// Writes one byte to each of up to `count` pages of an area, from page
    /// `first` on; returns how many pages those were.
    pub fn touch(&mut self, area: usize, first: usize, count: usize) -> usize {
        let Some(map) = self.maps.get_mut(area) else {
            return 0;
        };
        let from = first.saturating_mul(PAGE).min(map.len());
        let to = from
            .saturating_add(count.saturating_mul(PAGE))
            .min(map.len());
        touch(map.get_mut(from..to).unwrap_or_default())
    }
}

fn touch(bytes: &mut [u8]) -> usize {
    let mut touched = 0;
    for byte in bytes.iter_mut().step_by(PAGE) {
        *black_box(byte) = 1;
        touched += 1;
    }
    touched
}

/// Emulated CPUs have a TLB so large that small areas never leave it, and then
/// the kernel sees no access; hardware would evict them by itself.
pub struct FlushTlb {
    scratch: Option<MmapMut>,
}

impl FlushTlb {
    /// Maps the scratch pages.
    ///
    /// # Errors
    /// There is no memory.
    pub fn new() -> Result<Self> {
        let scratch = MmapMut::map_anon(SCRATCH_PAGES * PAGE).context("scratch pages")?;
        scratch.advise(Advice::NoHugePage).context("madvise")?;
        Ok(Self {
            scratch: Some(scratch),
        })
    }

    /// Makes the kernel flush this CPU's TLB.
    ///
    /// # Errors
    /// mprotect failed.
    pub fn flush(&mut self) -> Result<()> {
        if let Some(mut scratch) = self.scratch.take() {
            // Only pages that can be written have anything to flush.
            touch(&mut scratch);
            let read_only = scratch.make_read_only().context("mprotect")?;
            self.scratch = Some(read_only.make_mut().context("mprotect")?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_reaches_every_page_once() {
        let mut areas = Areas::map(2, 5 * PAGE + 1, false).unwrap();
        assert_eq!(areas.pages(), 6);
        assert_eq!(areas.touch(1, 0, 4), 4);
        assert_eq!(areas.touch(1, 4, 4), 2);
        assert_eq!(areas.touch(1, 6, 4), 0);
        let written = |map: &MmapMut| {
            let written = map.iter().enumerate().filter(|(_, byte)| **byte != 0);
            written.map(|(place, _)| place / PAGE).collect::<Vec<_>>()
        };
        assert!(written(&areas.maps[0]).is_empty());
        assert_eq!(written(&areas.maps[1]), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn flushing_can_be_repeated() {
        let mut flush = FlushTlb::new().unwrap();
        flush.flush().unwrap();
        flush.flush().unwrap();
        assert!(flush.scratch.is_some());
    }
}
