//! What a recording holds, in whatever form its recorder left it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};
use damo_user::model::{Figure, Item, Known, Summed};

use crate::aggregations;

/// What is there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Contents {
    /// Regions of snapshots, or that were summed up.
    pub samples: u64,
    /// When the first aggregation was reported, by the recorder's clock.
    pub first_ns: u64,
    /// Bytes of the record (without text made of it).
    pub bytes: u64,
}

/// A record that damo reads: its own, or the peer's.
pub fn record(path: &Path) -> Result<Contents> {
    let mut samples = 0;
    let mut first_ns = None;
    for item in damo_user::import::open(path)?.items()? {
        match item? {
            Item::Snapshot(snapshot) => {
                samples += snapshot.regions.len() as u64;
                first_ns.get_or_insert(snapshot.end_ns);
            }
            Item::Note(note) => {
                if let Known::Summed(Summed { figure, value, .. }) = note.what {
                    match figure {
                        Figure::Regions => samples += value,
                        Figure::Length => {
                            first_ns.get_or_insert(note.time_ns.saturating_sub(value));
                        }
                        _ => {}
                    }
                }
            }
            Item::Gap(_) => {}
        }
    }
    Ok(Contents {
        samples,
        first_ns: first_ns.context("nothing is recorded")?,
        bytes: fs::metadata(path)?.len(),
    })
}

/// A recording that another program has made text of, one line per event.
pub fn text(path: &Path, recorded: &Path) -> Result<Contents> {
    let mut samples = 0;
    let mut first_ns = None;
    for line in BufReader::new(File::open(path)?).lines() {
        if let Some(time) = aggregations::time_ns(&line?) {
            samples += 1;
            first_ns.get_or_insert(time);
        }
    }
    Ok(Contents {
        samples,
        first_ns: first_ns.context("nothing is recorded")?,
        bytes: fs::metadata(recorded)?.len(),
    })
}
