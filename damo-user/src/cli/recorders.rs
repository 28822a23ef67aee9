//! `damo status --recorder`: who records, and how it goes.

use std::io::{Write, stderr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Outcome;
use super::args::Format;
use crate::control::System;
use crate::model::units::{format_number, format_size, format_time};
use crate::recorder::cpu_budget::Level;
use crate::recorder::status::{Found, Status, recorders};
use crate::sys::clock;

/// One that has written nothing for so long is told to be silent.
const SILENT: Duration = Duration::from_secs(5);

const SECOND: u64 = 1_000_000_000;

/// Prints a line for each recorder, or a list of objects. Those that ended
/// without a word are told, and forgotten.
///
/// # Errors
/// damo's folder cannot be read.
pub fn run(format: Format, out: &mut dyn Write) -> Result<Outcome> {
    match &System::live().run {
        Some(dir) => run_in(dir, format, clock::monotonic_ns(), out),
        None => Ok(Outcome::Done),
    }
}

fn run_in(dir: &Path, format: Format, now_ns: u64, out: &mut dyn Write) -> Result<Outcome> {
    let found = recorders(dir).with_context(|| {
        let dir = dir.display();
        format!("{dir}: cannot look for recorders; run it as root")
    })?;
    let found: Vec<(Found, bool)> = found
        .into_iter()
        .map(|found| {
            let is_alive = found.is_alive();
            (found, is_alive)
        })
        .collect();
    format.print(
        || {
            found
                .iter()
                .map(|(found, alive)| json(&found.status, *alive))
                .collect()
        },
        || match found.as_slice() {
            [] => "no recorder runs\n".to_owned(),
            all => all
                .iter()
                .map(|(found, alive)| line(&found.status, *alive, now_ns) + "\n")
                .collect(),
        },
        out,
    )?;
    for (found, is_alive) in &found {
        if !is_alive && let Err(error) = found.remove() {
            let pid = found.status.by.pid;
            let _ = writeln!(stderr(), "damo: cannot forget recorder {pid}: {error}");
        }
    }
    Ok(Outcome::Done)
}

fn json(status: &Status, is_alive: bool) -> Value {
    // Nothing in it can fail to become json.
    let mut value = serde_json::to_value(status).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.insert("alive".to_owned(), is_alive.into());
    }
    value
}

/// For people.
fn line(status: &Status, is_alive: bool, now_ns: u64) -> String {
    let pid = status.by.pid;
    // Whole seconds are enough.
    let length = format_time(status.duration_ns / SECOND * SECOND);
    let totals = &status.totals;
    let lost = format_number(totals.all_lost());
    let size = format_size(status.bytes as f64);
    // A path may hold anything.
    let path = status.out.replace(char::is_control, "?");
    if !is_alive {
        return format!(
            "recorder {pid}: ended without a word after {length}, {lost} lost, {size} to {path}"
        );
    }
    let mut line = format!(
        "recorder {pid}: {length}, {} samples/s, lag {} ms, {lost} lost, ",
        format_number(status.rate.samples_per_s.round() as u64),
        format_number(status.lag_ms),
    );
    if totals.all_left_out() > 0 {
        line += &format!("{} left out, ", format_number(totals.all_left_out()));
    }
    line += &format!("{size} to {path}");
    if status.segments > 1 {
        line += &format!(" ({} files)", format_number(status.segments));
    }
    if let Some(free) = status.free_bytes {
        line += &format!(", {} left", format_size(free as f64));
    }
    line += &format!(", CPU {:.2} %", status.rate.cpu_share * 100.0);
    if let Some(rss) = status.rss_bytes {
        line += &format!(", memory {}", format_size(rss as f64));
    }
    if status.detail != Level::Full {
        line += &format!("; {}", status.detail);
    }
    let silent = Duration::from_nanos(now_ns.saturating_sub(status.updated_ns));
    if silent >= SILENT {
        line += &format!("; silent for {} s", silent.as_secs());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ownership::By;
    use crate::recorder::status::{Rate, StatusFile, Totals};

    fn status() -> Status {
        Status {
            by: By {
                pid: std::process::id(),
                ..By::myself()
            },
            begun_ns: 0,
            duration_ns: 243 * SECOND + 7,
            updated_ns: 100 * SECOND,
            out: "/x/y".to_owned(),
            kdamonds: vec![],
            targets: 1,
            detail: Level::Full,
            rate: Rate {
                events_per_s: 10_000.0,
                samples_per_s: 9_999.7,
                cpu_share: 0.0042,
            },
            lag_ms: 80,
            totals: Totals::default(),
            bytes: 3 << 19,
            segments: 1,
            free_bytes: Some(30 << 30),
            rss_bytes: Some(12 << 20),
        }
    }

    fn printed(dir: &Path, format: Format) -> String {
        let mut out = Vec::new();
        run_in(dir, format, 101 * SECOND, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_says_how_it_goes() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(printed(dir.path(), Format::Report), "no recorder runs\n");
        let file = StatusFile::create(dir.path(), &status()).unwrap();
        let pid = std::process::id();
        assert_eq!(
            printed(dir.path(), Format::Report),
            format!(
                "recorder {pid}: 4 m 3 s, 10,000 samples/s, lag 80 ms, 0 lost, 1.500 MiB to /x/y, \
                 30.000 GiB left, CPU 0.42 %, memory 12.000 MiB\n"
            )
        );
        let json: Value = serde_json::from_str(&printed(dir.path(), Format::Json)).unwrap();
        assert_eq!(
            (&json[0]["pid"], &json[0]["alive"]),
            (&pid.into(), &true.into())
        );
        drop(file);
        assert_eq!(printed(dir.path(), Format::Json), "[]\n");
    }

    #[test]
    fn what_is_not_as_it_should_be_is_told() {
        let mut worse = status();
        worse.detail = Level::MergedRegions;
        worse.segments = 3;
        worse.out = "/x\n/y".to_owned();
        worse.totals.lost.insert("ring_full".to_owned(), 1234);
        worse.totals.left_out.insert("max_cpu".to_owned(), 5);
        let line = line(&worse, true, 107 * SECOND);
        for words in [
            "1,234 lost, 5 left out, ",
            "to /x?/y (3 files)",
            "; no side information, regions merged; silent for 7 s",
        ] {
            assert!(line.contains(words), "{words}: {line}");
        }
    }

    #[test]
    fn one_that_ended_without_a_word_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut dead = status();
        dead.by.start_ticks += 1;
        std::mem::forget(StatusFile::create(dir.path(), &dead).unwrap());
        let told = printed(dir.path(), Format::Report);
        let words = "ended without a word after 4 m 3 s, 0 lost, 1.500 MiB to /x/y\n";
        assert!(told.ends_with(words), "{told}");
        assert_eq!(printed(dir.path(), Format::Report), "no recorder runs\n");
    }
}
