//! What the peer's json says of a record beside its snapshots.
//!
//! Filters and goals are kept as they were read; the peer writes all of their
//! fields, whether it read them or not, and only numbers without units.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::Value;

use super::json_form::JsonForm;
use super::peer::PeerRecord;
use crate::model::units::{TimeUnit, parse_size, parse_time_us};

/// A scheme's counters, in the peer's order.
const STATS: [&str; 8] = [
    "nr_tried",
    "sz_tried",
    "nr_applied",
    "sz_applied",
    "sz_ops_filter_passed",
    "qt_exceeds",
    "nr_snapshots",
    "max_nr_snapshots",
];

/// Writes everything up to the snapshots.
pub fn write_head<W: Write + ?Sized>(
    out: &mut W,
    record: &PeerRecord,
    form: JsonForm,
) -> io::Result<()> {
    let origin = &record.origin;
    let key = |name| format!("\n        \"{name}\": ");
    // Indices that are not known are 0 to the peer, too.
    write!(
        out,
        "{}{},",
        key("kdamond_idx"),
        origin.kdamond_idx.unwrap_or(0)
    )?;
    write!(
        out,
        "{}{},",
        key("context_idx"),
        origin.context_idx.unwrap_or(0)
    )?;
    out.write_all(key("intervals").as_bytes())?;
    match record.intervals {
        Some(intervals) => {
            let numbers = [
                ("sample_us", intervals.sample_us),
                ("aggr_us", intervals.aggr_us),
                ("ops_update_us", intervals.update_us),
            ];
            out.write_all(b"{")?;
            for (name, us) in numbers {
                write!(out, "\n            \"{name}\": \"{}\",", form.us(us))?;
            }
            out.write_all(b"\n            \"intervals_goal\": ")?;
            write_goal(out, origin.intervals_goal.as_ref(), form)?;
            out.write_all(b"\n        },")?;
        }
        None => out.write_all(b"null,")?,
    }
    out.write_all(key("scheme_idx").as_bytes())?;
    match origin.scheme_idx {
        Some(index) => write!(out, "{index},")?,
        None => out.write_all(b"null,")?,
    }
    out.write_all(key("target_id").as_bytes())?;
    match origin.all_targets {
        true => out.write_all(b"null,")?,
        false => write!(out, "{},", record.key.target_id)?,
    }
    out.write_all(key("scheme_filters").as_bytes())?;
    out.write_all(b"[")?;
    let mut first = true;
    for filter in origin.scheme_filters.iter().filter(|f| f.is_object()) {
        out.write_all(if first {
            b"\n            {"
        } else {
            b",\n            {"
        })?;
        first = false;
        write_filter(out, filter, form)?;
        out.write_all(b"\n            }")?;
    }
    out.write_all(if first { b"]," } else { b"\n        ]," })
}

fn write_goal<W: Write + ?Sized>(
    out: &mut W,
    goal: Option<&Value>,
    form: JsonForm,
) -> io::Result<()> {
    let field = |name: &str| goal.and_then(|goal| goal.get(name));
    write!(
        out,
        "{{\n                \"access_bp\": \"{}\",\n                \"aggrs\": \"{}\",\n                \"min_sample_us\": \"{}\",\n                \"max_sample_us\": \"{}\"\n            }}",
        form.basis_points(field("access_bp").map_or(0.0, basis_points)),
        form.number(field("aggrs").map_or(0, count)),
        form.us(field("min_sample_us").map_or(0, microseconds)),
        form.us(field("max_sample_us").map_or(0, microseconds)),
    )
}

fn write_filter<W: Write + ?Sized>(out: &mut W, filter: &Value, form: JsonForm) -> io::Result<()> {
    let field = |name: &str| filter.get(name).filter(|value| !value.is_null());
    let key = |name| format!("\n                \"{name}\": ");
    let kind = field("filter_type").and_then(Value::as_str).unwrap_or("");
    out.write_all(key("filter_type").as_bytes())?;
    write_text(out, kind)?;
    let matching = field("matching").is_none_or(is_true);
    write!(out, ",{}{matching},", key("matching"))?;
    // filter_pass is allow's older name.
    let allow = field("allow").or(field("filter_pass")).is_some_and(is_true);
    write!(out, "{}{allow},", key("allow"))?;
    out.write_all(key("memcg_path").as_bytes())?;
    let path = field("memcg_path").filter(|_| kind == "memcg");
    write_text(out, path.and_then(Value::as_str).unwrap_or(""))?;
    write!(out, ",{}", key("address_range"))?;
    match field("address_range").filter(|_| kind == "addr") {
        Some(range) => {
            // With commas, however the report is to be.
            let address = |name| form.address(range.get(name).map_or(0, count));
            write!(
                out,
                "{{\n                    \"start\": \"{}\",\n                    \"end\": \"{}\"\n                }},",
                address("start"),
                address("end")
            )?;
        }
        None => out.write_all(b"null,")?,
    }
    out.write_all(key("damon_target_idx").as_bytes())?;
    match field("damon_target_idx").filter(|_| kind == "target") {
        Some(index) => write!(out, "\"{}\",", form.number(count(index)))?,
        None => out.write_all(b"null,")?,
    }
    out.write_all(key("hugepage_size").as_bytes())?;
    write_pair(out, field("hugepage_size"), |bytes| form.bytes(bytes))?;
    write!(out, ",{}", key("probe_hits_wsum_range"))?;
    write_pair(out, field("probe_hits_wsum_range"), |hits| {
        form.number(hits)
    })
}

fn write_pair<W: Write + ?Sized>(
    out: &mut W,
    pair: Option<&Value>,
    text: impl Fn(u64) -> String,
) -> io::Result<()> {
    let Some(numbers) = pair.and_then(Value::as_array).filter(|n| !n.is_empty()) else {
        return out.write_all(b"null");
    };
    out.write_all(b"[")?;
    for (i, number) in numbers.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        write!(
            out,
            "{comma}\n                    \"{}\"",
            text(count(number))
        )?;
    }
    out.write_all(b"\n                ]")
}

/// Writes a scheme's counters; those that are not known are 0, as to the peer.
pub fn write_stats<W: Write + ?Sized>(
    out: &mut W,
    stats: &BTreeMap<String, u64>,
    form: JsonForm,
) -> io::Result<()> {
    out.write_all(b"{")?;
    for (i, name) in STATS.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let value = stats.get(*name).copied().unwrap_or(0);
        let value = match name.starts_with("sz_") {
            true => form.bytes(value),
            false => form.number(value),
        };
        write!(out, "{comma}\n                    \"{name}\": \"{value}\"")?;
    }
    out.write_all(b"\n                }")
}

/// Pieces or bytes.
fn count(value: &Value) -> u64 {
    match value {
        Value::String(text) => parse_size(text).unwrap_or(0),
        value => whole(value),
    }
}

fn microseconds(value: &Value) -> u64 {
    match value {
        Value::String(text) => parse_time_us(text, TimeUnit::Us).unwrap_or(0),
        value => whole(value),
    }
}

fn whole(value: &Value) -> u64 {
    // Saturates, and makes 0 of what is below.
    value
        .as_u64()
        .unwrap_or_else(|| value.as_f64().unwrap_or(0.0) as u64)
}

/// A number is in basis points; a share may be in percent.
fn basis_points(value: &Value) -> f64 {
    let Some(text) = value.as_str().map(str::trim) else {
        return value.as_f64().unwrap_or(0.0);
    };
    let number = |text: &str| text.trim_end().replace(',', "").parse::<f64>();
    match text.strip_suffix('%') {
        Some(percent) => number(percent).map_or(0.0, |percent| percent / 100.0 * 10_000.0),
        None => number(text).unwrap_or(0.0),
    }
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::String(text) => ["y", "yes", "true"].contains(&text.to_lowercase().as_str()),
        value => value.as_bool().unwrap_or(false),
    }
}

/// Writes a text as Python does: in ASCII.
pub fn write_text<W: Write + ?Sized>(out: &mut W, text: &str) -> io::Result<()> {
    out.write_all(b"\"")?;
    for c in text.chars() {
        match c {
            '"' => out.write_all(b"\\\"")?,
            '\\' => out.write_all(b"\\\\")?,
            '\n' => out.write_all(b"\\n")?,
            '\r' => out.write_all(b"\\r")?,
            '\t' => out.write_all(b"\\t")?,
            '\u{8}' => out.write_all(b"\\b")?,
            '\u{c}' => out.write_all(b"\\f")?,
            ' '..='~' => write!(out, "{c}")?,
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
        }
    }
    out.write_all(b"\"")
}
