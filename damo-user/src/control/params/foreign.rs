//! What json says beyond parameters: results, which [`crate::control::results`]
//! reads, and the peer's keys for what no kernel has.

use serde_json::{Map, Value};

use super::peers_raw::with_units;

/// A place in the json, and what is wrong there.
pub(in crate::control) type Wrong = (String, String);

type Object = Map<String, Value>;

/// The newest kernel whose files are known.
const NEWEST: &str = "no kernel up to 7.3";

/// Leaves what [`super::Params`] reads of an object with `kdamonds`, or of a
/// list of kdamonds.
pub(super) fn strip(json: &mut Value) -> Result<(), Wrong> {
    without_nulls(json);
    with_units(json);
    match json {
        Value::Object(all) => each(all, "", "kdamonds", kdamond),
        list => each_of(Some(list), "", kdamond),
    }
}

/// The same of schemes.
pub(super) fn strip_schemes(json: &mut Value) -> Result<(), Wrong> {
    without_nulls(json);
    with_units(json);
    match json {
        Value::Object(all) => each(all, "", "schemes", scheme),
        list => each_of(Some(list), "", scheme),
    }
}

/// A key without a value is as good as none.
pub(in crate::control) fn without_nulls(json: &mut Value) {
    match json {
        Value::Object(all) => {
            all.retain(|_, value| !value.is_null());
            all.values_mut().for_each(without_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

type Visit = fn(&mut Object, &str) -> Result<(), Wrong>;

/// Visits the objects of the list `key`; what is none is for whoever reads it.
fn each(object: &mut Object, path: &str, key: &str, visit: Visit) -> Result<(), Wrong> {
    let path = if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    };
    each_of(object.get_mut(key), &path, visit)
}

fn each_of(list: Option<&mut Value>, path: &str, visit: Visit) -> Result<(), Wrong> {
    let Some(Value::Array(list)) = list else {
        return Ok(());
    };
    for (index, value) in list.iter_mut().enumerate() {
        if let Value::Object(object) = value {
            visit(object, &format!("{path}[{index}]"))?;
        }
    }
    Ok(())
}

fn forget(object: &mut Object, keys: &[&str]) {
    for key in keys {
        object.remove(*key);
    }
}

fn kdamond(kdamond: &mut Object, path: &str) -> Result<(), Wrong> {
    forget(kdamond, &["state", "pid", "name", "cpu_usage"]);
    each(kdamond, path, "contexts", context)
}

fn context(context: &mut Object, path: &str) -> Result<(), Wrong> {
    forget(context, &["name"]);
    if let Some(control) = context.remove("sample_control") {
        sample_control(&control, &format!("{path}.sample_control"))?;
    }
    each(context, path, "targets", |target, path| {
        each(target, path, "regions", |region, _| {
            let found = ["nr_accesses", "age", "probe_hits", "sz_filter_passed"];
            forget(region, &found);
            Ok(())
        })
    })?;
    each(context, path, "probes", probe)?;
    each(context, path, "schemes", scheme)
}

/// How accesses are looked for: by page tables, in every kernel.
fn sample_control(control: &Value, path: &str) -> Result<(), Wrong> {
    let refuse = |key: &str, rule: &str| {
        Err((
            format!("{path}.{key}"),
            format!("{rule}; {NEWEST} has anything else"),
        ))
    };
    let primitives = control.get("primitives_enabled");
    let primitive = |name: &str| primitives.and_then(|all| all.get(name));
    if primitive("page_table").is_some_and(|value| truth(value) != Some(true)) {
        return refuse("primitives_enabled.page_table", "must be true");
    }
    if primitive("page_fault").is_some_and(|value| truth(value) != Some(false)) {
        return refuse("primitives_enabled.page_fault", "must be false");
    }
    match control.get("sample_filters") {
        Some(filters) if filters.as_array().is_none_or(|list| !list.is_empty()) => {
            refuse("sample_filters", "must be an empty list")
        }
        _ => Ok(()),
    }
}

fn probe(probe: &mut Object, path: &str) -> Result<(), Wrong> {
    if let Some(preps) = probe.remove("preps")
        && preps.as_array().is_none_or(|list| !list.is_empty())
    {
        return Err((format!("{path}.preps"), NO_PREPS.to_owned()));
    }
    each(probe, path, "filters", |filter, path| {
        let kind = filter.get("filter_type").and_then(Value::as_str);
        match kind.and_then(no_probe_filter) {
            Some(message) => Err((format!("{path}.filter_type"), message)),
            None => Ok(()),
        }
    })
}

fn scheme(scheme: &mut Object, path: &str) -> Result<(), Wrong> {
    // A parameter that the kernel, and so the peer, keeps among the statistics.
    const LIMIT: &str = "max_nr_snapshots";
    if let Some(Value::Object(mut stats)) = scheme.remove("stats")
        && let Some(limit) = stats.remove(LIMIT)
    {
        scheme.entry(LIMIT).or_insert(limit);
    }
    forget(scheme, &["tried_regions"]);
    let Some(Value::Object(quotas)) = scheme.get_mut("quotas") else {
        return Ok(());
    };
    each(
        quotas,
        &format!("{path}.quotas"),
        "goals",
        |goal, path| match goal.remove("complement") {
            Some(value) if truth(&value) != Some(false) => {
                Err((format!("{path}.complement"), NO_COMPLEMENT.to_owned()))
            }
            _ => Ok(()),
        },
    )
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => super::form::truth(text),
        _ => None,
    }
}

/// Types of a probe's filters that only the peer knows.
const PROBE_TYPES_OF_NO_KERNEL: [&str; 3] = ["pgidle_unset", "pgidle_set", "hugepage_size"];

/// Why a goal is not turned round.
pub const NO_COMPLEMENT: &str =
    "no kernel up to 7.3 takes a goal's complement; name the metric that counts the rest";

/// Why pages are not prepared.
pub const NO_PREPS: &str = "no kernel up to 7.3 prepares pages for a probe; leave it out";

/// Why a probe has no such filter; `None` for types that it may have.
fn no_probe_filter(kind: &str) -> Option<String> {
    if !PROBE_TYPES_OF_NO_KERNEL.contains(&kind) {
        return None;
    }
    Some(format!(
        "{NEWEST} has '{kind}' in a probe; a probe's filter is anon or memcg"
    ))
}
