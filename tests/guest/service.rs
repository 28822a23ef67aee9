//! What a recorder that is left running gives up, and what it mounts for itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use damo_user::control::params::Params;
use damo_user::control::{Options, Session, System};
use damo_user::recorder::needs::{Ahead, needs};
use damo_user::source::{Options as TapOptions, Tap};
use damo_user::sys::privileges::{Confined, drop_privileges};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};

use crate::kit::{Read, Scene, damon_is_on, kernel, parameters, signal, until};
use crate::others::{configuration, sleeper};

const TRACING: &str = "/sys/kernel/tracing";
const CASE: &str = "DAMO_TEST_CASE";

/// tracefs unmounted, and mounted again at the end.
struct NoTracefs;

impl NoTracefs {
    fn here() -> NoTracefs {
        umount2(TRACING, MntFlags::MNT_DETACH).unwrap();
        NoTracefs
    }
}

impl Drop for NoTracefs {
    fn drop(&mut self) {
        let none = None::<&str>;
        mount(
            Some("tracefs"),
            TRACING,
            Some("tracefs"),
            MsFlags::empty(),
            none,
        )
        .unwrap();
    }
}

/// Whether a test before this one has looked into debugfs, which mounts tracefs
/// there, too; then it is not missing.
fn is_in_debugfs() -> bool {
    let mounts = fs::read_to_string("/proc/1/mounts").unwrap();
    let is_there = mounts.contains(" tracefs ");
    if is_there {
        println!("tracefs is in debugfs: run `service::` alone");
    }
    is_there
}

#[test]
fn without_tracefs_it_is_mounted_for_the_recorder_alone() {
    let scene = Scene::quiet("tracefs");
    let _none = NoTracefs::here();
    if is_in_debugfs() {
        return;
    }
    let mounts = || fs::read_to_string("/proc/1/mounts").unwrap();
    let before = mounts();
    assert!(!before.contains(" tracefs "), "{before}");
    assert_eq!(fs::read_dir(TRACING).unwrap().count(), 0);
    // The command stays in our namespace.
    let started = scene.start(&[
        "record",
        "sh -c 'readlink /proc/self/ns/mnt >ns; cat /proc/self/mounts >mounts; sleep 3'",
    ]);
    let recorder = format!("/proc/{}", started.pid());
    until("recording", || scene.path("damon.data").exists());
    assert_eq!(mounts(), before, "while it records");
    let seen = fs::read_to_string(format!("{recorder}/mounts")).unwrap();
    assert!(seen.contains(" /sys/kernel/tracing tracefs "), "{seen}");
    started.wait().exits(0);
    assert_eq!(mounts(), before, "afterwards");
    let ours = fs::read_link("/proc/self/ns/mnt").unwrap();
    let childs = fs::read_to_string(scene.path("ns")).unwrap();
    assert_eq!(childs.trim(), ours.to_str().unwrap());
    let childs = fs::read_to_string(scene.path("mounts")).unwrap();
    assert!(!childs.contains(" tracefs "), "{childs}");
    assert!(Read::open(&scene.path("damon.data")).snapshots.len() > 5);
}

#[test]
fn what_others_unmount_is_not_kept_busy() {
    let scene = Scene::quiet("slaves");
    let none = None::<&str>;
    let disk = scene.path("disk");
    fs::create_dir(&disk).unwrap();
    // As systemd has it; only what is shared is told to others at all.
    let shared = MsFlags::MS_REC | MsFlags::MS_SHARED;
    mount(none, "/", none, shared, none).unwrap();
    mount(Some("tmpfs"), &disk, Some("tmpfs"), MsFlags::empty(), none).unwrap();
    let absent = NoTracefs::here();
    if is_in_debugfs() {
        umount2(&disk, MntFlags::empty()).unwrap();
        return;
    }
    let started = scene.record(&["record", "paddr"]);
    let seen = || fs::read_to_string(format!("/proc/{}/mounts", started.pid())).unwrap();
    let name = disk.to_str().unwrap().to_owned();
    assert!(seen().contains(&name) && seen().contains(" tracefs "));
    umount2(&disk, MntFlags::empty()).unwrap();
    assert!(!seen().contains(&name));
    let own = fs::read_to_string("/proc/1/mounts").unwrap();
    assert!(!own.contains(" tracefs "), "it has got out: {own}");
    started.signal("INT");
    started.wait().exits(0);
    drop(absent);
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none, "/", none, private, none).unwrap();
}

/// A recording in a process of its own that gives up all it can, counts on and
/// puts DAMON back.
#[test]
fn without_privileges_damon_is_still_read_and_put_back() {
    if std::env::var_os(CASE).is_some() {
        return record_without_privileges();
    }
    let sysctl = "/proc/sys/kernel/unprivileged_bpf_disabled";
    for disabled in ["2", "0"] {
        let scene = Scene::as_booted("privileges");
        // As Debian has it; 1 cannot be taken back.
        fs::write(sysctl, disabled).unwrap();
        let mut other = sleeper();
        configuration(&other);
        let before = parameters();
        let ran = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "--test-threads=1"])
            .arg("service::without_privileges_damon_is_still_read_and_put_back")
            .env(CASE, "1")
            .current_dir(&scene.dir)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
        println!("unprivileged_bpf_disabled={disabled}: {said}");
        assert!(ran.status.success() && said.contains("1 passed"), "{said}");
        assert!(!damon_is_on());
        assert_eq!(parameters(), before);
        assert!(!Path::new("/run/damo/kdamonds").exists());
        other.kill().unwrap();
        other.wait().unwrap();
    }
    fs::write(sysctl, "2").unwrap();
}

fn record_without_privileges() {
    let system = System::live();
    let mut target = sleeper();
    let params = Params::from_json(&format!(
        r#"{{"kdamonds":[{{"contexts":[{{"ops":"vaddr","targets":[{{"pid":{}}}],
        "intervals":{{"sample_us":"5 ms","aggr_us":"100 ms","ops_update_us":"1 s"}},
        "nr_regions":{{"min":"10","max":"100"}}}}]}}]}}"#,
        target.id()
    ))
    .unwrap();
    let options = Options {
        pause_damon_stat: true,
        ..Options::default()
    };
    let mut session = Session::prepare(&system, &params, options).unwrap();
    let mut tap = Tap::attach(&[], &TapOptions::default()).unwrap();
    let kdamond = session.turn_on().unwrap()[0];
    let out = std::env::current_dir().unwrap().join("damon.data");
    let dropped = drop_privileges(&needs(
        &system,
        Ahead {
            out: &out,
            owner: None,
            command_of_other: false,
            mappings: false,
        },
    ))
    .unwrap();
    println!("{}: {dropped}", kernel());
    assert!(dropped.kept.is_empty() && dropped.bounded);
    let debian = kernel() != "6.1";
    assert!(
        !debian || dropped.confined != Confined::No,
        "Debian has landlock"
    );
    // Maps are written, counted in and read; all without a capability.
    tap.only(&[kdamond]).unwrap();
    let begun = Instant::now();
    let mut events = 0;
    while events < 100 {
        events += tap.drain(|_| ());
        assert!(begun.elapsed() < Duration::from_secs(30), "no events");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(tap.counters(kdamond).unwrap().seen >= 100);
    if dropped.confined != Confined::No {
        for path in ["/etc/passwd", "/dev/null", "/root"] {
            let error = fs::read(path).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied, "{path}");
        }
    }
    assert!(fs::write("/proc/sys/kernel/hostname", "x").is_err());
    assert!(session.is_on().unwrap());
    fs::write(&out, "a record").unwrap();
    let permissions = PermissionsExt::from_mode(0o600);
    fs::set_permissions(&out, permissions).unwrap();
    // Which needs no right, since it is our child and root's.
    target.kill().unwrap();
    target.wait().unwrap();
    let _ = session.turn_off();
    tap.detach().unwrap();
    tap.drain(|_| ());
    session.restore().unwrap();
}

/// The capabilities that the systemd unit leaves.
fn capabilities_of_the_unit() -> CapabilitySet {
    let unit = include_str!("../../dist/damo-recorder.service");
    let lines = unit.lines();
    let set = lines.filter_map(|line| line.strip_prefix("CapabilityBoundingSet="));
    let names = set.flat_map(str::split_ascii_whitespace);
    let known = |name: &str| CapabilitySet::from_name(name.strip_prefix("CAP_")?);
    names
        .map(|name| known(name).unwrap_or_else(|| panic!("{name}")))
        .collect()
}

#[test]
fn the_units_capabilities_are_enough() {
    let scene = Scene::quiet("unit");
    let mut target = sleeper();
    let pid = target.id().to_string();
    let ran = std::thread::scope(|scope| {
        // Capabilities are a thread's; what it starts has no more.
        let limited = scope.spawn(|| {
            let kept = capabilities_of_the_unit();
            assert_eq!(kept.iter().count(), 4);
            for number in 0..u64::BITS {
                let one = CapabilitySet::from_bits_retain(1 << number);
                if !kept.contains(one) {
                    // Beyond the kernel's last there is nothing to remove.
                    let _ = remove_capability_from_bounding_set(one);
                }
            }
            scene.run(&["record", &pid, "--timeout", "2"])
        });
        limited.join().unwrap()
    });
    ran.exits(0);
    assert!(Read::open(&scene.path("damon.data")).snapshots.len() > 5);
    target.kill().unwrap();
    target.wait().unwrap();
}

#[test]
fn a_killed_recorders_status_is_told_and_forgotten() {
    let scene = Scene::quiet("recorder_status");
    scene
        .run(&["status", "--recorder"])
        .exits(0)
        .prints("no recorder runs");
    fs::create_dir_all("/run/damo").unwrap();
    let mut recorder = sleeper();
    let stat = fs::read_to_string(format!("/proc/{}/stat", recorder.id())).unwrap();
    let ticks = stat.split(' ').nth(21).unwrap();
    let pid = recorder.id();
    let path = format!("/run/damo/recorder-{pid}.json");
    let text = format!(
        r#"{{"pid":{pid},"start_ticks":{ticks},"command":"damo record","begun_ns":1,
        "duration_ns":5000000000,"updated_ns":1,"out":"/x","kdamonds":[],"targets":1,
        "detail":"full","rate":{{"events_per_s":1.0,"samples_per_s":2.0,"cpu_share":0.0}},
        "lag_ms":3,"totals":{{"seen":4,"stored":4,"lost":{{}},"left_out":{{}}}},"bytes":5,
        "segments":1,"free_bytes":null,"rss_bytes":null}}"#
    );
    fs::write(&path, text).unwrap();
    let line = format!("recorder {pid}: 5 s, 2 samples/s, lag 3 ms, 0 lost, 5 B to /x");
    scene.run(&["status", "--recorder"]).exits(0).prints(&line);
    signal(pid, "KILL");
    recorder.wait().unwrap();
    let json = scene.run(&["status", "--recorder", "--json"]).exits(0);
    json.prints(r#""alive": false"#);
    assert!(!Path::new(&path).exists());
    scene
        .run(&["status", "--recorder"])
        .exits(0)
        .prints("no recorder runs");
}

#[test]
fn where_kdamonds_cannot_be_seen_that_is_said() {
    let scene = Scene::quiet("pid_namespace");
    let before = parameters();
    let mut command = Command::new("unshare");
    command.args(["-p", "-f", "--mount-proc", "damo", "record", "-o"]);
    let out = scene.path("damon.data");
    let ran = command.arg(&out).arg("paddr").output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(said.contains("--pid=host"), "{said}");
    assert!(!out.exists() && !damon_is_on());
    assert_eq!(parameters(), before);
}
