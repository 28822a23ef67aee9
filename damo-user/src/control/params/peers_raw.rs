//! The peer's json without units: some of its times are in nanoseconds then,
//! whatever their key says. (It takes them for what the key says itself, and
//! so reads 10 ms as almost three hours.)

use serde_json::Value;

/// Gives those times their unit, if the json is of that form: nothing else
/// writes shares with decimals and without a percent sign, or an address unit
/// as a text without a unit.
pub(super) fn with_units(json: &mut Value) {
    if is_peers_raw(json) {
        name_units(json);
    }
}

fn is_peers_raw(json: &Value) -> bool {
    match json {
        Value::Object(all) => all.iter().any(|(key, value)| match value {
            // Always there; without units only the peer quotes it.
            Value::String(text) if key == "addr_unit" => {
                !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())
            }
            Value::String(text) if key.ends_with("_permil") || key.ends_with("_bp") => {
                text.contains('.') && !text.contains('%')
            }
            value => is_peers_raw(value),
        }),
        Value::Array(list) => list.iter().any(is_peers_raw),
        _ => false,
    }
}

fn name_units(json: &mut Value) {
    match json {
        Value::Object(all) => {
            for (key, value) in all {
                match (key.as_str(), value) {
                    ("time_ms" | "reset_interval_ms" | "interval_us", value) => in_ns(value),
                    ("age", Value::Object(range)) => range.values_mut().for_each(in_ns),
                    (_, value) => name_units(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(name_units),
        _ => {}
    }
}

fn in_ns(value: &mut Value) {
    let Value::String(text) = value else { return };
    if !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()) {
        *text = match text.parse::<u64>() {
            Ok(ns) => format!("{ns} ns"),
            // Its maximum, in nanoseconds.
            Err(_) => "max".to_owned(),
        };
    }
}
