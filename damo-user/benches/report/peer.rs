//! The peer (damo 3.4.3) on a million samples of the same.

use std::path::Path;

#[path = "../../tests/peer_common/mod.rs"]
mod peer_common;

use peer_common::peer;

use crate::measure::{best, cost};
use crate::ours::Measured;
use crate::record::Records;

/// About a million samples: seconds of the record.
const SECONDS: &str = "100";

/// What the peer took of a million samples, measured on another machine, and
/// how many times as quick we want to be.
const REPORTS: [(&str, &[&str], f64, f64); 4] = [
    ("wss", &["report", "wss"], 33.4, 1000.0),
    (
        "heats",
        &["report", "heatmap", "--output", "raw"],
        23.9,
        500.0,
    ),
    (
        "access",
        &["report", "access", "--style", "recency-percentiles"],
        25.9,
        500.0,
    ),
    ("raw", &["report", "access", "--raw_form"], 21.1, 100.0),
];

pub fn run(records: &Records, ours: &[Measured]) {
    let peer = peer();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut samples = 1e6;
    if peer.is_some() {
        samples = million(records, folder.path());
    }
    let measured = match peer {
        Some(_) => "measured here",
        None => "as measured elsewhere: it is not here",
    };
    println!(
        "the peer, {measured}, of {:.2} million samples: CPU seconds, MiB",
        samples / 1e6
    );
    println!("            seconds      MiB   samples/s   ours, times as quick   wanted");
    for (name, arguments, seconds, wanted) in REPORTS {
        let (seconds, rss) = match &peer {
            None => (seconds, f64::NAN),
            Some(place) => {
                let [python, damo] = ["bin/python", "bin/damo"].map(|it| place.join(it));
                let [python, damo] = [&python, &damo].map(|it| it.to_str().expect("a name"));
                let command = [&[python, damo], arguments, &["--input", "theirs"]].concat();
                let cost = best(1, &command, folder.path());
                (cost.cpu_s, cost.rss_mib)
            }
        };
        let speed = samples / seconds;
        let times = ours.iter().find(|it| it.name == name);
        let times = times.map_or("-".to_owned(), |it| {
            format!("{:.0}", it.samples as f64 / it.cost.cpu_s / speed)
        });
        println!("{name:<8}{seconds:11.1}{rss:9.0}{speed:12.0}{times:>23}{wanted:9.0}");
    }
}

/// Writes the first seconds in the peer's format; how many samples they are.
fn million(records: &Records, folder: &Path) -> f64 {
    let quarter = records
        .parts
        .first()
        .expect("a quarter")
        .record
        .to_str()
        .expect("a name");
    let damo = env!("CARGO_BIN_EXE_damo");
    let to = ["--format", "json_compressed", "--time", "0", SECONDS];
    let written = cost(
        &[&[damo, "convert", quarter, "theirs"], &to[..]].concat(),
        folder,
    );
    assert!(written.succeeded, "damo convert");
    let mut record = damo_user::import::open(&folder.join("theirs")).expect("just written");
    let items = record.items().expect("just written");
    let regions = items.map(|item| match item.expect("just written") {
        damo_user::model::Item::Snapshot(snapshot) => snapshot.regions.len(),
        _ => 0,
    });
    regions.sum::<usize>() as f64
}
