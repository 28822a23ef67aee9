//! The samples, how they are written, and how time is taken.

use std::io::Cursor;
use std::time::Duration;

use damo_user::model::{Item, Meta, Record, Snapshot};
use damo_user::store::{Reader, Sink, Writer};
use rustix::time::{ClockId, clock_gettime};

use crate::fixture;
use crate::simulate::{S0, S1, Simulation};

/// Samples of a simulated record.
const SAMPLES: usize = 400_000;

/// A record to be.
pub struct Work {
    pub name: &'static str,
    pub snapshots: Vec<Snapshot>,
    pub samples: usize,
    /// Bytes per sample that it may take.
    pub target: f64,
}

impl Work {
    fn new(name: &'static str, target: f64, snapshots: Vec<Snapshot>) -> Self {
        Work {
            name,
            samples: samples_of(&snapshots),
            snapshots,
            target,
        }
    }

    /// The same again and again, its times going on, until there are `samples`.
    pub fn at_least(&self, samples: usize) -> impl Iterator<Item = Snapshot> + '_ {
        let first = self.snapshots.first().expect("there are snapshots");
        let last = self.snapshots.last().expect("there are snapshots");
        let length = last.end_ns - first.start_ns;
        (0..samples.div_ceil(self.samples) as u64).flat_map(move |round| {
            self.snapshots.iter().map(move |snapshot| Snapshot {
                start_ns: snapshot.start_ns + round * length,
                end_ns: snapshot.end_ns + round * length,
                ..snapshot.clone()
            })
        })
    }
}

/// The fixture, if it is here, and the simulated records.
pub fn all(quick: bool) -> Vec<Work> {
    let fixture = fixture::zigzag().map(|snapshots| Work::new("R", 1.0, snapshots));
    let simulated = [("S0", S0, 2.2), ("S1", S1, 3.2)].map(|(name, workload, target)| {
        let mut samples = 0;
        let enough = |snapshot: &Snapshot| {
            samples += snapshot.regions.len();
            samples < if quick { SAMPLES / 40 } else { SAMPLES }
        };
        let simulation = Simulation::new(workload, 1);
        Work::new(name, target, simulation.take_while(enough).collect())
    });
    fixture.into_iter().chain(simulated).collect()
}

pub fn samples_of(snapshots: &[Snapshot]) -> usize {
    snapshots.iter().map(|it| it.regions.len()).sum()
}

/// Writes a record, with a frame flushed each `per_frame` samples at the latest.
pub fn write(
    sink: impl Sink,
    snapshots: impl IntoIterator<Item = impl std::borrow::Borrow<Snapshot>>,
    per_frame: usize,
) {
    let mut writer = Writer::new(sink, &Meta::default()).expect("it can be written");
    let mut held = 0;
    for snapshot in snapshots {
        let snapshot = snapshot.borrow();
        writer.snapshot(snapshot).expect("it can be written");
        held += snapshot.regions.len();
        if held >= per_frame {
            writer.flush().expect("it can be written");
            held = 0;
        }
    }
    writer.finish().expect("it can be written");
}

pub fn reader(file: &[u8]) -> Reader<Cursor<&[u8]>> {
    Reader::from_source(Cursor::new(file), "memory").expect("just written")
}

/// Gives each snapshot to `each`; returns how many regions there were.
pub fn read(record: &mut dyn Record, mut each: impl FnMut(&Snapshot)) -> usize {
    let mut samples = 0;
    for item in record.items().expect("just written") {
        match item.expect("just written") {
            Item::Snapshot(snapshot) => {
                each(&snapshot);
                samples += snapshot.regions.len();
            }
            other => panic!("{other:?}"),
        }
    }
    samples
}

/// A clock's time between the beginning and the end of `run`.
pub fn took(clock: ClockId, run: impl FnOnce()) -> Duration {
    let now = || Duration::try_from(clock_gettime(clock)).expect("a time");
    let start = now();
    run();
    now() - start
}

/// CPU time of this thread alone: what else the machine does matters less.
pub fn cpu(run: impl FnOnce()) -> Duration {
    took(ClockId::ThreadCPUTime, run)
}

/// CPU time of the processes that were started and ended in `run`.
pub fn cpu_of_children(run: impl FnOnce()) -> Duration {
    use nix::sys::resource::{UsageWho, getrusage};
    let used = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("it is always there");
        [usage.user_time(), usage.system_time()]
            .iter()
            .map(|time| Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1000))
            .sum::<Duration>()
    };
    let before = used();
    run();
    used() - before
}

/// The shortest of three, all of them once before the next round, so that what
/// is compared is measured in the same weather.
pub fn best<const N: usize>(quick: bool, mut runs: [&mut dyn FnMut() -> Duration; N]) -> [f64; N] {
    let mut best = [f64::INFINITY; N];
    for _ in 0..if quick { 1 } else { 3 } {
        for (run, best) in runs.iter_mut().zip(&mut best) {
            *best = best.min(run().as_secs_f64());
        }
    }
    best
}
