//! A record as rows of a table: what CSV and Parquet have in common.

use std::sync::Arc;

use super::wall::Wall;
use super::{ExportError, Exported, Filter};
use crate::analyze::PerTarget;
use crate::model::{
    Gap, Intervals, Item, KnownTargets, LossCause, Record, Region, Snapshot, TargetKey,
};

/// What is the same in all rows of a file.
#[derive(Clone, Debug)]
pub(super) struct Common {
    /// Tells this record's rows from those of all others.
    pub record: String,
    pub hostname: Option<String>,
    pub boot_id: Option<String>,
    pub wall: Wall,
}

/// What is the same in all rows of a snapshot.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub target: Option<TargetKey>,
    pub pid: Option<u32>,
    pub comm: Option<Arc<str>>,
    /// Number of the snapshot among its target's, from 0; gaps have none.
    pub snapshot: Option<u64>,
    pub start_ns: u64,
    pub end_ns: u64,
    pub intervals: Option<Intervals>,
    /// What an age of 1 means.
    pub age_unit_us: Option<u64>,
}

/// What a row alone has.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// `region`, `snapshot` (one without regions) or `gap`.
    pub kind: &'static str,
    pub region: Option<Region>,
    pub filter_passed: Option<u64>,
    pub probe_hits: Option<String>,
    pub lost: Option<u64>,
    pub lost_cause: Option<&'static str>,
}

/// Takes rows.
pub(super) trait Table {
    /// What the next rows share.
    fn about(&mut self, about: About);

    /// A row.
    fn row(&mut self, row: Row) -> Result<(), ExportError>;
}

/// Gives the wanted part of a record to a table.
pub(super) fn fill(
    record: &mut dyn Record,
    filter: &Filter,
    table: &mut dyn Table,
) -> Result<Exported, ExportError> {
    let meta = record.meta().clone();
    let known = meta.known_targets();
    let mut exported = Exported::default();
    let mut targets = PerTarget::<Progress>::default();
    for item in filter.items(record)? {
        let item = item?;
        exported.count(&item);
        match item {
            Item::Snapshot(snapshot) => {
                let progress = targets.entry(snapshot.target, || {
                    Progress::new(&known, Some(snapshot.target))
                });
                add_snapshot(&snapshot, progress, table)?;
                progress.snapshots += 1;
            }
            Item::Gap(gap) => add_gap(&gap, Progress::new(&known, gap.target), table)?,
            Item::Note(_) => {}
        }
    }
    Ok(exported)
}

impl Exported {
    /// Counts an item that is written.
    pub(super) fn count(&mut self, item: &Item) {
        self.losses.add(item);
        if let Item::Snapshot(snapshot) = item {
            self.snapshots += 1;
            self.samples += snapshot.regions.len() as u64;
        }
    }
}

/// A target's process, and how many snapshots of it there were.
struct Progress {
    pid: Option<u32>,
    comm: Option<Arc<str>>,
    snapshots: u64,
}

impl Progress {
    fn new(known: &KnownTargets<'_>, target: Option<TargetKey>) -> Progress {
        let process = target.and_then(|target| known.only(target));
        Progress {
            pid: process.and_then(|process| process.pid),
            comm: process.and_then(|process| process.comm.as_deref().map(Arc::from)),
            snapshots: 0,
        }
    }
}

fn add_snapshot(
    snapshot: &Snapshot,
    progress: &Progress,
    table: &mut dyn Table,
) -> Result<(), ExportError> {
    table.about(About {
        target: Some(snapshot.target),
        pid: progress.pid,
        comm: progress.comm.clone(),
        snapshot: Some(progress.snapshots),
        start_ns: snapshot.start_ns,
        end_ns: snapshot.end_ns,
        intervals: snapshot.intervals,
        age_unit_us: snapshot.age_unit_us(),
    });
    // On the first row alone, so that a sum over all rows is right.
    let mut missing = (snapshot.missing > 0).then_some(u64::from(snapshot.missing));
    if snapshot.regions.is_empty() {
        return table.row(Row {
            kind: "snapshot",
            lost: missing,
            lost_cause: missing.map(|_| "incomplete"),
            ..Row::default()
        });
    }
    for (i, region) in snapshot.regions.iter().enumerate() {
        let extra = snapshot.extra.as_deref();
        let hits = extra.and_then(|extra| extra.probe_hits.get(i));
        let lost = missing.take();
        table.row(Row {
            kind: "region",
            region: Some(*region),
            filter_passed: extra.and_then(|e| e.filter_passed.get(i).copied().flatten()),
            probe_hits: hits.filter(|hits| !hits.is_empty()).map(|hits| {
                let hits: Vec<String> = hits.iter().map(u32::to_string).collect();
                hits.join(" ")
            }),
            lost,
            lost_cause: lost.map(|_| "incomplete"),
        })?;
    }
    Ok(())
}

fn add_gap(gap: &Gap, progress: Progress, table: &mut dyn Table) -> Result<(), ExportError> {
    table.about(About {
        target: gap.target,
        pid: progress.pid,
        comm: progress.comm,
        snapshot: None,
        start_ns: gap.start_ns,
        end_ns: gap.end_ns,
        intervals: None,
        age_unit_us: None,
    });
    table.row(Row {
        kind: "gap",
        lost: gap.events,
        lost_cause: Some(cause(gap.cause)),
        ..Row::default()
    })
}

/// A cause of loss in one word.
pub(super) fn cause(cause: LossCause) -> &'static str {
    match cause {
        LossCause::RingFull => "ring_full",
        LossCause::Unseen => "unseen",
        LossCause::Damaged => "damaged",
        LossCause::Unwritten => "unwritten",
    }
}

impl Common {
    /// What is known before the first row; reads up to the first snapshot.
    pub fn of(record: &mut dyn Record, filter: &Filter) -> Result<Common, ExportError> {
        let meta = record.meta().clone();
        let mut id = Id::default();
        id.add(&serde_json::to_vec(&meta).map_err(std::io::Error::from)?);
        for item in filter.items(record)? {
            if let Item::Snapshot(snapshot) = item? {
                id.add_snapshot(&snapshot);
                break;
            }
        }
        let known = |text: String| Some(text).filter(|text| !text.is_empty());
        Ok(Common {
            record: format!("{:032x}", id.0),
            wall: Wall::new(&meta),
            hostname: known(meta.hostname),
            boot_id: known(meta.boot_id),
        })
    }
}

/// FNV-1a of 128 bits: what a record says about itself and its first snapshot
/// tell it from others, and give the same each time it is converted.
struct Id(u128);

impl Default for Id {
    fn default() -> Self {
        Id(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }
}

impl Id {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul((1 << 88) + 0x13b);
        }
    }

    fn add_snapshot(&mut self, snapshot: &Snapshot) {
        let key = snapshot.target;
        let times = [snapshot.start_ns, snapshot.end_ns];
        for number in [u64::from(key.kdamond), key.target_id]
            .into_iter()
            .chain(times)
        {
            self.add(&number.to_le_bytes());
        }
        for region in &snapshot.regions {
            for number in [region.start, region.end, region.nr_accesses.into()] {
                self.add(&number.to_le_bytes());
            }
        }
    }
}
