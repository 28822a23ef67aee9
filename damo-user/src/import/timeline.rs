//! Start times for formats that only tell when aggregations ended.

use std::collections::HashMap;

use crate::model::TargetKey;

/// What a first look at a record tells of one target.
#[derive(Clone, Copy, Debug)]
struct Span {
    snapshots: u64,
    first_end_ns: u64,
    last_end_ns: u64,
}

/// First and last end of every target of a record.
#[derive(Debug, Default)]
pub struct Spans {
    spans: HashMap<TargetKey, Span>,
    /// In order of appearance.
    targets: Vec<TargetKey>,
}

impl Spans {
    /// Notes that a snapshot of the target ended then.
    pub fn note(&mut self, target: TargetKey, end_ns: u64) {
        let span = self.spans.entry(target).or_insert_with(|| {
            self.targets.push(target);
            Span {
                snapshots: 0,
                first_end_ns: end_ns,
                last_end_ns: end_ns,
            }
        });
        span.snapshots += 1;
        span.last_end_ns = end_ns;
    }

    /// The targets, in order of appearance.
    pub fn targets(&self) -> &[TargetKey] {
        &self.targets
    }

    /// When the target's first aggregation started: as long before its end as
    /// aggregations take on average; at its end if there is only one.
    fn first_start(&self, target: TargetKey, end_ns: u64) -> u64 {
        let Some(span) = self.spans.get(&target) else {
            return end_ns;
        };
        let time = span.last_end_ns.saturating_sub(span.first_end_ns);
        let mean = time.div_ceil(span.snapshots.saturating_sub(1).max(1));
        span.first_end_ns.saturating_sub(mean).min(end_ns)
    }
}

/// Walks along a record: each aggregation starts when the one before it ended.
#[derive(Debug)]
pub struct Timeline<'a> {
    spans: &'a Spans,
    last_end_ns: HashMap<TargetKey, u64>,
}

impl<'a> Timeline<'a> {
    /// At the record's beginning.
    pub fn new(spans: &'a Spans) -> Self {
        Self {
            spans,
            last_end_ns: HashMap::new(),
        }
    }

    /// The start of the target's next aggregation, which ends at `end_ns`.
    pub fn start_of(&mut self, target: TargetKey, end_ns: u64) -> u64 {
        match self.last_end_ns.insert(target, end_ns) {
            Some(start_ns) => start_ns.min(end_ns),
            None => self.spans.first_start(target, end_ns),
        }
    }
}
