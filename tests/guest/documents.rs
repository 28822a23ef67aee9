//! The control examples of the documents that damo was created from: the usage
//! text of the 1.x series, the kernel's getting-started page and admin guide,
//! and damo's README. (Those of the modules are in `modules`.) Their workload,
//! masim, is a link to one of ours here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::kit::{ADMIN, Scene, damon_is_on, get, kernel, parameters, set, until};
use crate::process::{Ran, Started};

const CONTEXT: &str = "kdamonds/0/contexts/0";
/// What DAMON's files take for no limit of samples and of ages.
const NO_LIMIT: &str = "4294967295";
const MAX: &str = "18446744073709551615";

/// One of our workloads under a name of the documents', running until dropped.
fn workload(scene: &Scene, program: &str, name: &str) -> Started {
    let path = std::env::var_os("PATH").unwrap();
    let program = std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|program| program.exists())
        .unwrap();
    std::os::unix::fs::symlink(program, scene.path(name)).unwrap();
    let mut command = Command::new(scene.path(name));
    command.args(["--size", "16M", "--flush-tlb", "--duration", "600s"]);
    let started = Started::new(&mut command);
    let comm = format!("/proc/{}/comm", started.pid());
    // Before exec it has our own name.
    until("the workload", || {
        fs::read_to_string(&comm).is_ok_and(|comm| comm.trim() == name)
    });
    started
}

/// Commands as they are typed, in the scene's folder; the last one takes the
/// shell's place.
fn typed(scene: &Scene, script: &str) -> Started {
    let mut shell = Command::new("sh");
    shell.args(["-ec", script]).current_dir(&scene.dir);
    Started::new(&mut shell)
}

fn done(scene: &Scene, script: &str) -> Ran {
    typed(scene, script).wait()
}

/// A counter of all schemes together, as it is now.
fn counted(name: &str) -> u64 {
    set("kdamonds/0/state", "update_schemes_stats");
    sum(name)
}

/// A counter of all schemes together, as the files have it.
fn sum(name: &str) -> u64 {
    let nr: usize = get(&format!("{CONTEXT}/schemes/nr_schemes"))
        .parse()
        .unwrap();
    let of = |scheme| get(&format!("{CONTEXT}/schemes/{scheme}/stats/{name}"));
    (0..nr).map(|it| of(it).parse::<u64>().unwrap()).sum()
}

/// What a scheme is set to do, file by file.
fn scheme(index: usize) -> BTreeMap<PathBuf, String> {
    let dir = Path::new(ADMIN)
        .join(CONTEXT)
        .join(format!("schemes/{index}"));
    let all = parameters().into_iter();
    all.filter_map(|(path, value)| Some((path.strip_prefix(&dir).ok()?.to_path_buf(), value)))
        .filter(|(path, _)| !path.starts_with("stats"))
        .collect()
}

/// A scheme's pattern, from `sz/min` to `age/max`, and its action.
fn assert_pattern(index: usize, pattern: [&str; 6], action: &str) {
    let dir = format!("{CONTEXT}/schemes/{index}");
    let files = [
        "sz/min",
        "sz/max",
        "nr_accesses/min",
        "nr_accesses/max",
        "age/min",
        "age/max",
    ];
    for (file, value) in files.into_iter().zip(pattern) {
        let file = format!("{dir}/access_pattern/{file}");
        assert_eq!(get(&file), value, "{file}");
    }
    assert_eq!(get(&format!("{dir}/action")), action);
}

#[test]
fn the_admin_guides_first_sysfs_example() {
    let scene = Scene::quiet("admin_guide");
    let masim = workload(&scene, "zigzag", "masim");
    let example = "\
        cd /sys/kernel/mm/damon/admin/
        echo 1 > kdamonds/nr_kdamonds && echo 1 > kdamonds/0/contexts/nr_contexts
        echo vaddr > kdamonds/0/contexts/0/operations
        echo 1 > kdamonds/0/contexts/0/targets/nr_targets
        echo $(pidof masim) > kdamonds/0/contexts/0/targets/0/pid_target
        echo on > kdamonds/0/state";
    done(&scene, example).exits(0);
    assert!(damon_is_on());
    // What somebody set up by hand, damo shows and leaves alone.
    let pid = masim.pid();
    scene
        .run(&["status"])
        .exits(0)
        .prints(&format!("pid: {pid}\n"))
        .prints(&format!("state: on, pid: {}", get("kdamonds/0/pid")));
    scene.run(&["stop"]).exits(1);
    assert!(damon_is_on());
}

#[test]
fn the_admin_guides_second_sysfs_example_and_the_same_by_damo() {
    let scene = Scene::quiet("admin_guide_scheme");
    let masim = workload(&scene, "zigzag", "masim");
    let example = "\
        cd /sys/kernel/mm/damon/admin
        # populate directories
        echo 1 > kdamonds/nr_kdamonds; echo 1 > kdamonds/0/contexts/nr_contexts;
        echo 1 > kdamonds/0/contexts/0/schemes/nr_schemes
        cd kdamonds/0/contexts/0/schemes/0
        # set the basic access pattern and the action
        echo 4096 > access_pattern/sz/min
        echo 8192 > access_pattern/sz/max
        echo 0 > access_pattern/nr_accesses/min
        echo 5 > access_pattern/nr_accesses/max
        echo 10 > access_pattern/age/min
        echo 20 > access_pattern/age/max
        echo pageout > action
        # set quotas
        echo 10 > quotas/ms
        echo $((1024*1024*1024)) > quotas/bytes
        echo 1000 > quotas/reset_interval_ms
        # set watermark
        echo free_mem_rate > watermarks/metric
        echo 5000000 > watermarks/interval_us
        echo 600 > watermarks/high
        echo 500 > watermarks/mid
        echo 300 > watermarks/low";
    done(&scene, example).exits(0);
    let by_hand = scheme(0);
    assert!(by_hand.len() > 20, "{} files", by_hand.len());
    set("kdamonds/nr_kdamonds", "0");

    let pid = masim.pid().to_string();
    scene
        .run(&[
            "start",
            "--damos_action",
            "pageout",
            "--damos_sz_region",
            "4KiB",
            "8KiB",
            "--damos_access_rate",
            "0 samples",
            "5 samples",
            "--damos_age",
            "10 aggr_intervals",
            "20 aggr_intervals",
            "--damos_quotas",
            "10ms",
            "1GiB",
            "1s",
            "--damos_wmarks",
            "free_mem_rate",
            "5s",
            "60%",
            "50%",
            "30%",
            &pid,
        ])
        .exits(0);
    assert_eq!(scheme(0), by_hand);
    // More memory is free here than the example's high mark.
    assert_eq!(counted("nr_tried"), 0);
    scene.run(&["stop"]).exits(0);
}

#[test]
fn every_text_scheme_of_the_usage_text() {
    let scene = Scene::quiet("text_schemes");
    let masim = workload(&scene, "zigzag", "masim");
    let before = parameters();
    // The lines are the usage text's; comments and blank lines are allowed.
    let text = "\
# format is:
# <min/max size> <min/max frequency (0-100)> <min/max age> <action>
#
# B/K/M/G/T for sizes, us/ms/s/m/h/d for times, min/max for no limit

# used much for >=100ms: read it in
min    max      80      max     100ms   max willneed

# used little for >=200ms and <=one hour: first to be reclaimed
min     max     10      20      200ms   1h  cold

# hardly used for >=60 seconds: swap it out
min     max     0       10      60s     max pageout

# 2MiB and more, used all the time for >=100ms: huge pages
2M      max     90      100     100ms   max hugepage

# 2MiB and more, used little for >=100ms: no huge pages
2M      max     0       25      100ms   max nohugepage
";
    fs::write(scene.path("schemes.txt"), text).unwrap();
    let pid = masim.pid().to_string();
    let started = scene.start(&["schemes", "--schemes", "schemes.txt", &pid]);
    until("DAMON on", damon_is_on);
    assert_eq!(get(&format!("{CONTEXT}/schemes/nr_schemes")), "5");
    assert_eq!(get(&format!("{CONTEXT}/targets/0/pid_target")), pid);
    assert_pattern(0, ["0", MAX, "16", "20", "1", NO_LIMIT], "willneed");
    assert_pattern(1, ["0", MAX, "2", "4", "2", "36000"], "cold");
    assert_pattern(2, ["0", MAX, "0", "2", "600", NO_LIMIT], "pageout");
    let two = "2097152";
    assert_pattern(3, [two, MAX, "18", "20", "1", NO_LIMIT], "hugepage");
    assert_pattern(4, [two, MAX, "0", "5", "1", NO_LIMIT], "nohugepage");
    until("a scheme at work", || counted("nr_applied") > 0);
    println!(
        "{} regions tried, {} applied",
        sum("nr_tried"),
        sum("nr_applied")
    );
    started.signal("INT");
    started.wait().exits(0);
    assert_eq!(parameters(), before);
}

#[test]
fn the_huge_page_scheme_in_two_commands() {
    let scene = Scene::quiet("thp_scheme");
    let foo = workload(&scene, "hotcold", "foo");
    let started = typed(
        &scene,
        "echo \"2M max    90 max    100ms max    hugepage\" > my_thp_scheme
         exec damo schemes --schemes my_thp_scheme $(pidof foo)",
    );
    until("DAMON on", damon_is_on);
    let pattern = ["2097152", MAX, "18", "20", "1", NO_LIMIT];
    assert_pattern(0, pattern, "hugepage");
    let target = format!("{CONTEXT}/targets/0/pid_target");
    assert_eq!(get(&target), foo.pid().to_string());
    println!("{} regions tried", counted("nr_tried"));
    // It ends when the program does.
    drop(foo);
    started.wait().exits(0);
    assert!(!damon_is_on());
}

#[test]
fn the_pageout_scheme_of_the_getting_started_page_and_of_the_readme() {
    let scene = Scene::quiet("pageout_scheme");
    let masim = workload(&scene, "hotcold", "masim");
    for target in ["$(pidof masim)", "--target_pid $(pidof masim)"] {
        let command = format!(
            "damo start --damos_access_rate 0 0 --damos_sz_region 4K max \\
                --damos_age 60s max --damos_action pageout \\
                {target}"
        );
        done(&scene, &command).exits(0);
        assert_pattern(0, ["4096", MAX, "0", "0", "600", NO_LIMIT], "pageout");
        let watched = format!("{CONTEXT}/targets/0/pid_target");
        assert_eq!(get(&watched), masim.pid().to_string());
        assert_eq!(counted("nr_tried"), 0, "nothing can be idle for that long");
        done(&scene, "damo stop").exits(0);
        assert!(!damon_is_on());
    }
}

#[test]
fn statistics_refresh_themselves_where_the_kernel_can() {
    let scene = Scene::quiet("refresh");
    let masim = workload(&scene, "zigzag", "masim");
    let pid = masim.pid().to_string();
    let start = ["start", "--refresh_stat", "100ms", "--damos_action", "stat"];
    let start = scene.run(&[&start[..], &["--target_pid", &pid]].concat());
    if kernel() == "6.12" {
        start.exits(1).says("6.17");
        assert!(!damon_is_on());
        return;
    }
    start.exits(0);
    until("a refresh", || sum("nr_tried") > 0);
    scene.run(&["stop"]).exits(0);
}

#[test]
fn the_first_commands_of_the_readme_and_the_getting_started_page() {
    let scene = Scene::quiet("first_commands");
    let before = parameters();
    // A command; it goes on when DAMON is off.
    done(&scene, "damo start \"stairs --size 8M --duration 600s\"").exits(0);
    let pid = get(&format!("{CONTEXT}/targets/0/pid_target"));
    let comm = format!("/proc/{pid}/comm");
    assert_eq!(fs::read_to_string(&comm).unwrap().trim(), "stairs");
    done(&scene, "damo stop").exits(0);
    crate::kit::signal(pid.parse().unwrap(), "KILL");
    // Processes, either way.
    let masim = workload(&scene, "zigzag", "masim");
    for start in [
        "damo start $(pidof masim)",
        "damo start --target_pid $(pidof masim)",
    ] {
        done(&scene, start).exits(0);
        let target = get(&format!("{CONTEXT}/targets/0/pid_target"));
        assert_eq!(target, masim.pid().to_string());
        done(&scene, "damo stop").exits(0);
        assert_eq!(parameters(), before);
    }
    // Recording a process that runs, until it ends.
    let record = typed(&scene, "exec damo record -o damon.data $(pidof masim)");
    until("recording", || scene.path("damon.data").exists());
    drop(masim);
    record.wait().exits(0);
    done(&scene, "damo record \"sleep 1\"").exits(0);
    done(&scene, "damo report wss --range 0 101 10").exits(0);
    done(&scene, "damo report sysinfo --print versions")
        .exits(0)
        .prints("\nDAMON version: ");
    assert_eq!(parameters(), before);
}
