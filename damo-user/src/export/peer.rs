//! What the peer's formats need to know before a target's snapshots are written.

use crate::analyze::{Losses, PerTarget};
use crate::model::{Intervals, Item, Items, Origin, ReadError, Record, Snapshot, TargetKey};

use super::{ByTarget, Filter, Whose, weight};

/// What becomes a record of the peer's.
pub struct PeerRecord {
    pub key: TargetKey,
    pub origin: Origin,
    /// What the record says of its intervals; a snapshot may have others.
    pub intervals: Option<Intervals>,
    /// How many there will be.
    pub snapshots: u64,
    /// Bytes that they take in memory.
    pub weight: u64,
}

/// What the first pass finds of a target.
#[derive(Default)]
struct Seen {
    snapshots: u64,
    weight: u64,
    /// Of the first snapshot that tells.
    intervals: Option<Intervals>,
}

/// A first pass: which targets there are, and what is missing. Targets that
/// the peer knew come first, in its order, even without snapshots.
pub fn survey(
    record: &mut dyn Record,
    filter: &Filter,
) -> Result<(Vec<PeerRecord>, Losses), ReadError> {
    let mut losses = Losses::default();
    let mut seen = PerTarget::<Seen>::default();
    let meta = record.meta().clone();
    for target in &meta.targets {
        let wanted = filter.targets.is_empty() || filter.targets.contains(&target.target_id);
        if target.origin.is_some() && wanted {
            seen.entry(target.key(), Default::default);
        }
    }
    for item in filter.items(record)? {
        let item = item?;
        losses.add(&item);
        if let Item::Snapshot(snapshot) = &item {
            let seen = seen.entry(snapshot.target, Default::default);
            seen.snapshots += 1;
            seen.weight += weight(&item);
            seen.intervals = seen.intervals.or(snapshot.intervals);
        }
    }
    let known = meta.known_targets();
    let targets = seen.into_vec().into_iter();
    let targets = targets.map(|(key, seen)| {
        let origin = known.get(key).and_then(|target| target.origin.clone());
        let origin = origin.unwrap_or_default();
        let intervals = origin.intervals.or(meta.intervals).or(seen.intervals);
        PeerRecord {
            key,
            origin,
            intervals,
            snapshots: seen.snapshots,
            weight: seen.weight,
        }
    });
    Ok((targets.collect(), losses))
}

/// The targets' snapshots, one target after the other.
pub fn snapshots_by_target<'a>(
    record: &'a mut dyn Record,
    filter: &'a Filter,
    targets: &[PeerRecord],
) -> ByTarget<'a> {
    let targets: Vec<_> = targets.iter().map(|it| (it.key, it.weight)).collect();
    ByTarget::new(record, filter, targets.into_iter(), |item| match item {
        Item::Snapshot(snapshot) => Whose::Of(snapshot.target),
        Item::Gap(_) | Item::Note(_) => Whose::Nobody,
    })
}

/// The snapshots among a target's items.
pub fn snapshots(items: Items<'_>) -> impl Iterator<Item = Result<Snapshot, ReadError>> {
    items.filter_map(|item| match item {
        Ok(Item::Snapshot(snapshot)) => Some(Ok(snapshot)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    })
}
