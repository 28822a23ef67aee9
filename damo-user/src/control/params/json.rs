//! Parameters as json and yaml, in the peer's form, both ways.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::foreign::{Wrong, strip, strip_schemes};
use super::{
    AccessPattern, Context, Filter, FilterKind, FormError, Kdamond, Params, Quotas, Region, Scheme,
    Target, text,
};

impl Params {
    /// Reads the json form: an object with `kdamonds`, or a list of kdamonds.
    /// What is missing is as by default.
    ///
    /// # Errors
    /// Not json, an unknown key, or a value that cannot be, with its place.
    pub fn from_json(text: &str) -> Result<Params, FormError> {
        params(parse(text)?).map_err(|(path, message)| FormError::Json { path, message })
    }

    /// As [`Params::from_json`], from yaml.
    ///
    /// # Errors
    /// Not yaml, an unknown key, or a value that cannot be.
    pub fn from_yaml(text: &str) -> Result<Params, FormError> {
        params(parse_yaml(text)?).map_err(|(path, message)| FormError::Yaml { path, message })
    }

    /// The json form; `raw` without units and commas.
    pub fn to_json(&self, raw: bool) -> Value {
        let style = Style { raw };
        let kdamonds: Vec<Value> = self.kdamonds.iter().map(|k| style.kdamond(k)).collect();
        json!({ "kdamonds": kdamonds })
    }

    /// The same as yaml.
    ///
    /// # Errors
    /// A value that yaml cannot hold; there is none.
    pub fn to_yaml(&self, raw: bool) -> Result<String, FormError> {
        yaml_of(&self.to_json(raw))
    }
}

impl Scheme {
    /// Reads a list of schemes, or an object with `schemes`.
    ///
    /// # Errors
    /// As [`Params::from_json`].
    pub fn list_from_json(text: &str) -> Result<Vec<Scheme>, FormError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Schemes {
            schemes: Vec<Scheme>,
        }
        let mut json = parse(text)?;
        let read = strip_schemes(&mut json).and_then(|()| match json {
            list @ Value::Array(_) => typed(list),
            other => typed(other).map(|Schemes { schemes }| schemes),
        });
        read.map_err(|(path, message)| FormError::Json { path, message })
    }
}

/// Json as yaml.
///
/// # Errors
/// A value that yaml cannot hold.
pub fn yaml_of(json: &Value) -> Result<String, FormError> {
    serde_saphyr::to_string(json).map_err(|error| FormError::Yaml {
        path: "the text".to_owned(),
        message: error.to_string(),
    })
}

/// Reads json, of whatever.
///
/// # Errors
/// Not json.
pub fn parse(text: &str) -> Result<Value, FormError> {
    let error = |path: &str, error: serde_json::Error| FormError::Json {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let value = Value::deserialize(&mut json).map_err(|message| error("the top", message))?;
    json.end().map_err(|message| error("its end", message))?;
    Ok(value)
}

/// Reads yaml, of whatever.
///
/// # Errors
/// Not yaml.
pub fn parse_yaml(text: &str) -> Result<Value, FormError> {
    serde_saphyr::from_str(text).map_err(|error| FormError::Yaml {
        path: "the text".to_owned(),
        message: error.to_string(),
    })
}

fn params(mut json: Value) -> Result<Params, Wrong> {
    strip(&mut json)?;
    match json {
        list @ Value::Array(_) => typed(list).map(|kdamonds| Params { kdamonds }),
        other => typed(other),
    }
}

/// Makes something of json; an error has its place.
pub(in crate::control) fn typed<T: DeserializeOwned>(json: Value) -> Result<T, Wrong> {
    serde_path_to_error::deserialize(json)
        .map_err(|error| (place(error.path()), error.inner().to_string()))
}

fn place(path: &serde_path_to_error::Path) -> String {
    match path.to_string().as_str() {
        "." | "?" => "the top".to_owned(),
        path => path.to_owned(),
    }
}

/// How values are printed.
struct Style {
    raw: bool,
}

impl Style {
    fn value(&self, number: u64, form: fn(u64) -> String) -> Value {
        if self.raw {
            json!(number)
        } else {
            json!(form(number))
        }
    }

    fn number(&self, number: u64) -> Value {
        self.value(number, text::of_number)
    }

    fn bytes(&self, bytes: u64) -> Value {
        self.value(bytes, text::of_size)
    }

    fn us(&self, us: u64) -> Value {
        self.value(us, text::of_us)
    }

    fn ms(&self, ms: u64) -> Value {
        self.value(ms, text::of_ms)
    }

    fn permil(&self, permil: u64) -> Value {
        self.value(permil, text::of_permil)
    }

    /// A value whose unit must be seen even so.
    fn with_unit(&self, value: &dyn ToString) -> Value {
        let text = value.to_string();
        json!(if self.raw {
            text.replace(',', "")
        } else {
            text
        })
    }

    fn kdamond(&self, kdamond: &Kdamond) -> Value {
        let contexts: Vec<Value> = kdamond.contexts.iter().map(|c| self.context(c)).collect();
        json!({ "refresh_ms": self.ms(kdamond.refresh_ms), "contexts": contexts })
    }

    fn context(&self, context: &Context) -> Value {
        let intervals = &context.intervals;
        let goal = &intervals.intervals_goal;
        let probes: Vec<Value> = context
            .probes
            .iter()
            .map(|probe| {
                json!({
                    "weight": probe.weight,
                    "filters": probe.filters.iter().map(probe_filter).collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({
            "ops": context.ops.keyword(),
            "addr_unit": self.bytes(context.addr_unit),
            "targets": context.targets.iter().map(|t| self.target(t)).collect::<Vec<_>>(),
            "intervals": {
                "sample_us": self.us(intervals.sample_us),
                "aggr_us": self.us(intervals.aggr_us),
                "ops_update_us": self.us(intervals.ops_update_us),
                "intervals_goal": {
                    "access_bp": self.value(goal.access_bp, text::of_bp),
                    "aggrs": self.number(goal.aggrs),
                    "min_sample_us": self.us(goal.min_sample_us),
                    "max_sample_us": self.us(goal.max_sample_us),
                },
            },
            "nr_regions": {
                "min": self.number(context.nr_regions.min),
                "max": self.number(context.nr_regions.max),
            },
            "probes": probes,
            "pause": context.pause,
            "schemes": context.schemes.iter().map(|s| self.scheme(s)).collect::<Vec<_>>(),
        })
    }

    fn region(&self, region: &Region) -> Value {
        json!({ "start": self.number(region.start), "end": self.number(region.end) })
    }

    fn target(&self, target: &Target) -> Value {
        json!({
            "pid": target.pid,
            "regions": target.regions.iter().map(|r| self.region(r)).collect::<Vec<_>>(),
            "obsolete": target.obsolete,
        })
    }

    fn scheme(&self, scheme: &Scheme) -> Value {
        let dests: Vec<Value> = scheme
            .dests
            .iter()
            .map(|dest| json!({ "id": dest.id, "weight": dest.weight }))
            .collect();
        let marks = &scheme.watermarks;
        json!({
            "action": scheme.action.keyword(),
            "dests": dests,
            "target_nid": scheme.target_nid,
            "access_pattern": self.pattern(&scheme.access_pattern),
            "apply_interval_us": self.us(scheme.apply_interval_us),
            "quotas": self.quotas(&scheme.quotas),
            "watermarks": {
                "metric": marks.metric.keyword(),
                "interval_us": self.us(marks.interval_us),
                "high_permil": self.permil(marks.high_permil),
                "mid_permil": self.permil(marks.mid_permil),
                "low_permil": self.permil(marks.low_permil),
            },
            "filters": self.filters(&scheme.filters),
            "max_nr_snapshots": self.number(scheme.max_nr_snapshots),
        })
    }

    fn pattern(&self, pattern: &AccessPattern) -> Value {
        let (rate, age) = (&pattern.nr_accesses, &pattern.age);
        json!({
            "sz_bytes": {
                "min": self.bytes(pattern.sz_bytes.min),
                "max": self.bytes(pattern.sz_bytes.max),
            },
            "nr_accesses": { "min": self.with_unit(&rate.min), "max": self.with_unit(&rate.max) },
            "age": { "min": self.age(age.min), "max": self.age(age.max) },
        })
    }

    fn age(&self, age: super::Age) -> Value {
        match age {
            super::Age::Us(us) => self.us(us),
            age => self.with_unit(&age),
        }
    }

    fn quotas(&self, quotas: &Quotas) -> Value {
        let goals: Vec<Value> = quotas
            .goals
            .iter()
            .map(|goal| {
                json!({
                    "metric": goal.metric.keyword(),
                    "nid": goal.nid,
                    "memcg_path": some(&goal.path),
                    "target_value": self.number(goal.target_value),
                    "current_value": self.number(goal.current_value),
                })
            })
            .collect();
        json!({
            "time_ms": self.ms(quotas.time_ms),
            "sz_bytes": self.bytes(quotas.sz_bytes),
            "reset_interval_ms": self.ms(quotas.reset_interval_ms),
            "goals": goals,
            "goal_tuner": quotas.goal_tuner.keyword(),
            "fail_charge_num": self.number(quotas.fail_charge_num),
            "fail_charge_denom": self.number(quotas.fail_charge_denom),
            "effective_sz_bytes": self.bytes(quotas.effective_sz_bytes),
            "weights": {
                "sz_permil": self.permil(quotas.weights.sz_permil),
                "nr_accesses_permil": self.permil(quotas.weights.nr_accesses_permil),
                "age_permil": self.permil(quotas.weights.age_permil),
            },
        })
    }

    fn filters(&self, filters: &[Filter]) -> Vec<Value> {
        let form = |filter: &Filter| {
            let kind = &filter.kind;
            json!({
                "filter_type": kind.keyword(),
                "matching": filter.matching,
                "allow": filter.allow,
                "memcg_path": match kind { FilterKind::Memcg(path) => json!(path), _ => Value::Null },
                "address_range": match kind { FilterKind::Addr(range) => self.region(range), _ => Value::Null },
                "damon_target_idx": match kind { FilterKind::Target(index) => self.number(*index), _ => Value::Null },
                "hugepage_size": match kind {
                    FilterKind::HugepageSize { min, max } => json!([self.bytes(*min), self.bytes(*max)]),
                    _ => Value::Null,
                },
            })
        };
        filters.iter().map(form).collect()
    }
}

/// A probe's filter: the cgroup has another key than in a scheme's.
fn probe_filter(filter: &Filter) -> Value {
    json!({
        "filter_type": filter.kind.keyword(),
        "matching": filter.matching,
        "allow": filter.allow,
        "path": match &filter.kind { FilterKind::Memcg(path) => json!(path), _ => Value::Null },
    })
}

/// A text; `null` for an empty one.
fn some(text: &str) -> Value {
    match text {
        "" => Value::Null,
        text => json!(text),
    }
}
