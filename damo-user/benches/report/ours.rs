//! What our reports take.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::measure::{Cost, best, cost};
use crate::record::{Part, Records};

/// Memory that a report may take, however long the record is.
pub const MOST_MIB: f64 = 64.0;

/// A report, and what it took of the whole record.
pub struct Measured {
    pub name: &'static str,
    pub cost: Cost,
    pub samples: u64,
}

/// Reports that are measured, each with its command line.
const REPORTS: [(&str, &[&str]); 4] = [
    ("wss", &["report", "wss"]),
    ("heats", &["report", "heats", "--resol", "500", "500"]),
    (
        "access",
        &["report", "access", "--style", "recency-percentiles"],
    ),
    ("raw", &["report", "raw"]),
];

pub fn run(records: &Records, quick: bool) -> Vec<Measured> {
    let rounds = if quick { 1 } else { 2 };
    let whole = records.parts.last().expect("the whole");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "an hour: {:.0} million samples, {cores} cores here; CPU seconds, as a multiple of `zstd -d` of",
        whole.samples as f64 / 1e6
    );
    println!(
        "the same columns, wall seconds beside CPU, most memory, and how much longer the whole"
    );
    println!("takes than its quarter and its half (linear: 4 and 2)");
    println!("          M samples/s      CPU   /zstd -d  CPU/wall    MiB   /quarter  /half");
    let zstd: Option<Cost> = has_zstd().then(|| {
        let stream = whole.stream.to_str().expect("a name");
        best(rounds, &["zstd", "-dcq", stream], Path::new("/"))
    });
    let mut measured = Vec::new();
    for (name, arguments) in REPORTS {
        if !knows(arguments) {
            println!("{name:<8} is no report yet");
            continue;
        }
        let costs: Vec<Cost> = (records.parts.iter())
            .map(|part| best(rounds, &command(arguments, part), Path::new("/")))
            .collect();
        let [quarter, half, all] = costs[..] else {
            panic!("three parts");
        };
        println!(
            "{name:<8}{:13.2}{:9.2}{:>11}{:10.2}{:7.1}{:11.2}{:7.2}",
            whole.samples as f64 / all.cpu_s / 1e6,
            all.cpu_s,
            zstd.map_or("no zstd".to_owned(), |zstd| format!(
                "{:.2}",
                all.cpu_s / zstd.cpu_s
            )),
            all.cpu_s / all.wall_s,
            all.rss_mib,
            all.cpu_s / quarter.cpu_s,
            all.cpu_s / half.cpu_s,
        );
        measured.push(Measured {
            name,
            cost: all,
            samples: whole.samples,
        });
    }
    if let Some(zstd) = zstd {
        println!("zstd -d {:22.2}", zstd.cpu_s);
    }
    println!();
    measured
}

fn command<'a>(arguments: &[&'a str], part: &'a Part) -> Vec<&'a str> {
    let record = part.record.to_str().expect("a name");
    [
        &[env!("CARGO_BIN_EXE_damo")],
        arguments,
        &["--input", record],
    ]
    .concat()
}

fn has_zstd() -> bool {
    let version = Command::new("zstd")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// Whether there is such a report.
fn knows(arguments: &[&str]) -> bool {
    let help = [&[env!("CARGO_BIN_EXE_damo")], &arguments[..2], &["--help"]].concat();
    cost(&help, Path::new("/")).succeeded
}
