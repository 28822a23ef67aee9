//! `cargo xtask guest-selftest`: a guest that fails is seen to fail.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;

use crate::cache::Cache;
use crate::console::Ending;
use crate::guest::{self, Ran, Run};
use crate::initramfs::Bring;
use crate::kernels::{self, Fetch};
use crate::qemu::Machine;

/// Checks that failures of a guest are told from success.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kernel to do it on
    #[arg(long, default_value = kernels::NEWEST)]
    kernel: String,
    #[command(flatten)]
    fetch: Fetch,
}

/// A guest and what must come of it.
struct Case {
    name: &'static str,
    command: &'static [&'static str],
    machine: Machine,
    tests: bool,
    /// Checks how it ended, and its output.
    expect: fn(&Ran, &str) -> bool,
}

fn cases() -> Vec<Case> {
    let normal = Machine::default;
    vec![
        Case {
            name: "the_status_is_the_command_s",
            // Nor does talk of trouble on stdout count as trouble.
            command: &["sh", "-c", "echo Kernel panic; exit 7"],
            machine: normal(),
            tests: false,
            expect: |ran, output| ran.ending == Ending::Exited(7) && output == "Kernel panic\n",
        },
        Case {
            name: "a_panic_is_seen",
            command: &["sh", "-c", "echo c >/proc/sysrq-trigger; sleep 1000"],
            machine: normal(),
            tests: false,
            expect: |ran, _| {
                matches!(ran.ending, Ending::Fault(_))
                    && ran.tail.iter().any(|line| line.contains("Call Trace"))
            },
        },
        Case {
            name: "a_frozen_guest_hangs",
            command: &[
                "sh",
                "-c",
                "kill -STOP $(cat /run/heartbeat); exec sleep 1000",
            ],
            machine: Machine {
                silence: 12,
                ..normal()
            },
            tests: false,
            expect: |ran, _| matches!(ran.ending, Ending::Hung(_)),
        },
        Case {
            name: "a_long_command_is_no_hang_but_times_out",
            command: &["sleep", "1000"],
            machine: Machine {
                silence: 12,
                timeout: 25,
                ..normal()
            },
            tests: false,
            expect: |ran, _| matches!(ran.ending, Ending::TimedOut(_)),
        },
        Case {
            name: "no_verdict_is_no_success",
            command: &[
                "sh",
                "-c",
                "echo; echo 0123456789abcdef end 0 0 >/dev/ttyS2; poweroff -f",
            ],
            machine: normal(),
            tests: false,
            expect: |ran, _| ran.ending == Ending::NoVerdict,
        },
        Case {
            name: "no_test_is_no_success",
            command: &[
                "echo",
                "running 0 tests\ntest result: ok. 0 passed; 0 failed;",
            ],
            machine: normal(),
            tests: true,
            expect: |ran, _| ran.ending == Ending::NoTests,
        },
        Case {
            name: "words_and_files_come_through",
            command: &[
                "sh",
                "-c",
                "for word; do echo \"[$word]\"; done; echo err >&2; cp /root/brought /out/b",
                "sh",
                "it's",
                "",
                "$HOME *",
            ],
            machine: normal(),
            tests: false,
            expect: |ran, output| {
                ran.ending == Ending::Exited(0) && output == "[it's]\n[]\n[$HOME *]\nerr\n"
            },
        },
    ]
}

/// Runs the subcommand, reporting like a test harness.
pub fn main(args: &Args) -> Result<ExitCode> {
    let cache = Cache::open()?;
    let kernel = kernels::get(&cache, &args.kernel, &args.fetch)?;
    let mut source = tempfile::NamedTempFile::new()?;
    source.write_all(b"brought\n")?;
    let bring = [Bring {
        source: source.path().to_owned(),
        dest: "root/brought".to_owned(),
    }];
    let (mut passed, mut failed) = (0, 0);
    println!("\nrunning {} tests", cases().len());
    for case in cases() {
        let out = guest::fresh_out("selftest")?;
        let command: Vec<OsString> = case.command.iter().map(OsString::from).collect();
        let run = Run {
            machine: &case.machine,
            bring: &bring,
            tests: case.tests,
            tools: None,
            out: &out,
            command: &command,
        };
        let mut output = Vec::new();
        let ran = run.on(&cache, &kernel, &mut output)?;
        let output = String::from_utf8_lossy(&output);
        let brought = fs::read_to_string(out.join("b")).unwrap_or_default();
        let wants_file = case.name == "words_and_files_come_through";
        let good = (case.expect)(&ran, &output) && (!wants_file || brought == "brought\n");
        let seconds = ran.wall.as_secs_f64();
        if good {
            passed += 1;
            println!("test selftest::{} ... ok ({seconds:.1} s)", case.name);
        } else {
            failed += 1;
            println!("test selftest::{} ... FAILED ({seconds:.1} s)", case.name);
            ran.report(&kernel);
            eprintln!("its output: {output:?}");
        }
    }
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {result}. {passed} passed; {failed} failed\n");
    Ok(ExitCode::from(u8::from(failed > 0)))
}
