//! What the peer's formats need to know before a target's snapshots are written.

use crate::analyze::{Losses, PerTarget};
use crate::model::{Intervals, Item, Items, Meta, Origin, ReadError, Record, TargetKey};

use super::Filter;

/// What becomes a record of the peer's.
pub struct PeerRecord {
    pub key: TargetKey,
    pub origin: Origin,
    /// What the record says of its intervals; a snapshot may have others.
    pub intervals: Option<Intervals>,
    /// How many there will be.
    pub snapshots: u64,
}

/// A first pass: which targets there are, and what is missing. Targets that
/// the peer knew come first, in its order, even without snapshots.
pub fn survey(
    record: &mut dyn Record,
    filter: &Filter,
) -> Result<(Vec<PeerRecord>, Losses), ReadError> {
    let mut losses = Losses::default();
    let mut seen = PerTarget::<(u64, Option<Intervals>)>::default();
    let meta = record.meta().clone();
    for target in &meta.targets {
        let wanted = filter.targets.is_empty() || filter.targets.contains(&target.target_id);
        if target.origin.is_some() && wanted {
            let key = TargetKey {
                kdamond: target.kdamond,
                target_id: target.target_id,
            };
            seen.entry(key, Default::default);
        }
    }
    for item in filter.items(record)? {
        let item = item?;
        losses.add(&item);
        if let Item::Snapshot(snapshot) = item {
            let (count, intervals) = seen.entry(snapshot.target, Default::default);
            *count += 1;
            *intervals = intervals.or(snapshot.intervals);
        }
    }
    let targets = seen.into_vec().into_iter();
    let targets = targets.map(|(key, (snapshots, first))| {
        let origin = origin(&meta, key);
        let intervals = origin.intervals.or(meta.intervals).or(first);
        PeerRecord {
            key,
            origin,
            intervals,
            snapshots,
        }
    });
    Ok((targets.collect(), losses))
}

/// A record of one kdamond may not tell whose its targets are.
fn origin(meta: &Meta, key: TargetKey) -> Origin {
    let of = |kdamond| {
        let mut targets = meta.targets.iter();
        targets.find(|t| t.target_id == key.target_id && t.kdamond == kdamond)
    };
    let target = of(key.kdamond).or_else(|| of(0));
    target.and_then(|t| t.origin.clone()).unwrap_or_default()
}

/// The target's snapshots.
pub fn snapshots_of(
    items: Items<'_>,
    key: TargetKey,
) -> impl Iterator<Item = Result<crate::model::Snapshot, ReadError>> {
    items.filter_map(move |item| match item {
        Ok(Item::Snapshot(snapshot)) if snapshot.target == key => Some(Ok(snapshot)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    })
}
