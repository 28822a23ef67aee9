//! What the program counts of each target where the regions themselves are not
//! wanted (`damo record --summary`). All of it only ever grows, so that user
//! space takes differences and nothing is lost between two looks.

use crate::{Context, RECORD_BYTES, RECORD_FROM};

/// Targets that can be counted at once.
pub const MAX_SUMMARIES: u32 = 1024;

/// Whose summary it is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SummaryKey {
    /// Thread id of the kdamond.
    pub kdamond: u32,
    /// Zero.
    pub unused: u32,
    /// DAMON's target id.
    pub target_id: u64,
}

/// Steps of access rates: 0 to 100 % of an aggregation's checks.
pub const RATES: usize = 101;

/// Steps of idle times, in microseconds: an eighth wide, up to two years.
pub const IDLE: Scale = Scale { bits: 3, most: 45 };

/// Steps of working sets, in [`PAGE`]s: a sixteenth wide, up to 4 PiB.
pub const SIZES: Scale = Scale { bits: 4, most: 39 };

/// The unit of working sets, in bytes, whatever pages the machine has.
pub const PAGE: u64 = 4096;

/// Steps that values are counted in: each value of its own up to `2^bits`, then
/// `2^bits` steps for each doubling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// A step is at most `1 / 2^bits` of its lowest value wide.
    pub bits: u32,
    /// Values from `2^(most + 1)` on count as the highest step.
    pub most: u32,
}

impl Scale {
    /// How many steps there are.
    pub const fn steps(self) -> usize {
        ((self.most - self.bits + 2) as usize) << self.bits
    }

    /// The step that a value belongs to.
    #[inline(always)]
    pub const fn step(self, value: u64) -> usize {
        if value >> self.bits == 0 {
            return value as usize;
        }
        let highest = 63 - value.leading_zeros();
        if highest > self.most {
            return self.steps() - 1;
        }
        let shift = highest - self.bits;
        ((shift as usize) << self.bits) + (value >> shift) as usize
    }

    /// The lowest and the highest value of a step; `None` if there is no such.
    pub fn values(self, step: usize) -> Option<(u64, u64)> {
        if step >= self.steps() {
            return None;
        }
        let Some(shift) = (step >> self.bits).checked_sub(1) else {
            return Some((step as u64, step as u64));
        };
        let low = ((step - (shift << self.bits)) as u64) << shift;
        Some((low, low + ((1 << shift) - 1)))
    }
}

/// Access rate in percent of the `checks` of an aggregation. Rounded up: what
/// was accessed at all is not 0.
#[inline(always)]
pub const fn percent(nr_accesses: u64, checks: u64) -> usize {
    if nr_accesses == 0 {
        return 0;
    }
    if checks == 0 || nr_accesses >= checks {
        return RATES - 1;
    }
    // A u32 in the kernel.
    ((nr_accesses & 0xffff_ffff) * 100).div_ceil(checks) as usize
}

/// What was counted of one target.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// Snapshots of which every region was counted.
    pub snapshots: u64,
    /// Regions that were counted.
    pub regions: u64,
    /// Not 0: nothing is counted any more, as its process is gone; then 1 more
    /// than the regions since.
    pub left_out: u64,
    /// Bytes of the snapshot at hand that were accessed.
    pub working_set: u64,
    /// Whether the snapshot at hand was counted from its first region on.
    pub whole: u64,
    /// Bytes, over all snapshots, by [`percent`].
    pub rates: [u64; RATES],
    /// Bytes that were not accessed, over all snapshots, by idle time.
    pub idle: [u64; IDLE.steps()],
    /// Snapshots by working set.
    pub sizes: [u32; SIZES.steps()],
}

/// One region, and how its numbers are meant.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// Its size.
    pub bytes: u64,
    /// Checks that found it accessed.
    pub nr_accesses: u64,
    /// All checks of the aggregation.
    pub checks: u64,
    /// How long it was not accessed, this aggregation included; 0 where the
    /// kernel does not tell.
    pub idle_us: u64,
    /// It is its snapshot's first one.
    pub begins: bool,
    /// It is its snapshot's last one.
    pub ends: bool,
}

impl Summary {
    /// Counts a region.
    #[inline(always)]
    pub fn count(&mut self, region: &Counted) {
        if self.left_out != 0 {
            self.left_out = self.left_out.wrapping_add(1);
            return;
        }
        if region.begins {
            self.working_set = 0;
            self.whole = 1;
        }
        self.regions = self.regions.wrapping_add(1);
        if let Some(rate) = self
            .rates
            .get_mut(percent(region.nr_accesses, region.checks))
        {
            *rate = rate.wrapping_add(region.bytes);
        }
        if region.nr_accesses > 0 {
            self.working_set = self.working_set.wrapping_add(region.bytes);
        } else if region.idle_us > 0
            && let Some(idle) = self.idle.get_mut(IDLE.step(region.idle_us))
        {
            *idle = idle.wrapping_add(region.bytes);
        }
        if region.ends && self.whole != 0 {
            self.snapshots = self.snapshots.wrapping_add(1);
            self.whole = 0;
            let pages = self.working_set.div_ceil(PAGE);
            if let Some(size) = self.sizes.get_mut(SIZES.step(pages)) {
                *size = size.wrapping_add(1);
            }
        }
    }
}

/// Where a field lies in the copied record.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// From the record's first copied byte; a multiple of `size`.
    pub offset: u32,
    /// 4 or 8; 0: this kernel has no such field.
    pub size: u32,
}

/// Where the fields lie that are read only for summaries, by tracefs's `format`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// `end`.
    pub end: Place,
    /// `nr_accesses`.
    pub nr_accesses: Place,
    /// `age`.
    pub age: Place,
}

/// A record, from [`RECORD_FROM`] on, in words.
pub type Words = [u64; RECORD_BYTES / 8];

const _: () = assert!(RECORD_BYTES.is_multiple_of(8) && RECORD_FROM.is_multiple_of(8));

impl Place {
    /// Reads the field; 0 where there is none. (The program runs on
    /// little-endian machines only.)
    #[inline(always)]
    pub fn read(self, words: &Words) -> u64 {
        let Some(word) = words.get((self.offset >> 3) as usize) else {
            return 0;
        };
        match (self.size, self.offset & 7) {
            (8, _) => *word,
            (4, 0) => *word & 0xffff_ffff,
            (4, _) => *word >> 32,
            _ => 0,
        }
    }
}

impl Counted {
    /// Makes sense of a record's numbers; `None` while the context is not known.
    #[inline(always)]
    pub fn read(
        words: &Words,
        places: &Places,
        start: u64,
        context: &Context,
        begins: bool,
        ends: bool,
    ) -> Option<Counted> {
        if context.sample_us == 0 || context.aggr_us == 0 {
            return None;
        }
        let unit = match context.addr_unit {
            0 => 1,
            unit => unit,
        };
        let idle = match places.age.size {
            0 => 0,
            _ => places.age.read(words).wrapping_add(1),
        };
        Some(Counted {
            bytes: places
                .end
                .read(words)
                .saturating_sub(start)
                .wrapping_mul(unit),
            nr_accesses: places.nr_accesses.read(words),
            checks: context.aggr_us / context.sample_us,
            idle_us: idle.wrapping_mul(context.aggr_us),
            begins,
            ends,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty one.
    fn none() -> Summary {
        Summary {
            snapshots: 0,
            regions: 0,
            left_out: 0,
            working_set: 0,
            whole: 0,
            rates: [0; RATES],
            idle: [0; IDLE.steps()],
            sizes: [0; SIZES.steps()],
        }
    }

    fn region(pages: u64, nr_accesses: u64, idle_us: u64) -> Counted {
        Counted {
            bytes: pages * PAGE,
            nr_accesses,
            checks: 20,
            idle_us,
            begins: false,
            ends: false,
        }
    }

    fn count<const N: usize>(summary: &mut Summary, mut regions: [Counted; N]) {
        regions[0].begins = true;
        regions[N - 1].ends = true;
        for region in &regions {
            summary.count(region);
        }
    }

    #[test]
    fn every_value_is_in_one_step_and_steps_are_narrow() {
        for scale in [IDLE, SIZES] {
            let mut next = 0;
            for step in 0..scale.steps() {
                let (low, high) = scale.values(step).unwrap();
                assert_eq!(low, next, "{step}");
                assert_eq!(scale.step(low), step);
                assert_eq!(scale.step(high), step);
                assert!((high - low) << scale.bits <= low, "{low} to {high}");
                next = high + 1;
            }
            assert_eq!(next, 1 << (scale.most + 1));
            assert_eq!(scale.step(next), scale.steps() - 1);
            assert_eq!(scale.step(u64::MAX), scale.steps() - 1);
            assert_eq!(scale.values(scale.steps()), None);
        }
        // A year of idleness and a PiB are within.
        assert!(IDLE.step(365 * 86_400 * 1_000_000) < IDLE.steps() - 1);
        assert!(SIZES.step((1 << 50) / PAGE) < SIZES.steps() - 1);
    }

    #[test]
    fn rates_are_percent_rounded_up() {
        for (nr_accesses, checks, expected) in [
            (0, 20, 0),
            (1, 20, 5),
            (1, 3, 34),
            (1, 1_000_000, 1),
            (19, 20, 95),
            (199, 200, 100),
            (20, 20, 100),
            (21, 20, 100),
            (u64::MAX, 20, 100),
            (0xffff_ffff, u64::MAX, 1),
            (0, 0, 0),
            (1, 0, 100),
        ] {
            assert_eq!(percent(nr_accesses, checks), expected, "{nr_accesses}");
        }
    }

    #[test]
    fn it_counts_what_an_exact_count_does() {
        let mut summary = none();
        // An odd mix that is the same each time.
        let mut state = 1u64;
        let mut next = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        let (mut rates, mut idle) = ([0u64; RATES], [0u64; IDLE.steps()]);
        let mut sizes = [0u32; SIZES.steps()];
        for _ in 0..500 {
            let regions: [Counted; 7] = core::array::from_fn(|_| {
                let nr_accesses = next(2) * next(21);
                region(next(1 << 20), nr_accesses, 1 + next(1 << 40))
            });
            let mut working_set = 0;
            for it in &regions {
                let rate = it.nr_accesses as f64 / 20.0 * 100.0;
                rates[rate.round() as usize] += it.bytes;
                match it.nr_accesses {
                    0 => {
                        let step = (0..IDLE.steps())
                            .find(|step| IDLE.values(*step).unwrap().1 >= it.idle_us);
                        idle[step.unwrap()] += it.bytes;
                    }
                    _ => working_set += it.bytes,
                }
            }
            let pages = working_set / PAGE;
            let step = (0..SIZES.steps()).find(|step| SIZES.values(*step).unwrap().1 >= pages);
            sizes[step.unwrap()] += 1;
            count(&mut summary, regions);
        }
        assert_eq!((summary.snapshots, summary.regions), (500, 3500));
        assert_eq!(summary.rates, rates);
        assert_eq!(summary.idle, idle);
        assert_eq!(summary.sizes, sizes);
    }

    #[test]
    fn a_part_of_a_snapshot_is_no_working_set() {
        let mut summary = none();
        count(&mut summary, [region(1, 1, 0), region(2, 1, 0)]);
        // The rest of this one never comes.
        let begins = Counted {
            begins: true,
            ..region(1 << 20, 1, 0)
        };
        summary.count(&begins);
        count(&mut summary, [region(3, 20, 0)]);
        // The head of this one was counted for nobody.
        let ends = Counted {
            ends: true,
            ..region(1 << 20, 1, 0)
        };
        summary.count(&ends);
        assert_eq!((summary.snapshots, summary.regions), (2, 5));
        assert_eq!(summary.sizes[3], 2);
        assert_eq!(summary.sizes.iter().sum::<u32>(), 2);
    }

    #[test]
    fn a_target_that_is_gone_counts_no_more() {
        let mut summary = none();
        count(&mut summary, [region(1, 1, 0)]);
        summary.left_out = 1;
        count(&mut summary, [region(1, 1, 0), region(1, 0, 5)]);
        assert_eq!((summary.snapshots, summary.regions), (1, 1));
        assert_eq!(summary.left_out, 3);
    }

    #[test]
    fn numbers_are_read_where_the_kernel_says() {
        let words = [7, 3, 0x1000, 0x5000, 9 << 32 | 20];
        let places = Places {
            end: Place {
                offset: 24,
                size: 8,
            },
            nr_accesses: Place {
                offset: 32,
                size: 4,
            },
            age: Place {
                offset: 36,
                size: 4,
            },
        };
        let context = Context {
            sample_us: 5000,
            aggr_us: 100_000,
            addr_unit: 2,
            ..Context::default()
        };
        let read = |places: &Places, context: &Context| {
            Counted::read(&words, places, 0x1000, context, true, false)
        };
        let counted = read(&places, &context).unwrap();
        assert_eq!(counted.bytes, 0x8000);
        assert_eq!((counted.nr_accesses, counted.checks), (20, 20));
        assert_eq!(counted.idle_us, 1_000_000);
        assert!(counted.begins && !counted.ends);
        // Before 5.17.
        let old = Places {
            age: Place::default(),
            ..places
        };
        assert_eq!(read(&old, &context).unwrap().idle_us, 0);
        assert!(read(&places, &Context::default()).is_none());
        let outside = Place {
            offset: 40,
            size: 8,
        };
        assert_eq!(outside.read(&words), 0);
    }
}
