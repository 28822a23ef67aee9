//! We and the peer (damo 3.4.3) on the same files with the same options: what
//! differs, and why. `cargo xtask conformance` runs it in the sandbox, since the
//! peer writes to DAMON even to print a record.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it ends where something is wrong"
)]

#[path = "conformance/adjusted.rs"]
mod adjusted;
#[path = "conformance/cases.rs"]
mod cases;
#[path = "conformance/known.rs"]
mod known;
#[path = "conformance/options.rs"]
mod options;
#[path = "../tests/peer_common/mod.rs"]
mod peer_common;
#[path = "conformance/programs.rs"]
mod programs;
#[path = "conformance/records.rs"]
mod records;
#[path = "samples/simulate.rs"]
mod simulate;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cases::Case;
use known::KNOWN;
use programs::{Printed, Programs};
use records::File;

/// What came of a case with a file.
enum Found {
    Same,
    /// Which of the known differences.
    Known(usize),
    /// We do not have the command.
    Missing,
    Differs(Printed, Printed),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` gives --bench; what else calls it only wants to know that it runs.
    let is_flag = |it: &str| ["--bench", "--verbose"].contains(&it) || it.starts_with("--damo=");
    let words: Vec<&String> = arguments.iter().filter(|it| !is_flag(it)).collect();
    let verbose = arguments.iter().any(|it| it == "--verbose");
    if !arguments.iter().any(|it| it == "--bench") {
        return ExitCode::SUCCESS;
    }
    let Some(peer) = peer_common::peer() else {
        println!("the peer is not here: nothing is compared");
        return ExitCode::FAILURE;
    };
    let files = records::all();
    let cases: Vec<(Case, &File)> = cases::all()
        .into_iter()
        .flat_map(|case| files.iter().map(move |file| (case.clone(), file)))
        .filter(|(case, file)| case.takes(file.kind))
        .filter(|(case, file)| {
            let name = format!("{} {}", file.name, case.line);
            words.iter().all(|word| name.contains(word.as_str()))
        })
        .collect();
    println!(
        "{} combinations of options and files, {} files",
        cases.len(),
        files.len()
    );
    let damo = arguments.iter().find_map(|it| it.strip_prefix("--damo="));
    let damo = Path::new(damo.unwrap_or(env!("CARGO_BIN_EXE_damo")));
    let programs = Programs::new(&peer, damo, Path::new(env!("CARGO_TARGET_TMPDIR")));
    let found = in_parallel(&cases, |(case, file)| compare(&programs, case, file));
    let unknown = match words.iter().all(|word| *word == "options") {
        true => options::unknown(&peer, damo),
        false => Vec::new(),
    };
    for line in &unknown {
        println!("NOT TAKEN: {line}");
    }
    let whole = words.is_empty() && files.iter().any(|file| file.is_fixture);
    match tell(&cases, &found, verbose, whole) && unknown.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn compare(programs: &Programs, case: &Case, file: &File) -> Found {
    let theirs = programs.theirs(&case.line, file);
    let ours = programs.ours(&case.ours(), file);
    if ours.is_missing() {
        return Found::Missing;
    }
    if ours.same(&theirs) {
        return Found::Same;
    }
    let covers =
        |known: &known::Known| known.is_of(&case.line, file.name) && known.explains(&theirs, &ours);
    match KNOWN.iter().position(covers) {
        Some(index) => Found::Known(index),
        None => Found::Differs(theirs, ours),
    }
}

/// Prints what was found: whether it is as it should be.
fn tell(cases: &[(Case, &File)], found: &[Found], verbose: bool, whole: bool) -> bool {
    let (mut same, mut missing, mut differ) = (0, Vec::new(), 0);
    let mut known = vec![0; KNOWN.len()];
    for ((case, file), found) in cases.iter().zip(found) {
        match found {
            Found::Same => same += 1,
            Found::Known(index) => known[*index] += 1,
            Found::Missing => missing.push(&case.line),
            Found::Differs(theirs, ours) => {
                differ += 1;
                println!("DIFFERS {}: damo {}", file.name, case.line);
                if case.ours() != case.line {
                    println!("  ours: damo {}", case.ours());
                }
                theirs.tell_difference(ours, verbose);
            }
        }
    }
    println!("\n{same} the same, byte for byte");
    for (known, count) in KNOWN.iter().zip(&known) {
        println!("{count} known: {}", known.reason);
    }
    let mut commands: Vec<String> = missing.iter().map(|line| command_of(line)).collect();
    commands.sort();
    commands.dedup();
    if !missing.is_empty() {
        println!("{} not there yet: {}", missing.len(), commands.join(", "));
    }
    let mut stale = 0;
    // Some are of files that may not be here.
    for (known, _) in KNOWN
        .iter()
        .zip(&known)
        .filter(|(_, count)| whole && **count == 0)
    {
        println!("NO LONGER DIFFERS: {} ({:?})", known.reason, known.words);
        stale += 1;
    }
    println!("{differ} differ otherwise, {stale} known differences are none");
    differ + stale + missing.len() == 0
}

/// `report wss`, of a line.
fn command_of(line: &str) -> String {
    let words = line.split(' ').take_while(|word| !word.starts_with('-'));
    words.collect::<Vec<_>>().join(" ")
}

/// Each case on whichever core is free, in their order.
fn in_parallel<C: Sync, F: Send>(cases: &[C], run: impl Fn(&C) -> F + Sync) -> Vec<F> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else { return };
                    let one = run(case);
                    found.lock().expect("no case panics").push((index, one));
                }
            });
        }
    });
    let mut found = found.into_inner().expect("no case panics");
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, found)| found).collect()
}
