//! A recording at a rate, for some time.

use damo_user::model::{Intervals, Record};
use damo_user::recorder::{Behind, Filters, Plan, around};
use damo_user::source::{Arrival, Event, Layout, Options};
use damo_user::store::{Reader, Stats};
use damo_user::sys::{clock, own};

use crate::ring::{DEFAULT, FORMAT, KDAMOND, Kernel, REGION, Ring};

/// Regions in each snapshot.
const REGIONS: u64 = 1000;

/// How often the recorder looks without being notified.
const TICK_NS: u64 = 100_000_000;

/// Events that are taken before the kernel is given its time.
const CHUNK: usize = 512;

/// How a recording went.
pub struct Run {
    rate: u64,
    seconds: u64,
    busy_ns: u64,
    kernel: Kernel,
    stats: Stats,
}

/// Time, if the recorder has one processor for itself.
struct Clock {
    /// What the process had used when it began, and what it did for the kernel.
    not_ours_ns: u64,
    skipped_ns: u64,
}

impl Clock {
    fn busy_ns(&self) -> u64 {
        own::cpu_ns() - self.not_ours_ns
    }

    fn now_ns(&self) -> u64 {
        self.busy_ns() + self.skipped_ns
    }

    /// Does what the kernel does, on a processor that is not ours.
    fn aside(&mut self, work: impl FnOnce()) {
        let began_ns = clock::thread_cpu_ns();
        work();
        self.not_ours_ns += clock::thread_cpu_ns() - began_ns;
    }

    fn wait_until(&mut self, time_ns: u64) {
        self.skipped_ns += time_ns.saturating_sub(self.now_ns());
    }
}

impl Run {
    /// Records `rate` events a second.
    pub fn of(rate: u64, seconds: u64) -> Run {
        let dir = tempfile::tempdir().unwrap();
        let plan = plan(dir.path().join("damon.data"));
        let layout = Layout::parse(FORMAT).unwrap();
        let every_ns = REGIONS * 1_000_000_000 / rate;
        let intervals = Intervals {
            sample_us: every_ns / 20_000,
            aggr_us: every_ns / 1000,
            update_us: 1_000_000,
        };
        let (mut ring, mut kernel) = (Ring::new(DEFAULT), Kernel::new(REGIONS));
        let mut behind = Behind::begin(&plan, KDAMOND, intervals, 0).unwrap();
        let mut clock = Clock {
            not_ours_ns: own::cpu_ns(),
            skipped_ns: 0,
        };
        let end_ns = seconds * 1_000_000_000;
        let (mut due_ns, mut tick_ns) = (every_ns, TICK_NS);
        loop {
            let now_ns = clock.now_ns();
            // What has happened meanwhile.
            clock.aside(|| {
                while due_ns <= now_ns.min(end_ns) {
                    kernel.snapshot(&mut ring, due_ns);
                    due_ns += every_ns;
                }
            });
            let mut taken = 0;
            while let Some(item) = ring.pop::<REGION>() {
                let event = Event::decode(&layout, &item).unwrap();
                behind.take(&Arrival::Event(event));
                taken += 1;
                if taken == CHUNK {
                    break;
                }
            }
            if taken == CHUNK {
                continue;
            }
            if now_ns >= end_ns {
                break;
            }
            if now_ns >= tick_ns {
                behind.tick(now_ns).unwrap();
                tick_ns += TICK_NS;
            }
            clock.wait_until(due_ns.min(tick_ns).min(end_ns));
        }
        let busy_ns = clock.busy_ns();
        let stats = behind.close(&kernel.counters, end_ns).unwrap();
        let record = Reader::open(&plan.out).unwrap();
        assert_eq!(record.totals().samples, stats.samples);
        assert_eq!(record.about().closed, Some(true));
        Run {
            rate,
            seconds,
            busy_ns,
            kernel,
            stats,
        }
    }

    /// A line; its last number is the peak of memory in KiB.
    pub fn print(&self) {
        let counters = &self.kernel.counters;
        let share = self.busy_ns as f64 / (self.seconds as f64 * 1e9);
        println!(
            "{:8}{:9}{:7.2} %{:13.1} M/s{:14.2}{:7}{:14} KiB",
            self.rate,
            self.seconds,
            share * 100.0,
            counters.seen as f64 / self.busy_ns as f64 * 1e3,
            self.stats.bytes as f64 / self.stats.samples as f64,
            self.stats.lost,
            peak_kib()
        );
        assert_eq!(counters.seen, self.rate * self.seconds);
        assert_eq!(
            (counters.lost, self.stats.lost),
            (0, 0),
            "something is lost"
        );
        assert_eq!(self.stats.samples, counters.seen);
    }
}

fn plan(out: std::path::PathBuf) -> Plan {
    Plan {
        summary: None,
        out,
        mode: 0o600,
        rotation: None,
        filters: Filters::default(),
        access: true,
        around: around::Choice {
            mappings: false,
            footprint: false,
            cpu_time: false,
        },
        cpu_profile: false,
        max_cpu: None,
        service: false,
        timeout: None,
        tap: Options::default(),
        command_line: Vec::new(),
    }
}

/// The most memory that this process has had.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.unwrap().parse().unwrap()
}
