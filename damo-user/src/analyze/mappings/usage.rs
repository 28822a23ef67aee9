//! How much memory each mapping has, how hot it is, and since when it is idle.

use super::{Mappings, Place};
use crate::analyze::{Group, InUse, WarmUp};
use crate::model::{Item, Snapshot};

/// Folds snapshots into the use of each mapping.
#[derive(Debug)]
pub struct Usage {
    mappings: Mappings,
    in_use: InUse,
    warm_up: WarmUp,
    uses: Vec<Sums>,
    /// Of the snapshot at hand.
    now: Vec<Now>,
    unknown: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Now {
    bytes: u64,
    in_use: u64,
    /// Bytes times accesses.
    accesses: f64,
}

#[derive(Clone, Debug, Default)]
struct Sums {
    seen_ns: u64,
    byte_ns: f64,
    in_use_ns: f64,
    most_in_use: u64,
    access_ns: f64,
    first_ns: Option<u64>,
    last_ns: u64,
    accessed_ns: Option<u64>,
}

/// How a mapping was used, while it was watched.
#[derive(Clone, Debug, PartialEq)]
pub struct MappingUse {
    /// Which.
    pub place: Place,
    /// Watched bytes, on average over time.
    pub bytes: f64,
    /// Accesses per second of a byte, on average; `None` where a snapshot did
    /// not tell its intervals.
    pub hz: Option<f64>,
    /// Bytes in use, on average over time.
    pub wss: f64,
    /// Bytes in use, at most.
    pub most_wss: u64,
    /// From the end of the last snapshot that saw an access, or from the first
    /// snapshot on, to the last snapshot; nanoseconds.
    pub idle_ns: u64,
    /// Whether there was an access.
    pub accessed: bool,
    /// For how long it was watched, in nanoseconds.
    pub watched_ns: u64,
}

impl Usage {
    /// `in_use` says what counts as working set.
    pub fn new(mappings: Mappings, in_use: InUse, warm_up: WarmUp) -> Usage {
        Usage {
            mappings,
            in_use,
            warm_up,
            uses: Vec::new(),
            now: Vec::new(),
            unknown: 0,
        }
    }

    /// Takes an item in.
    pub fn add(&mut self, item: &Item) {
        match item {
            Item::Snapshot(snapshot) => self.snapshot(snapshot),
            Item::Note(note) => self.mappings.note(note),
            Item::Gap(_) => {}
        }
    }

    fn snapshot(&mut self, snapshot: &Snapshot) {
        if self.warm_up.leaves_out(snapshot.target) {
            return;
        }
        let group = Group::of(snapshot);
        let threshold = self.in_use.accesses.of(&group);
        self.unknown += u64::from(snapshot.intervals.is_none());
        let per_s = snapshot.intervals.map(|it| 1e6 / it.aggr_us.max(1) as f64);
        let view = self.mappings.at(snapshot.target, snapshot.end_ns);
        self.uses.resize(view.count, Sums::default());
        self.now.resize(view.count, Now::default());
        for region in &snapshot.regions {
            let is_used = threshold.is_some_and(|it| region.nr_accesses >= it)
                && region.len() >= self.in_use.size;
            let accesses = f64::from(region.nr_accesses);
            view.split(region.start..region.end, |place, bytes| {
                if let Some(now) = self.now.get_mut(place) {
                    now.bytes = now.bytes.saturating_add(bytes);
                    now.in_use = now.in_use.saturating_add(if is_used { bytes } else { 0 });
                    now.accesses += bytes as f64 * accesses;
                }
            });
        }
        // What has no known length counts as hardly any.
        let ns = snapshot.duration_ns().max(1);
        for place in view.places {
            let both = self.uses.get_mut(*place).zip(self.now.get_mut(*place));
            let Some((sums, now)) = both else { continue };
            let now = std::mem::take(now);
            if now.bytes == 0 {
                // Not watched, or not there any more.
                continue;
            }
            sums.seen_ns = sums.seen_ns.saturating_add(ns);
            sums.byte_ns += now.bytes as f64 * ns as f64;
            sums.in_use_ns += now.in_use as f64 * ns as f64;
            sums.most_in_use = sums.most_in_use.max(now.in_use);
            sums.access_ns += now.accesses * per_s.unwrap_or(0.0) * ns as f64;
            sums.first_ns.get_or_insert(snapshot.start_ns);
            sums.last_ns = snapshot.end_ns;
            if now.accesses > 0.0 {
                sums.accessed_ns = Some(snapshot.end_ns);
            }
        }
    }

    /// Whether the record tells any mapping.
    pub fn any_mapping(&self) -> bool {
        self.mappings.any()
    }

    /// Which snapshots were left out.
    pub fn warm_up(&self) -> &WarmUp {
        &self.warm_up
    }

    /// The use of each mapping that was watched, in order of appearance.
    pub fn finish(self) -> Vec<MappingUse> {
        let known = self.unknown == 0;
        let places = self.mappings.into_places().into_iter();
        let watched = places.zip(self.uses).filter(|(_, sums)| sums.seen_ns > 0);
        watched
            .map(|(place, sums)| {
                let seen = sums.seen_ns as f64;
                let since = sums.accessed_ns.or(sums.first_ns).unwrap_or(0);
                MappingUse {
                    place,
                    bytes: sums.byte_ns / seen,
                    hz: known.then_some(sums.access_ns / sums.byte_ns),
                    wss: sums.in_use_ns / seen,
                    most_wss: sums.most_in_use,
                    idle_ns: sums.last_ns.saturating_sub(since),
                    accessed: sums.accessed_ns.is_some(),
                    watched_ns: sums.seen_ns,
                }
            })
            .collect()
    }
}
