//! A started command: held, released, ended, and whose it is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::ffi::OsString;
use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use damo_user::sys::caller::Caller;
use damo_user::sys::child::{Held, Running};
use damo_user::sys::command_line::CommandLine;
use damo_user::sys::process::Stat;
use rustix::event::{PollFd, PollFlags, poll};

const LONG: Duration = Duration::from_secs(60);

fn args(args: &[&str]) -> CommandLine {
    CommandLine::from_args(args.iter().map(OsString::from).collect()).unwrap()
}

fn hold(line: &[&str]) -> Held {
    Held::start(&args(line), None).unwrap()
}

fn run(line: &[&str]) -> Running {
    hold(line).release().unwrap()
}

fn stat(pid: u32) -> Option<Stat> {
    Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn signal(pid: u32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), signal).unwrap();
}

/// Lines that a command wrote into a file.
fn output_of(script: &str, caller: Option<&Caller>, dir: &Path) -> Vec<String> {
    let file = dir.join("output");
    let script = format!("{{ {script}; }} > {}", file.display());
    let held = Held::start(&args(&["sh", "-c", &script]), caller).unwrap();
    assert_eq!(held.release().unwrap().wait().unwrap().code(), 0);
    fs::read_to_string(file)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn nothing_has_run_before_release_and_the_pid_stays() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("made by it");
    let held = hold(&["touch", file.to_str().unwrap()]);
    let pid = held.pid();
    // Stopped by its tracer, in the program already.
    let about = stat(pid).unwrap();
    assert_eq!((about.state, about.comm.as_str()), ('t', "touch"));
    assert!(!file.exists());

    let mut running = held.release().unwrap();
    assert_eq!(running.pid(), pid);
    assert_eq!(running.wait().unwrap().code(), 0);
    assert!(file.exists());
}

#[test]
fn dropping_what_is_held_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let held = hold(&["touch", file.to_str().unwrap()]);
    let pid = held.pid();
    drop(held);
    assert!(stat(pid).is_none(), "not even a zombie");
    assert!(!file.exists());
}

#[test]
fn exit_codes_and_signals_come_through() {
    assert_eq!(run(&["true"]).wait().unwrap().code(), 0);
    assert_eq!(run(&["sh", "-c", "exit 42"]).wait().unwrap().code(), 42);
    let killed = run(&["sh", "-c", "kill -TERM $$"]).wait().unwrap();
    assert_eq!((killed.code(), killed.signal()), (143, Some(15)));
}

#[test]
fn signals_are_not_blocked_in_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let status = output_of("grep SigBlk /proc/self/status", None, dir.path());
    assert_eq!(status, ["SigBlk:\t0000000000000000"]);
}

#[test]
fn a_signal_while_held_reaches_the_program() {
    let held = hold(&["sleep", "1000"]);
    // Not SIGINT: whoever runs tests in the background has them ignore that.
    signal(held.pid(), nix::sys::signal::Signal::SIGTERM);
    assert_eq!(held.release().unwrap().wait().unwrap().code(), 143);
}

#[test]
fn being_killed_while_held_shows_at_the_wait() {
    let held = hold(&["sleep", "1000"]);
    signal(held.pid(), nix::sys::signal::Signal::SIGKILL);
    assert_eq!(held.release().unwrap().wait().unwrap().code(), 137);
}

#[test]
fn the_descriptor_tells_the_end() {
    let mut running = run(&["sleep", "1000"]);
    let pidfd = running.pidfd().unwrap();
    let ready = |time: Option<&rustix::event::Timespec>| {
        poll(
            &mut [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)],
            time,
        )
        .unwrap()
            == 1
    };
    assert!(!ready(Some(&rustix::event::Timespec {
        tv_sec: 0,
        tv_nsec: 0
    })));
    assert_eq!(running.try_wait().unwrap(), None);
    signal(running.pid(), nix::sys::signal::Signal::SIGHUP);
    assert!(ready(None));
    assert_eq!(running.try_wait().unwrap().unwrap().code(), 129);
    // It is over already, and asked again.
    assert_eq!(running.terminate(LONG).unwrap().code(), 129);
}

#[test]
fn terminate_asks_and_then_insists() {
    assert_eq!(run(&["sleep", "1000"]).terminate(LONG).unwrap().code(), 143);

    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("ready");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let script = format!(
        "trap '' TERM; : > {}; while :; do sleep 1; done",
        fifo.display()
    );
    let mut deaf = run(&["sh", "-c", &script]);
    fs::read(&fifo).unwrap();
    assert_eq!(
        deaf.terminate(Duration::from_millis(50)).unwrap().code(),
        137
    );
}

#[test]
fn arguments_are_passed_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("f");
    let script = format!("printf '%s\\n' \"$@\" > {}", file.display());
    run(&["sh", "-c", &script, "sh", "a b", "*", "", "$HOME"])
        .wait()
        .unwrap();
    assert_eq!(fs::read_to_string(file).unwrap(), "a b\n*\n\n$HOME\n");
}

#[test]
fn a_caller_gives_up_every_right_of_root() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("output"), "").unwrap();
    for path in [dir.path().to_owned(), dir.path().join("output")] {
        std::os::unix::fs::chown(path, Some(65534), None).unwrap();
    }
    let caller = Caller {
        uid: 65534,
        gid: 65533,
        groups: vec![65533, 65532],
        name: "somebody".into(),
        home: Some("/home/somebody".into()),
    };
    let script =
        "grep -E '^(Uid|Gid|Groups|CapEff|CapPrm)' /proc/self/status; echo $HOME $USER $LOGNAME";
    assert_eq!(
        output_of(script, Some(&caller), dir.path()),
        [
            "Uid:\t65534\t65534\t65534\t65534",
            "Gid:\t65533\t65533\t65533\t65533",
            "Groups:\t65532 65533 ",
            "CapPrm:\t0000000000000000",
            "CapEff:\t0000000000000000",
            "/home/somebody somebody somebody",
        ]
    );
}

#[test]
fn a_program_that_the_caller_may_not_run_does_not_start() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("roots own");
    // By another process: while this one has it open for writing, a child that
    // another test begins has it open too, and it cannot be executed.
    let mut cp = std::process::Command::new("cp");
    assert!(
        cp.arg("/bin/true")
            .arg(&program)
            .status()
            .unwrap()
            .success()
    );
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let caller = Caller {
        uid: 65534,
        gid: 65534,
        groups: vec![65534],
        name: "nobody".into(),
        home: None,
    };
    let line = args(&[program.to_str().unwrap(), ""]);
    let error = Held::start(&line, Some(&caller)).unwrap_err().to_string();
    assert!(
        error.contains("as user nobody: Permission denied"),
        "{error}"
    );
    assert_eq!(
        Held::start(&line, None)
            .unwrap()
            .release()
            .unwrap()
            .wait()
            .unwrap()
            .code(),
        0
    );
}

#[test]
fn what_cannot_be_executed_is_said() {
    let start = |line: &str| {
        let line = CommandLine::parse(line).unwrap();
        Held::start(&line, None).unwrap_err().to_string()
    };
    assert_eq!(
        start("no-such-thing-here -v"),
        "no such command: no-such-thing-here"
    );
    assert_eq!(
        start("no-such-thing-here > /dev/null"),
        "no such command: no-such-thing-here"
    );
    assert_eq!(start("./no/such"), "no such command: ./no/such");
    assert_eq!(
        start("/etc/passwd x"),
        "/etc/passwd: this is not an executable file"
    );
    assert_eq!(start("/etc"), "/etc: this is not an executable file");

    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("script");
    fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let error = start(script.to_str().unwrap());
    assert!(
        error.contains("cannot start") && error.contains("No such file"),
        "{error}"
    );
}

#[test]
fn shells_make_way_for_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let show = |text: &str| {
        let line = CommandLine::parse(&text.replace("OUT", out.to_str().unwrap())).unwrap();
        let held = Held::start(&line, None).unwrap();
        let pid = held.pid();
        assert_eq!(held.release().unwrap().wait().unwrap().code(), 0, "{text}");
        (pid, fs::read_to_string(&out).unwrap())
    };
    // readlink prints the pid of the process that it itself is.
    for text in [
        "readlink /proc/self > OUT",
        ">OUT readlink /proc/self",
        "A=1 readlink /proc/sel[f] 2>&1 >OUT",
    ] {
        let (pid, text) = show(text);
        assert_eq!(text.trim(), pid.to_string());
    }
    assert_eq!(
        show("A='x y' B=2 env > OUT")
            .1
            .lines()
            .filter(|line| ["A=x y", "B=2"].contains(line))
            .count(),
        2
    );
    assert_eq!(show("echo \"$(echo 'a;b' | tr a c)\" >OUT").1, "c;b\n");
    let (pid, text) = show("cd /proc; readlink self > OUT");
    assert_ne!(text.trim(), pid.to_string());
}

const HOLDER: &str = "DAMO_TEST_HOLDS_FOR";

/// Not a test: the process that the next one kills while it holds a child.
#[test]
fn holder() {
    let Ok(file) = std::env::var(HOLDER) else {
        return;
    };
    let held = hold(&["true"]);
    fs::write(file, held.pid().to_string()).unwrap();
    signal(std::process::id(), nix::sys::signal::Signal::SIGKILL);
}

#[test]
fn what_is_held_dies_with_its_holder() {
    use nix::sys::wait::{WaitStatus, waitpid};
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    // The orphan becomes ours, so that its end can be waited for.
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    let mut holder = std::process::Command::new(std::env::current_exe().unwrap());
    holder.args(["--exact", "holder"]).env(HOLDER, &file);
    assert_eq!(holder.output().unwrap().status.code(), None);
    let pid = fs::read_to_string(&file).unwrap().parse().unwrap();
    let pid = nix::unistd::Pid::from_raw(pid);
    assert_eq!(
        waitpid(pid, None).unwrap(),
        WaitStatus::Signaled(pid, nix::sys::signal::Signal::SIGKILL, false)
    );
}
