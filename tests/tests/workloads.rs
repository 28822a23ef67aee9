//! The workloads' logs tell the truth.

// Clippy knows only functions marked #[test] as tests.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use damo_tests::workload::{Area, Layout, Phase};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const ZIGZAG: &str = env!("CARGO_BIN_EXE_zigzag");
const STAIRS: &str = env!("CARGO_BIN_EXE_stairs");
const HOTCOLD: &str = env!("CARGO_BIN_EXE_hotcold");

/// Runs a workload and reads its log.
fn log_of(program: &str, args: &[&str]) -> (Vec<Area>, Vec<Phase>) {
    let output = Command::new(program)
        .args(["--log", "-", "--size", "64K"])
        .args(args)
        .output()
        .unwrap();
    parse(&output)
}

fn parse(output: &Output) -> (Vec<Area>, Vec<Phase>) {
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let mut lines = text.lines();
    let layout: Layout = serde_json::from_str(lines.next().unwrap()).unwrap();
    let phases = lines.map(|line| serde_json::from_str(line).unwrap());
    (layout.areas, phases.collect())
}

/// The numbers of the areas used, phase by phase. A phase during which the
/// machine was busy elsewhere may be without a pass, but not all of them.
fn used(areas: &[Area], phases: &[Phase]) -> Vec<usize> {
    let number = |phase: &Phase| {
        assert_eq!(phase.areas.len(), 1);
        let place = areas.iter().position(|area| *area == phase.areas[0].area);
        place.unwrap()
    };
    let passes: u64 = phases.iter().map(|phase| phase.areas[0].passes).sum();
    assert!(passes > 1, "{phases:?}");
    phases.iter().map(number).collect()
}

#[test]
fn zigzag_uses_two_areas_in_turn_without_a_break() {
    let args = ["--period", "300ms", "--duration", "1500ms"];
    let (areas, phases) = log_of(ZIGZAG, &args);
    assert_eq!(areas.len(), 2);
    assert_eq!(used(&areas, &phases), [0, 1, 0, 1, 0]);
    for pair in phases.windows(2) {
        assert_eq!(pair[0].end_ns, pair[1].start_ns);
    }
    for (number, phase) in (1..).zip(&phases) {
        assert!(phase.end_ns - phases[0].start_ns >= number * 300_000_000);
    }
    for area in &areas {
        let (start, end) = area.range().unwrap();
        assert_eq!((start % 4096, end - start), (0, 64 << 10));
    }
}

#[test]
fn stairs_climbs_all_areas_and_starts_again() {
    let args = ["--areas", "3", "--period", "300ms", "--duration", "1500ms"];
    let (areas, phases) = log_of(STAIRS, &args);
    assert_eq!(areas.len(), 3);
    assert_eq!(used(&areas, &phases), [0, 1, 2, 0, 1]);
}

#[test]
fn hotcold_never_uses_its_second_area() {
    let args = ["--period", "300ms", "--duration", "900ms", "--flush-tlb"];
    let (areas, phases) = log_of(HOTCOLD, &args);
    assert_eq!(areas.len(), 2);
    assert_eq!(used(&areas, &phases), [0, 0, 0]);
}

#[test]
fn the_kernel_agrees_on_which_pages_were_touched() {
    // 1 MiB is 256 pages. The first of the phases is long enough to look.
    assert_eq!(pages_when("60s", |pages| pages[0] == 256), [256, 0]);
    assert_eq!(pages_when("100ms", |pages| pages[1] == 256), [256, 256]);
}

/// How many pages of zigzag's two areas are in memory, without prefault, once
/// that is `enough` (or after 10 s).
fn pages_when(period: &str, enough: fn(&[usize; 2]) -> bool) -> [usize; 2] {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let mut child = Command::new(ZIGZAG)
        .args(["--no-prefault", "--size", "1M", "--period", period, "--log"])
        .arg(&log)
        .spawn()
        .unwrap();
    let pagemap = File::open(format!("/proc/{}/pagemap", child.id())).unwrap();
    let resident = |area: &Area| pages_in_memory(&pagemap, area.range().unwrap());
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut pages = [usize::MAX; 2];
    while !enough(&pages) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
        let text = fs::read_to_string(&log).unwrap_or_default();
        let layout = text.lines().next().map(serde_json::from_str::<Layout>);
        if let Some(Ok(layout)) = layout {
            pages = [resident(&layout.areas[0]), resident(&layout.areas[1])];
        }
    }
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    child.wait().unwrap();
    pages
}

/// How many pages of a range are in memory.
fn pages_in_memory(pagemap: &File, (start, end): (u64, u64)) -> usize {
    let mut entries = vec![0; usize::try_from((end - start) / 4096 * 8).unwrap()];
    pagemap
        .read_exact_at(&mut entries, start / 4096 * 8)
        .unwrap();
    // An entry's top bit says that the page is present.
    let present = |entry: &&[u8]| entry[7] & 0x80 != 0;
    entries.chunks_exact(8).filter(present).count()
}

#[test]
fn sigterm_is_a_normal_end_with_a_whole_log() {
    let child = Command::new(ZIGZAG)
        .args(["--log", "-", "--size", "64K", "--duration", "60s"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(child.id().cast_signed());
    // Before its handler is in place, the signal would just kill it.
    let deadline = Instant::now() + Duration::from_secs(10);
    while !blocks_sigterm(pid) {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(5));
    }
    let start = Instant::now();
    kill(pid, Signal::SIGTERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(output.status.signal(), None);
    let (areas, phases) = parse(&output);
    assert_eq!((areas.len(), phases.len()), (2, 1));
}

fn blocks_sigterm(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let blocked = status
        .lines()
        .find_map(|line| line.strip_prefix("SigBlk:\t"));
    let blocked = u64::from_str_radix(blocked.unwrap(), 16).unwrap();
    blocked & 1 << (Signal::SIGTERM as i32 - 1) != 0
}

#[test]
fn bad_options_are_usage_errors() {
    for args in [["--size", "0"], ["--period", "2"], ["--areas", "0"]] {
        let output = Command::new(STAIRS).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}
