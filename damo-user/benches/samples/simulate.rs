//! A seeded simulation of DAMON's region adjustment, for tests and benchmarks:
//! sampling, merging (with ages), splitting, as the kernel does once per
//! aggregation. Included by path; no part of the library.

use damo_user::model::{Intervals, Region, Snapshot, TargetKey};

const PAGE: u64 = 4096;
/// Checks per aggregation: 100 ms / 5 ms.
const CHECKS: u32 = 20;

/// Thread id of the kdamond that is simulated.
pub const KDAMOND: u32 = 4242;

/// What a simulated program does with its memory.
#[derive(Clone, Copy)]
pub struct Workload {
    /// Addressable areas, as (first address, pages).
    areas: &'static [(u64, u64)],
    /// DAMON's `nr_regions/min` and `max`.
    nr_regions: (usize, usize),
    /// Pages per stretch of equal heat.
    stretch: u64,
    /// How stretches differ in heat: each takes one of these, as the part of
    /// 1000 checks that find it accessed.
    heats: &'static [u64],
    /// Aggregations between two changes of what is hot.
    phase: u64,
}

/// Two areas used in turn, about 16 regions in each snapshot.
pub const S0: Workload = Workload {
    areas: &[
        (0x563e_baa0_0000, 8_000),
        (0x7f93_6f2a_0000, 51_200),
        (0x7ffc_1a20_0000, 33),
    ],
    nr_regions: (12, 1000),
    stretch: 25_600,
    heats: &[5, 990],
    phase: 50,
};

/// Many stretches of changing, noisy heat, about 140 regions in each snapshot.
pub const S1: Workload = Workload {
    areas: &[
        (0x563e_baa0_0000, 80_000),
        (0x7f93_6f2a_0000, 400_000),
        (0x7f9a_0000_0000, 1_000_000),
        (0x7ffc_1a20_0000, 33),
    ],
    nr_regions: (75, 1000),
    stretch: 40_000,
    heats: &[0, 0, 60, 200, 400, 650, 900, 1000],
    phase: 300,
};

/// About 1000 regions in each snapshot: small stretches, many of them idle.
#[allow(dead_code, reason = "not every user of this file needs all workloads")]
pub const S2: Workload = Workload {
    areas: &[
        (0x563e_baa0_0000, 400_000),
        (0x7f93_0000_0000, 4_000_000),
        (0x7ffc_1a20_0000, 33),
    ],
    nr_regions: (500, 2000),
    stretch: 12_000,
    heats: &[0, 0, 0, 20, 200, 500, 900, 1000],
    phase: 600,
};

struct Rng(u64);

impl Rng {
    /// splitmix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }
}

#[derive(Clone, Copy)]
struct Area {
    start: u64,
    end: u64,
    nr: u32,
    last_nr: u32,
    age: u32,
}

impl Area {
    fn len(&self) -> u64 {
        self.end - self.start
    }
}

/// An endless source of snapshots.
pub struct Simulation {
    work: Workload,
    rng: Rng,
    regions: Vec<Area>,
    last_count: usize,
    window: u64,
    now: u64,
}

impl Simulation {
    /// Starts `work`; equal seeds give equal snapshots.
    pub fn new(work: Workload, seed: u64) -> Self {
        let regions = work
            .areas
            .iter()
            .flat_map(|&(start, pages)| {
                let parts = (work.nr_regions.0 / work.areas.len()).max(1) as u64;
                let step = (pages / parts).max(1) * PAGE;
                let end = start + pages * PAGE;
                (0..parts).map_while(move |i| {
                    let from = start + i * step;
                    let to = if i + 1 == parts { end } else { from + step };
                    (from < to && to <= end).then_some(Area {
                        start: from,
                        end: to,
                        nr: 0,
                        last_nr: 0,
                        age: 0,
                    })
                })
            })
            .collect();
        Simulation {
            work,
            rng: Rng(seed),
            regions,
            last_count: 0,
            window: 0,
            now: 539_809_434_100,
        }
    }

    /// Whether a check of the page at `addr` finds it accessed.
    fn accessed(&mut self, addr: u64) -> bool {
        let stretch = addr / PAGE / self.work.stretch;
        let phase = self.window / self.work.phase;
        let pick =
            Rng(stretch.wrapping_mul(31) ^ (phase << 40)).below(self.work.heats.len() as u64);
        self.rng.below(1000) < self.work.heats[pick as usize]
    }

    fn sample(&mut self) {
        for i in 0..self.regions.len() {
            let r = self.regions[i];
            let mut nr = 0;
            for _ in 0..CHECKS {
                let page = self.rng.below(r.len() / PAGE);
                nr += u32::from(self.accessed(r.start + page * PAGE));
            }
            self.regions[i].nr = nr;
        }
    }

    fn merge(&mut self) {
        let total: u64 = self.regions.iter().map(Area::len).sum();
        let limit = total / self.work.nr_regions.0 as u64;
        let mut threshold = self.regions.iter().map(|r| r.nr).max().unwrap_or(0) / 10;
        for r in &mut self.regions {
            r.age = if r.nr.abs_diff(r.last_nr) > threshold {
                0
            } else {
                r.age + 1
            };
        }
        loop {
            let mut merged: Vec<Area> = Vec::with_capacity(self.regions.len());
            for r in self.regions.drain(..) {
                match merged.last_mut() {
                    Some(l)
                        if l.end == r.start
                            && l.nr.abs_diff(r.nr) <= threshold
                            && l.len() + r.len() <= limit =>
                    {
                        let (a, b) = (l.len(), r.len());
                        let mean = |x: u32, y: u32| {
                            ((u64::from(x) * a + u64::from(y) * b) / (a + b)) as u32
                        };
                        (l.nr, l.age, l.end) = (mean(l.nr, r.nr), mean(l.age, r.age), r.end);
                    }
                    _ => merged.push(r),
                }
            }
            self.regions = merged;
            if self.regions.len() <= self.work.nr_regions.1 || threshold > CHECKS {
                return;
            }
            threshold = threshold.max(1) * 2;
        }
    }

    fn split(&mut self) {
        let count = self.regions.len();
        let max = self.work.nr_regions.1;
        if count > max / 2 {
            return;
        }
        let parts = if count == self.last_count && count < max / 3 {
            3
        } else {
            2
        };
        self.last_count = count;
        let mut next = Vec::with_capacity(count * parts);
        for mut r in self.regions.drain(..) {
            for _ in 1..parts {
                let cut = (1 + self.rng.below(9)) * r.len() / 10 / PAGE * PAGE;
                if cut == 0 || cut >= r.len() {
                    continue;
                }
                next.push(Area {
                    end: r.start + cut,
                    ..r
                });
                r.start += cut;
            }
            next.push(r);
        }
        self.regions = next;
    }
}

impl Iterator for Simulation {
    type Item = Snapshot;

    fn next(&mut self) -> Option<Snapshot> {
        self.sample();
        self.merge();
        let start_ns = self.now;
        // A kdamond oversleeps a little at each of its 20 checks.
        self.now += 100_000_000 + 20 * 57_000 + self.rng.below(400_000);
        let regions = self
            .regions
            .iter()
            .map(|r| Region {
                start: r.start,
                end: r.end,
                nr_accesses: r.nr,
                age: Some(r.age),
            })
            .collect();
        for r in &mut self.regions {
            r.last_nr = r.nr;
        }
        self.split();
        self.window += 1;
        Some(Snapshot {
            target: TargetKey {
                kdamond: KDAMOND,
                target_id: 0,
            },
            start_ns,
            end_ns: self.now,
            intervals: Some(Intervals {
                sample_us: 5_000,
                aggr_us: 100_000,
                update_us: 1_000_000,
            }),
            missing: 0,
            regions,
            extra: None,
        })
    }
}
