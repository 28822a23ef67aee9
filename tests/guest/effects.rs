//! What schemes do to memory, seen from outside: in the numbers that the kernel
//! has about the process.
//!
//! Each is run twice, first with `stat` for its action, which must change
//! nothing: so that it is DAMON's doing what follows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use crate::kit::{Scene, get, set, until};

const MIB: u64 = 1 << 20;
/// The size of each of a workload's two areas: one is hot, one is cold.
const AREA: u64 = 64 * MIB;

/// `hotcold`; ended when dropped.
struct Workload(Child);

impl Workload {
    fn start(options: &[&str]) -> Workload {
        // Emulated TLBs hide the accesses to areas as small as these.
        let usual = ["--size", "64M", "--flush-tlb", "--duration", "600s"];
        let workload = Command::new("hotcold").args(usual).args(options).spawn();
        let workload = Workload(workload.unwrap());
        until("the use of its memory", || workload.has("Rss") >= 2 * AREA);
        workload
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    /// Bytes of the process, by the name that smaps_rollup has for them.
    #[track_caller]
    fn has(&self, name: &str) -> u64 {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.0.id())).unwrap();
        let line = rollup
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        // Before exec there is none of its own yet.
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kib.map_or(0, |kib| kib.trim().parse::<u64>().unwrap() << 10)
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Files of the kernel's that say something else for as long as this lives.
struct Set(Vec<(PathBuf, String)>);

impl Set {
    fn to(folder: &str, values: &[(&str, &str)]) -> Set {
        let mut before = Vec::new();
        for (file, value) in values {
            let path = Path::new(folder).join(file);
            let was = fs::read_to_string(&path).unwrap();
            // Of `always [madvise] never` it is the one that is chosen.
            let chosen = was.split(['[', ']']).nth(1).unwrap_or(&was);
            before.push((path.clone(), chosen.trim().to_owned()));
            fs::write(&path, value).unwrap();
        }
        Set(before)
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        for (path, value) in &self.0 {
            let _ = fs::write(path, value);
        }
    }
}

/// The guest's second disk, swapped to for as long as this lives.
struct Swap(PathBuf);

impl Swap {
    fn on() -> Swap {
        let mut disk = None;
        // Probing takes its time.
        until("a disk to swap to", || {
            disk = disk_of("damo-swap");
            disk.is_some()
        });
        let swap = Swap(disk.unwrap());
        swap.run("mkswap");
        swap.run("swapon");
        swap
    }

    fn run(&self, applet: &str) {
        let ran = Command::new("busybox").arg(applet).arg(&self.0).output();
        let ran = ran.unwrap();
        assert!(ran.status.success(), "{applet}: {ran:?}");
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        let _ = Command::new("busybox").arg("swapoff").arg(&self.0).status();
    }
}

fn disk_of(serial: &str) -> Option<PathBuf> {
    let disks = fs::read_dir("/sys/block").unwrap();
    disks
        .map(|disk| disk.unwrap())
        .find(|disk| {
            let said = fs::read_to_string(disk.path().join("device/serial"));
            said.is_ok_and(|said| said.trim() == serial)
        })
        .map(|disk| Path::new("/dev").join(disk.file_name()))
}

/// A counter of the only scheme, as it is now.
fn counted(name: &str) -> u64 {
    set("kdamonds/0/state", "update_schemes_stats");
    let stats = "kdamonds/0/contexts/0/schemes/0/stats";
    get(&format!("{stats}/{name}")).parse().unwrap()
}

/// Switches DAMON on with a scheme.
fn apply(scene: &Scene, pattern: &[&str], action: &str, workload: &Workload) {
    let pid = workload.pid();
    let target = ["--damos_action", action, "--target_pid", &pid];
    scene.run(&[&["start"], pattern, &target].concat()).exits(0);
}

/// Lets DAMON find twice what a scheme would act on, and only count it.
fn only_find(scene: &Scene, pattern: &[&str], workload: &Workload) {
    apply(scene, pattern, "stat", workload);
    until("such memory", || counted("sz_tried") >= 2 * AREA);
}

#[test]
fn idle_memory_is_swapped_out() {
    let scene = Scene::quiet("swapped_out");
    let _swap = Swap::on();
    let workload = Workload::start(&[]);
    // The documents' own scheme, but for its age of 60 s.
    let idle = "--damos_access_rate 0 0 --damos_sz_region 4K max --damos_age 1s max";
    let idle: Vec<&str> = idle.split(' ').collect();
    let before = workload.has("Rss");

    only_find(&scene, &idle, &workload);
    assert_eq!(workload.has("Swap"), 0, "without pageout");
    assert!(workload.has("Rss") >= before, "without pageout");
    scene.run(&["stop"]).exits(0);

    apply(&scene, &idle, "pageout", &workload);
    let most = AREA / 4 * 3;
    until("swapping out", || workload.has("Rss") <= before - most);
    let (rss, swap) = (workload.has("Rss"), workload.has("Swap"));
    assert!(swap >= most, "{} MiB in swap", swap / MIB);
    let applied = counted("sz_applied");
    assert!(applied >= most, "{applied} bytes applied");
    println!(
        "of {} MiB, {} idle, {} stay resident and {} are swapped out; {} applied",
        before / MIB,
        AREA / MIB,
        rss / MIB,
        swap / MIB,
        applied / MIB
    );
    scene.run(&["stop"]).exits(0);
}

#[test]
fn hot_memory_gets_huge_pages() {
    let scene = Scene::quiet("huge_pages");
    let thp = "/sys/kernel/mm/transparent_hugepage";
    let _madvise = Set::to(thp, &[("enabled", "madvise")]);
    // What is mapped in small pages already, khugepaged collapses: at its leisure.
    let _eager = Set::to(
        &format!("{thp}/khugepaged"),
        &[
            ("scan_sleep_millisecs", "10"),
            ("alloc_sleep_millisecs", "10"),
            ("pages_to_scan", "65536"),
        ],
    );
    let workload = Workload::start(&["--huge"]);
    let hot = "--damos_access_rate 25% max --damos_sz_region 2M max --damos_age 100ms max";
    let hot: Vec<&str> = hot.split(' ').collect();

    only_find(&scene, &hot, &workload);
    assert_eq!(workload.has("AnonHugePages"), 0, "without hugepage");
    scene.run(&["stop"]).exits(0);

    apply(&scene, &hot, "hugepage", &workload);
    let half = AREA / 2;
    until("huge pages", || workload.has("AnonHugePages") >= half);
    println!(
        "of {} hot MiB, {} are in huge pages; {} applied",
        AREA / MIB,
        workload.has("AnonHugePages") / MIB,
        counted("sz_applied") / MIB
    );
    scene.run(&["stop"]).exits(0);
}
