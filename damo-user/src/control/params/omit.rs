//! The json form without what is as by default.

use serde_json::{Map, Value};

use super::{
    AccessPattern, Context, MonitoringIntervals, NrRegions, Params, Quotas, Scheme, Watermarks,
};

impl Params {
    /// As [`Params::to_json`], without keys whose value is the default: what
    /// is read back is the same.
    pub fn to_json_without_defaults(&self, raw: bool) -> Value {
        let mut json = self.to_json(raw);
        pairs(&self.kdamonds, json.get_mut("kdamonds"), |kdamond, json| {
            omit(json, &[("refresh_ms", kdamond.refresh_ms == 0)]);
            pairs(&kdamond.contexts, json.get_mut("contexts"), of_context);
        });
        json
    }
}

/// Things, and their json objects.
fn pairs<T>(things: &[T], json: Option<&mut Value>, visit: impl Fn(&T, &mut Map<String, Value>)) {
    let objects = json.and_then(Value::as_array_mut).into_iter().flatten();
    for (thing, json) in things.iter().zip(objects) {
        if let Value::Object(json) = json {
            visit(thing, json);
        }
    }
}

fn omit(json: &mut Map<String, Value>, keys: &[(&str, bool)]) {
    // Unlike `remove`, this keeps the order.
    json.retain(|key, _| !keys.contains(&(key.as_str(), true)));
}

fn of_context(context: &Context, json: &mut Map<String, Value>) {
    pairs(&context.targets, json.get_mut("targets"), |target, json| {
        omit(json, &[("obsolete", !target.obsolete)]);
    });
    pairs(&context.schemes, json.get_mut("schemes"), of_scheme);
    omit(
        json,
        &[
            ("addr_unit", context.addr_unit == 1),
            (
                "intervals",
                context.intervals == MonitoringIntervals::default(),
            ),
            ("nr_regions", context.nr_regions == NrRegions::default()),
            ("probes", context.probes.is_empty()),
            ("pause", !context.pause),
            ("schemes", context.schemes.is_empty()),
        ],
    );
}

fn of_scheme(scheme: &Scheme, json: &mut Map<String, Value>) {
    omit(
        json,
        &[
            ("dests", scheme.dests.is_empty()),
            ("target_nid", scheme.target_nid == -1),
            (
                "access_pattern",
                scheme.access_pattern == AccessPattern::default(),
            ),
            ("apply_interval_us", scheme.apply_interval_us == 0),
            ("quotas", scheme.quotas == Quotas::default()),
            ("watermarks", scheme.watermarks == Watermarks::default()),
            ("filters", scheme.filters.is_empty()),
            ("max_nr_snapshots", scheme.max_nr_snapshots == 0),
        ],
    );
}
