//! Samples per second, and what that is beside the least that it can be.

use std::fs::File;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use damo_user::analyze::{
    AccessThreshold, Heat, HeatSpec, InUse, SeriesSpec, WarmUp, Wss, WssSpec,
};
use damo_user::export::{self, Filter};
use damo_user::model::Record;
use damo_user::store::{ReadAhead, Reader, decompress_only};
use rustix::time::ClockId;

use crate::work::{self, Work};

/// Samples put through for a measurement.
const SAMPLES: usize = 4_000_000;

/// In CPU time of one thread, from memory to memory.
pub fn one_core(quick: bool) {
    println!(
        "one core: million samples per CPU second (wanted: 10 written, 20 read), and reading's"
    );
    println!("time as a multiple of: the same without decoding, [a] the zstd crate and [b] the");
    println!("program `zstd -d` for the same raw columns in one stream of level 3");
    println!("       written      read  decompressed   read/that  read/[a]  read/[b]");
    for work in work::all(quick) {
        let rounds = if quick {
            1
        } else {
            SAMPLES.div_ceil(work.samples)
        };
        let mut file = Vec::new();
        work::write(&mut file, &work.snapshots, usize::MAX);
        let mut raw = Vec::new();
        let mut reader = work::reader(&file);
        decompress_only(&mut reader, |columns| raw.extend_from_slice(columns)).expect("intact");
        let stream = zstd::bulk::compress(&raw, 3).expect("memory takes it");
        let mut on_disk = tempfile::NamedTempFile::new().expect("a temporary file");
        for _ in 0..rounds {
            on_disk.write_all(&stream).expect("it is written");
        }
        let repeated = |run: &dyn Fn()| work::cpu(|| (0..rounds).for_each(|_| run()));
        let mut again = Vec::with_capacity(file.len());
        let times = work::best(
            quick,
            [
                &mut || {
                    work::cpu(|| {
                        for _ in 0..rounds {
                            again.clear();
                            work::write(&mut again, &work.snapshots, usize::MAX);
                        }
                    })
                },
                &mut || {
                    repeated(&|| {
                        let samples = work::read(&mut work::reader(&file), |_| ());
                        assert_eq!(samples, work.samples);
                    })
                },
                &mut || {
                    repeated(&|| {
                        let bytes = decompress_only(&mut work::reader(&file), |_| ());
                        assert_eq!(bytes.expect("intact"), raw.len() as u64);
                    })
                },
                &mut || {
                    repeated(&|| {
                        zstd::stream::copy_decode(&stream[..], io::sink()).expect("intact");
                    })
                },
                &mut || {
                    work::cpu_of_children(|| {
                        let mut zstd = Command::new("zstd");
                        zstd.arg("-dcq").arg(on_disk.path()).stdout(Stdio::null());
                        let status = zstd.status();
                        assert!(status.map_or(true, |status| status.success()), "zstd -d");
                    })
                },
            ],
        );
        let [written, read, decompressed, crates, program] = times;
        let speed = |seconds: f64| (work.samples * rounds) as f64 / seconds / 1e6;
        let program = match program > 0.0 {
            true => format!("{:.2}", read / program),
            false => "no zstd".to_owned(),
        };
        println!(
            "{:<5}{:9.1}{:10.1}{:14.1}{:12.2}{:10.2}{program:>10}",
            work.name,
            speed(written),
            speed(read),
            speed(decompressed),
            read / decompressed,
            read / crates,
        );
    }
}

/// What is done with the items: how many samples were seen.
type Fold<'a> = (&'static str, &'a dyn Fn(&mut dyn Record) -> usize);

/// From a file: reading and looking at it in one thread, and in two.
pub fn two_cores(quick: bool) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("reading a file and looking at it in one thread and in two ({cores} cores here):");
    println!(
        "wall seconds, how many times as quick, CPU seconds of both threads and how many times"
    );
    println!("as quick by these alone, with a core for each");
    println!("                samples   Reader  ReadAhead  times    looks +  reads   times");
    for work in work::all(quick) {
        let samples = if quick { work.samples } else { SAMPLES };
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let sink = file.reopen().expect("it is there");
        work::write(sink, work.at_least(samples), usize::MAX);
        let open = || {
            let file = File::open(file.path()).expect("it is there");
            Reader::from_source(Arc::new(file), "the benchmark's file").expect("just written")
        };
        let whole = whole(&work, samples);
        // Text takes so much longer that a part is enough.
        let length = whole.time.end - whole.time.start;
        let part = Filter {
            time: Some(whole.time.start..whole.time.start + length / 8),
            ..Filter::default()
        };
        let folds: [Fold<'_>; 4] = [
            ("nothing", &|record| work::read(record, |_| ())),
            ("heat", &|record| {
                let mut heat = Heat::new(&whole).expect("it has pixels");
                let samples = work::read(record, |snapshot| heat.add(snapshot));
                std::hint::black_box(heat.finish());
                samples
            }),
            ("wss", &|record| {
                let spec = WssSpec {
                    work_time_ns: 1,
                    in_use: InUse {
                        accesses: AccessThreshold::Samples(1),
                        size: 1,
                    },
                    series: SeriesSpec::BY_SIZE,
                };
                let mut wss = Wss::new(spec, WarmUp::new(0));
                let samples = work::read(record, |snapshot| wss.snapshot(snapshot));
                std::hint::black_box(wss);
                samples
            }),
            ("csv", &|record| {
                let written = export::write_csv(record, &part, &mut io::sink());
                written.expect("just written").samples as usize
            }),
        ];
        for (name, fold) in folds {
            let (mut one, mut two) = (0, 0);
            let (mut alone_cpu, mut looks, mut reads) = (f64::MAX, f64::MAX, f64::MAX);
            let wall = ClockId::Monotonic;
            let [alone, ahead] = work::best(
                quick,
                [
                    &mut || {
                        work::took(wall, || {
                            let cpu = work::cpu(|| one = fold(&mut open())).as_secs_f64();
                            alone_cpu = alone_cpu.min(cpu);
                        })
                    },
                    &mut || {
                        work::took(wall, || {
                            let mut main = Duration::ZERO;
                            let all = work::took(ClockId::ProcessCPUTime, || {
                                main = work::cpu(|| two = fold(&mut ReadAhead(open())));
                            });
                            looks = looks.min(main.as_secs_f64());
                            reads = reads.min(all.saturating_sub(main).as_secs_f64());
                        })
                    },
                ],
            );
            assert_eq!(one, two);
            println!(
                "{:<4}{name:<8}{one:11}{alone:9.3}{ahead:11.3}{:7.2}{looks:11.3}{reads:9.3}{:8.2}",
                work.name,
                alone / ahead,
                alone_cpu / looks.max(reads)
            );
        }
    }
}

/// 500 x 500 pixels of all that there is.
fn whole(work: &Work, samples: usize) -> HeatSpec {
    let (mut time, mut space) = ((u64::MAX, 0), (u64::MAX, 0));
    for snapshot in work.at_least(samples) {
        time = (time.0.min(snapshot.start_ns), time.1.max(snapshot.end_ns));
        for region in &snapshot.regions {
            space = (space.0.min(region.start), space.1.max(region.end));
        }
    }
    HeatSpec {
        target: work.snapshots.first().expect("there are some").target,
        time: time.0..time.1,
        space: space.0..space.1,
        resolution: (500, 500),
    }
}
