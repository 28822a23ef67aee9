//! Parameters as json and yaml, in the peer's form, both ways.

use serde::Deserialize;
use serde_json::{Value, json};

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
        if text.trim_start().starts_with('[') {
            let kdamonds: Vec<Kdamond> = from_json(text)?;
            return Ok(Params { kdamonds });
        }
        from_json(text)
    }

    /// As [`Params::from_json`], from yaml.
    ///
    /// # Errors
    /// Not yaml, an unknown key, or a value that cannot be.
    pub fn from_yaml(text: &str) -> Result<Params, FormError> {
        let value: Value = serde_saphyr::from_str(text).map_err(|error| FormError::Yaml {
            path: "the text".to_owned(),
            message: error.to_string(),
        })?;
        let read = |value: Value| match value {
            Value::Array(_) => {
                serde_path_to_error::deserialize(value).map(|kdamonds| Params { kdamonds })
            }
            value => serde_path_to_error::deserialize(value),
        };
        read(value).map_err(|error| FormError::Yaml {
            path: place(error.path()),
            message: error.inner().to_string(),
        })
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
        serde_saphyr::to_string(&self.to_json(raw)).map_err(|error| FormError::Yaml {
            path: "the text".to_owned(),
            message: error.to_string(),
        })
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
        if text.trim_start().starts_with('[') {
            return from_json(text);
        }
        from_json(text).map(|Schemes { schemes }| schemes)
    }
}

fn from_json<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, FormError> {
    let mut json = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| FormError::Json {
        path: place(error.path()),
        message: error.inner().to_string(),
    })?;
    json.end().map_err(|error| FormError::Json {
        path: "its end".to_owned(),
        message: error.to_string(),
    })?;
    Ok(read)
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
                    "weight": self.number(probe.weight),
                    "filters": self.filters(&probe.filters),
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
                    "path": goal.path,
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
