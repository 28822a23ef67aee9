//! What a record says of its targets, and what of it passes the filters.

use std::collections::HashMap;

use super::sieve::Sieve;
use crate::analyze::access::{Scale, Seen, Survey};
use crate::control::params::{Filter, IntervalsGoal, Layer};
use crate::model::{
    About, Intervals, Item, Items, Meta, Origin, ReadError, Record, Snapshot, TargetKey,
};
use crate::render::access::{AccessRecord, TuningGoal, scale};

/// What the peer says where it does not know.
const UNKNOWN: &str = "unknown";
const DAMON_STAT: &str = "damon_stat";

/// A record, of which only what is wanted is seen.
pub struct Sieved<'a> {
    record: &'a mut dyn Record,
    sieve: &'a Sieve,
    told: Told,
}

/// What a record tells of its targets' intervals.
#[derive(Clone, Debug, Default)]
pub struct Told {
    targets: HashMap<TargetKey, (Option<Intervals>, bool)>,
    all: Option<Intervals>,
    compat: bool,
}

impl<'a> Sieved<'a> {
    pub fn new(record: &'a mut dyn Record, sieve: &'a Sieve) -> Sieved<'a> {
        let meta = record.meta();
        let targets = meta.targets.iter().map(|target| {
            let origin = target.origin.as_ref();
            let intervals = origin.and_then(|origin| origin.intervals);
            let tuned = origin.is_some_and(|origin| goal(origin).is_some());
            (target.key(), (intervals, tuned))
        });
        let told = Told {
            targets: targets.collect(),
            all: meta.intervals,
            compat: sieve.compat,
        };
        Sieved {
            record,
            sieve,
            told,
        }
    }

    /// What it tells of its targets' intervals.
    pub fn told(&self) -> Told {
        self.told.clone()
    }
}

impl Told {
    /// How counts of a snapshot are to be read.
    pub fn scale(&self, snapshot: &Snapshot) -> Option<Scale> {
        let told = self.targets.get(&snapshot.target).copied();
        let (own, tuned) = told.unwrap_or_default();
        let intervals = own.or(self.all).or(snapshot.intervals)?;
        scale(snapshot, intervals, tuned, self.compat)
    }
}

impl Record for Sieved<'_> {
    fn meta(&self) -> &Meta {
        self.record.meta()
    }

    fn about(&self) -> About {
        self.record.about()
    }

    fn items(&mut self) -> Result<Items<'_>, ReadError> {
        let (told, mut pass) = (&self.told, self.sieve.pass());
        let items = self.record.items()?;
        Ok(Box::new(items.filter_map(move |mut item| {
            let kept = match &mut item {
                Ok(Item::Snapshot(snapshot)) => pass.keep(snapshot, |it| told.scale(it)),
                _ => true,
            };
            kept.then_some(item)
        })))
    }
}

/// Expects the targets that the peer knew, in its order, even without snapshots.
pub fn expect(survey: &mut Survey, meta: &Meta) {
    for target in meta.targets.iter().filter(|target| target.origin.is_some()) {
        survey.expect(target.key());
    }
}

/// What is said of one target's record; `None` if nothing tells its intervals.
pub fn record_of(meta: &Meta, key: TargetKey, seen: &Seen) -> Option<AccessRecord> {
    let known = meta.known_targets();
    let origin = known.get(key).and_then(|target| target.origin.clone());
    let origin = origin.unwrap_or_default();
    let kdamond = meta.kdamonds.iter().find(|it| it.tid == key.kdamond);
    let name = kdamond.map_or("", |kdamond| kdamond.name.as_str());
    let number = match name {
        "DAMON_STAT" => Some(-1),
        name => name.strip_prefix("kdamond ").and_then(|it| it.parse().ok()),
    };
    let of_kdamond = kdamond.and_then(|kdamond| kdamond.intervals);
    let intervals = origin.intervals.or(of_kdamond).or(meta.intervals);
    let filters: Vec<(String, bool)> = origin.scheme_filters.iter().map(filter).collect();
    let source = match (&origin.data_source, name) {
        (Some(source), _) => source.as_str(),
        (None, "DAMON_STAT") => DAMON_STAT,
        (None, _) => UNKNOWN,
    };
    Some(AccessRecord {
        kdamond_idx: origin.kdamond_idx.or(number).unwrap_or(0),
        context_idx: origin.context_idx.unwrap_or(0),
        scheme_idx: origin.scheme_idx,
        target_id: (!origin.all_targets).then_some(key.target_id),
        start_ns: seen.start_ns,
        end_ns: seen.end_ns,
        intervals: intervals.or(seen.intervals)?,
        goal: goal(&origin),
        source: crate::model::printable(source).into_owned(),
        filters: !filters.is_empty(),
        page_filters: filters
            .into_iter()
            .filter_map(|(text, pages)| pages.then_some(text))
            .collect(),
    })
}

/// Whether a record was made of DAMON_STAT's numbers.
pub fn is_of_damon_stat(record: &AccessRecord) -> bool {
    record.source == DAMON_STAT
}

fn goal(origin: &Origin) -> Option<TuningGoal> {
    let goal = origin.intervals_goal.clone()?;
    let goal: IntervalsGoal = serde_json::from_value(goal).ok()?;
    (goal.aggrs > 0).then_some(TuningGoal {
        access_percent: goal.access_bp as f64 / 100.0,
        aggrs: goal.aggrs,
        min_sample_us: goal.min_sample_us,
        max_sample_us: goal.max_sample_us,
    })
}

/// A filter as text, and whether it is on pages.
fn filter(json: &serde_json::Value) -> (String, bool) {
    if let Ok(filter) = serde_json::from_value::<Filter>(json.clone()) {
        return (filter.text(false), filter.kind.layer() == Layer::Ops);
    }
    // Of a kind that is not known here, or not whole.
    let kind = json.get("filter_type").and_then(serde_json::Value::as_str);
    let kind = kind.unwrap_or("unknown");
    (crate::model::printable(kind).into_owned(), false)
}
