//! A recorder that is left running stays as it is. For `DAMO_SOAK_SECONDS`, in
//! `cargo xtask release-check`; not in the ordinary run.

use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use damo_tests::counted;
use damo_user::analyze::Losses;
use damo_user::import;
use damo_user::model::{Happening, Item, Known, Record};
use damo_user::store::{Reader, Segments, segment_name, verify};

use crate::kit::{Scene, get, parameters, set, until};
use crate::ongoing::physical;
use crate::others::watching;

/// What a recorder may take, in KiB.
const MOST_KIB: u64 = 32 << 10;

/// What memory may differ by, between the first half and the second.
const SLACK_KIB: u64 = 2 << 10;

/// What the number of descriptors may differ by: a rotation has a file more or
/// two, if it is looked at just then.
const SLACK_FDS: usize = 3;

/// What the kernel says of a process.
#[derive(Clone, Copy, Debug)]
struct Taken {
    rss_kib: u64,
    fds: usize,
    threads: u64,
}

fn number(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.unwrap().parse().unwrap()
}

fn taken(pid: u32) -> Taken {
    Taken {
        rss_kib: number(pid, "VmRSS:"),
        fds: fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count(),
        threads: number(pid, "Threads:"),
    }
}

/// CPU time of a process so far, in hundredths of a second.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after = stat.rsplit(") ").next().unwrap().split(' ');
    let times = after.skip(11).take(2).map(|it| it.parse::<u64>().unwrap());
    times.sum()
}

fn state(index: usize) -> String {
    get(&format!("kdamonds/{index}/state"))
}

/// The first kdamond watches a process, which is killed if it lives, and then
/// another one.
fn next_target(target: &mut Child) {
    target.kill().unwrap();
    target.wait().unwrap();
    until("the end of a kdamond", || state(0) == "off");
    let args = ["--size", "8M", "--period", "500ms", "--duration", "600s"];
    *target = Command::new("zigzag").args(args).spawn().unwrap();
    let pid = target.id().to_string();
    set("kdamonds/0/contexts/0/targets/0/pid_target", &pid);
    set("kdamonds/0/state", "on");
}

#[test]
#[ignore = "takes DAMO_SOAK_SECONDS: cargo xtask release-check"]
fn memory_and_descriptors_stay_as_they_are() {
    let seconds = std::env::var("DAMO_SOAK_SECONDS").map(|it| it.parse().unwrap());
    let length = Duration::from_secs(seconds.unwrap_or(600));
    let scene = Scene::quiet("soak");
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let mut target = Command::new("zigzag").spawn().unwrap();
    set("kdamonds/nr_kdamonds", "3");
    watching(&target);
    physical(1, 1000);
    physical(2, 1000);
    for index in 0..3 {
        let intervals = format!("kdamonds/{index}/contexts/0/monitoring_attrs/intervals");
        set(&format!("{intervals}/sample_us"), "1000");
        set(&format!("{intervals}/aggr_us"), "5000");
    }
    counted::start().unwrap();
    let out = scene.path("record");
    let args = [
        "record",
        "--service",
        "--rotate",
        "10s",
        "-o",
        "record",
        "ongoing",
    ];
    let recorder = scene.start(&args);
    until("a folder", || out.exists());
    let pid = recorder.pid();
    for index in 0..3 {
        set(&format!("kdamonds/{index}/state"), "on");
    }
    let (begun, mut looked, mut restarts) = (Instant::now(), Vec::new(), 0);
    for second in 1.. {
        std::thread::sleep(Duration::from_secs(1));
        match second % 4 {
            1 => next_target(&mut target),
            3 => {
                set("kdamonds/2/state", "off");
                set("kdamonds/2/state", "on");
            }
            _ => {}
        }
        restarts += second % 2;
        looked.push(taken(pid));
        if begun.elapsed() >= length {
            break;
        }
    }
    let (peak_kib, took) = (number(pid, "VmHWM:"), begun.elapsed());
    let share = cpu_ticks(pid) as f64 / took.as_secs_f64();
    recorder.signal("TERM");
    let ran = recorder.wait();
    println!("{}", ran.stderr.trim());
    assert!(matches!(ran.status.code(), Some(0 | 3)), "{}", ran.stderr);
    for index in [1, 2] {
        assert_eq!(state(index), "on", "it is not ours to switch off");
        set(&format!("kdamonds/{index}/state"), "off");
    }
    target.kill().unwrap();
    target.wait().unwrap();
    until("the end of a kdamond", || state(0) == "off");
    let emitted: u64 = counted::by_thread().unwrap().values().sum();

    println!("second    VmRSS  descriptors  threads");
    for (at, taken) in looked
        .iter()
        .enumerate()
        .step_by((looked.len() / 20).max(1))
    {
        let Taken {
            rss_kib,
            fds,
            threads,
        } = taken;
        println!("{at:6}{rss_kib:9}{fds:13}{threads:9}");
    }
    // The first tenth is its beginning.
    let settled = looked.get(looked.len() / 10..).unwrap();
    let (first, second) = settled.split_at(settled.len() / 2);
    let most_kib = |some: &[Taken]| some.iter().map(|it| it.rss_kib).max().unwrap();
    let most_fds = |some: &[Taken]| some.iter().map(|it| it.fds).max().unwrap();
    let (kib, fds) = ([first, second].map(most_kib), [first, second].map(most_fds));
    println!(
        "{took:?}, {restarts} restarts: VmHWM {peak_kib} KiB, VmRSS at most {kib:?} KiB, \
         descriptors at most {fds:?}, CPU {share:.2} %"
    );
    assert!(peak_kib <= MOST_KIB, "{peak_kib} KiB");
    assert!(kib[1] <= kib[0] + SLACK_KIB, "{kib:?}");
    assert!(fds[1] <= fds[0] + SLACK_FDS, "{fds:?}");

    let mut segments = Segments::open(&out).unwrap();
    for &number in segments.numbers() {
        let mut segment = Reader::open(out.join(segment_name(number))).unwrap();
        let checked = verify(&mut segment).unwrap();
        assert!(
            checked.faults.is_empty() && checked.closed,
            "segment {number}: {checked:?}"
        );
    }
    let nr_segments = segments.numbers().len() as u64;
    assert!(nr_segments >= took.as_secs() / 10, "{nr_segments} segments");
    let (mut losses, mut left_out) = (Losses::default(), 0);
    for item in segments.items().unwrap() {
        let item = item.unwrap();
        losses.add(&item);
        if let Item::Note(note) = &item
            && let Known::Happened(it) = note.what
            && it.what == Happening::DeadOut
        {
            left_out += it.value;
        }
    }
    let (stored, lost) = (losses.stored, losses.samples());
    println!(
        "{nr_segments} segments: emitted {emitted}, stored {stored}, lost {lost}, left out {left_out}"
    );
    assert!(stored > 1000);
    // Those that came after its end are nobody's.
    assert!(stored + lost + left_out <= emitted);
    assert_eq!(import::open(&out).unwrap().about().closed, Some(true));
    assert_eq!(fs::read_to_string("/proc/mounts").unwrap(), mounts);
    let left = fs::read_dir("/run/damo").into_iter().flatten().flatten();
    let names: Vec<_> = left.map(|entry| entry.file_name()).collect();
    let of_recorder =
        |name: &&std::ffi::OsString| name.to_string_lossy().contains(&pid.to_string());
    assert_eq!(names.iter().find(of_recorder), None);
    assert!(parameters().len() > 50);
}
