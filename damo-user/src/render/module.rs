//! A module's state: text and json.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::bars::{Bar, write_bars};
use crate::control::Module;
use crate::control::module::{Param, Role, Running, Unit, value};
use crate::model::units::format_time;

/// A module's parameters with the kernel's texts.
#[derive(Clone, Debug)]
pub struct ModuleStatus {
    /// Which module.
    pub module: Module,
    /// Whether it runs.
    pub running: Running,
    /// Its parameters, in order.
    pub params: Vec<(&'static Param, String)>,
    /// Parameters that are not known here, by name.
    pub unknown: Vec<(String, String)>,
}

/// Percentiles that the table shows.
const SHOWN: [usize; 23] = [
    0, 1, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 99, 100,
];

impl ModuleStatus {
    /// Whether it runs, in a line.
    pub fn headline(&self) -> String {
        let Running {
            enabled,
            kdamond,
            ended,
            ours,
        } = self.running;
        let module = self.module;
        if !enabled {
            return format!("{module} is off");
        }
        let thread = match kdamond {
            Some(thread) => format!(" (thread {})", thread.tid),
            None => String::new(),
        };
        if ended {
            return format!("{module} reads enabled, but its kdamond has ended");
        }
        let by = if ours { "by damo" } else { "not by damo" };
        format!("{module} runs{thread}, enabled {by}")
    }

    /// Prints every parameter; `raw` as the kernel spells them.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn write_text(&self, out: &mut dyn Write, raw: bool) -> io::Result<()> {
        if !raw {
            writeln!(out, "{}", self.headline())?;
        }
        for (param, text) in &self.params {
            if raw {
                writeln!(out, "{}: {}", param.name, text.trim())?;
            } else {
                write_param(out, param, text)?;
            }
        }
        for (name, text) in &self.unknown {
            writeln!(out, "{name}: {}", text.trim())?;
        }
        Ok(())
    }

    /// Everything, with numbers in the kernel's units.
    pub fn json(&self) -> Value {
        let of_role = |statistic: bool| -> Value {
            let params = self
                .params
                .iter()
                .filter(|(param, _)| (param.role == Role::Statistic) == statistic);
            let entries = params.map(|(param, text)| {
                let entry = json!({
                    "value": json_value(param.unit, text),
                    "unit": param.unit.name(),
                    "since": param.since.to_string(),
                });
                (param.name.to_owned(), entry)
            });
            entries.collect::<Map<String, Value>>().into()
        };
        json!({
            "module": self.module.name(),
            "enabled": self.running.enabled,
            "enabled_by_damo": self.running.ours,
            "kdamond_ended": self.running.ended,
            "kdamond_tid": self.running.kdamond.map(|thread| thread.tid),
            "parameters": of_role(false),
            "statistics": of_role(true),
            "unknown": self.unknown.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        })
    }
}

fn json_value(unit: Unit, text: &str) -> Value {
    match (unit, value::from_kernel(unit, text)) {
        (Unit::Bool, Some(value)) => json!(value != 0),
        (_, Some(value)) => json!(value),
        (Unit::Pid, None) => Value::Null,
        (Unit::IdlePercentiles, None) => json!(value::idle_percentiles(text)),
        (_, None) => json!(text.trim()),
    }
}

/// Prints one parameter, with units; percentiles as a table with bars.
///
/// # Errors
/// `out` cannot be written.
pub fn write_param(out: &mut dyn Write, param: &Param, text: &str) -> io::Result<()> {
    let percentiles = match param.unit {
        Unit::IdlePercentiles => value::idle_percentiles(text),
        _ => None,
    };
    let Some(idle_ms) = percentiles else {
        return writeln!(
            out,
            "{}: {}",
            param.name,
            value::for_people(param.unit, text)
        );
    };
    writeln!(out, "{}:", param.name)?;
    writeln!(
        out,
        "# <percent of the memory> <not accessed for; negative: accessed for>"
    )?;
    let bars: Vec<Bar> = SHOWN
        .iter()
        .filter_map(|&percent| {
            let value = *idle_ms.get(percent)?;
            Some(Bar {
                label: percent.to_string(),
                text: signed_time(value),
                value,
            })
        })
        .collect();
    write_bars(out, &bars)
}

fn signed_time(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let time = format_time(ms.unsigned_abs().saturating_mul(1_000_000));
    format!("{sign}{time}")
}
