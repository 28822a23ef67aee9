//! Results in the parameters' json, both ways.

use std::fmt;

use serde_json::{Map, Value, json};

use super::{KdamondResults, Results, SchemeResults, Stats, TriedRegions, Unit};
use crate::control::params::json::typed;
use crate::control::params::{FormError, Params, parse_json, parse_yaml, text};

impl Results {
    /// Reads the results in a json that also has parameters, which it leaves
    /// alone: an object with `kdamonds`, or a list of kdamonds.
    ///
    /// # Errors
    /// Not json, or a value that cannot be, with its place.
    pub fn from_json(text: &str) -> Result<Results, FormError> {
        results(parse_json(text)?).map_err(|(path, message)| FormError::Json { path, message })
    }

    /// As [`Results::from_json`], from yaml.
    ///
    /// # Errors
    /// Not yaml, or a value that cannot be.
    pub fn from_yaml(text: &str) -> Result<Results, FormError> {
        results(parse_yaml(text)?).map_err(|(path, message)| FormError::Yaml { path, message })
    }

    /// The parameters' json, with each kdamond's `state` and `pid`, and each
    /// scheme's `stats` and `tried_regions`; `raw` without units and commas.
    pub fn to_json(&self, params: &Params, raw: bool) -> Value {
        let mut json = params.to_json(raw);
        for (kdamond, json) in self.kdamonds.iter().zip(list(json.get_mut("kdamonds"))) {
            for (context, json) in kdamond.contexts.iter().zip(list(json.get_mut("contexts"))) {
                for (scheme, json) in context.schemes.iter().zip(list(json.get_mut("schemes"))) {
                    add_scheme(scheme, json, raw);
                }
            }
            json.extend(kdamond.summary(raw));
        }
        json
    }
}

fn results(mut json: Value) -> Result<Results, (String, String)> {
    crate::control::params::foreign::without_nulls(&mut json);
    match json {
        list @ Value::Array(_) => typed(list).map(|kdamonds| Results { kdamonds }),
        other => typed(other),
    }
}

fn list(json: Option<&mut Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    let values = json.and_then(Value::as_array_mut).into_iter().flatten();
    values.filter_map(Value::as_object_mut)
}

impl KdamondResults {
    /// What there is to say about the thread.
    pub fn summary(&self, raw: bool) -> Map<String, Value> {
        let mut summary = Map::new();
        summary.insert("state".to_owned(), json!(self.state));
        summary.insert("pid".to_owned(), json!(self.pid));
        if let Some(usage) = &self.cpu_usage {
            summary.insert("cpu_usage".to_owned(), usage.to_json(raw));
        }
        summary
    }
}

impl fmt::Display for KdamondResults {
    /// `state: on, pid: 1234`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A file's may be anything.
        let state = self.state.as_deref().unwrap_or("unknown");
        write!(f, "state: {}", state.escape_debug())?;
        if let Some(pid) = self.pid {
            write!(f, ", pid: {pid}")?;
        }
        match &self.cpu_usage {
            Some(usage) => write!(f, ", cpu usage: {usage}"),
            None => Ok(()),
        }
    }
}

impl Stats {
    /// The json form of those named; of all if none is.
    pub fn to_json(&self, only: &[String], raw: bool) -> Value {
        let named = |name: &str| only.is_empty() || only.iter().any(|only| only == name);
        let stats = self.all().filter(|(name, ..)| named(name));
        let stats = stats.map(|(name, value, unit)| {
            let value = match (raw, unit) {
                (true, _) => json!(value),
                (false, Unit::Count) => json!(text::of_number(value)),
                (false, Unit::Bytes) => json!(text::of_size(value)),
            };
            (name.to_owned(), value)
        });
        Value::Object(stats.collect())
    }
}

fn add_scheme(scheme: &SchemeResults, json: &mut Map<String, Value>, raw: bool) {
    if let Some(stats) = &scheme.stats {
        json.insert("stats".to_owned(), stats.to_json(&[], raw));
    }
    if let Some(tried) = &scheme.tried_regions {
        json.insert("tried_regions".to_owned(), tried.to_json(raw));
    }
}

impl TriedRegions {
    fn to_json(&self, raw: bool) -> Value {
        let number = |number: u64| match raw {
            true => json!(number),
            false => json!(text::of_number(number)),
        };
        let size = |bytes: u64| match raw {
            true => json!(bytes),
            false => json!(text::of_size(bytes)),
        };
        let regions: Vec<Value> = self
            .regions
            .iter()
            .map(|region| {
                json!({
                    "start": number(region.start),
                    "end": number(region.end),
                    "nr_accesses_samples": number(region.nr_accesses_samples),
                    "age_aggr_intervals": number(region.age_aggr_intervals),
                    "sz_filter_passed_bytes": region.sz_filter_passed_bytes.map(size),
                    "probe_hits": region.probe_hits,
                })
            })
            .collect();
        json!({ "total_bytes": size(self.total_bytes), "regions": regions })
    }
}
