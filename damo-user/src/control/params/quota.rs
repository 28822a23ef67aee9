//! How much a scheme may do, and when.

use serde::Deserialize;

use super::{GoalMetric, GoalTuner, WatermarkMetric, form, text};

/// How much a scheme may do per reset interval.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quotas {
    /// Milliseconds of work; 0 for no limit.
    #[serde(deserialize_with = "form::ms")]
    pub time_ms: u64,
    /// Bytes to act on; 0 for no limit.
    #[serde(deserialize_with = "form::bytes")]
    pub sz_bytes: u64,
    /// Milliseconds over which the limits are for.
    #[serde(deserialize_with = "form::ms")]
    pub reset_interval_ms: u64,
    /// What the amount is tuned towards.
    pub goals: Vec<Goal>,
    /// How it is tuned.
    pub goal_tuner: GoalTuner,
    /// What failed to be acted on counts as this share of itself.
    #[serde(deserialize_with = "form::number")]
    pub fail_charge_num: u64,
    /// The share's denominator; 0 charges failures in full.
    #[serde(deserialize_with = "form::number")]
    pub fail_charge_denom: u64,
    /// The amount that tuning came to, as the peer prints it: a result.
    #[serde(deserialize_with = "form::bytes")]
    pub effective_sz_bytes: u64,
    /// Which regions come first.
    pub weights: Weights,
}

impl Default for Quotas {
    fn default() -> Quotas {
        Quotas {
            time_ms: 0,
            sz_bytes: 0,
            reset_interval_ms: 0,
            goals: Vec::new(),
            goal_tuner: GoalTuner::Consist,
            fail_charge_num: 0,
            fail_charge_denom: 0,
            effective_sz_bytes: 0,
            weights: Weights::default(),
        }
    }
}

/// What counts in choosing regions under a quota, in 1/1000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weights {
    /// The size.
    #[serde(deserialize_with = "form::permil")]
    pub sz_permil: u64,
    /// The access rate.
    #[serde(deserialize_with = "form::permil")]
    pub nr_accesses_permil: u64,
    /// The age.
    #[serde(deserialize_with = "form::permil")]
    pub age_permil: u64,
}

/// What a quota is tuned towards.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "GoalForm")]
pub struct Goal {
    /// What is measured.
    pub metric: GoalMetric,
    /// What it should be; in the metric's unit.
    pub target_value: u64,
    /// What it is, for [`GoalMetric::UserInput`].
    pub current_value: u64,
    /// The node, for metrics of a node.
    pub nid: i32,
    /// The cgroup, for metrics of a cgroup; from the root of cgroups.
    pub path: String,
}

impl Default for Goal {
    fn default() -> Goal {
        Goal {
            metric: GoalMetric::UserInput,
            target_value: 0,
            current_value: 0,
            nid: 0,
            path: String::new(),
        }
    }
}

impl Goal {
    /// Reads a value of this metric: a time, a share or a number.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse_value(metric: GoalMetric, value: &str) -> Result<u64, String> {
        match metric {
            GoalMetric::SomeMemPsiUs => text::duration_us(value),
            metric if metric.in_bp() => text::ten_thousandths(value),
            _ => text::number(value),
        }
    }
}

/// A goal as written: what its values mean is known with its metric.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GoalForm {
    metric: GoalMetric,
    #[serde(alias = "target_value_bp")]
    target_value: Written,
    #[serde(alias = "current_value_bp")]
    current_value: Written,
    #[serde(deserialize_with = "form::node")]
    nid: i32,
    #[serde(alias = "memcg_path")]
    path: String,
}

impl Default for GoalForm {
    fn default() -> GoalForm {
        GoalForm {
            metric: GoalMetric::UserInput,
            target_value: Written(String::from("0")),
            current_value: Written(String::from("0")),
            nid: 0,
            path: String::new(),
        }
    }
}

/// A number or a text.
struct Written(String);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Written, D::Error> {
        let number = |number: u64| Some(Written(number.to_string()));
        form::value(from, "a number", number, &|text| {
            Ok(Written(text.to_owned()))
        })
    }
}

impl TryFrom<GoalForm> for Goal {
    type Error = String;

    fn try_from(form: GoalForm) -> Result<Goal, String> {
        Ok(Goal {
            metric: form.metric,
            target_value: Goal::parse_value(form.metric, &form.target_value.0)?,
            current_value: Goal::parse_value(form.metric, &form.current_value.0)?,
            nid: form.nid,
            path: form.path,
        })
    }
}

/// When a scheme is active, by a metric of the system.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Watermarks {
    /// What is measured.
    pub metric: WatermarkMetric,
    /// Microseconds between two looks.
    #[serde(deserialize_with = "form::us")]
    pub interval_us: u64,
    /// Above this the scheme is switched off, 1/1000.
    #[serde(deserialize_with = "form::permil")]
    pub high_permil: u64,
    /// Below this it is switched on, 1/1000.
    #[serde(deserialize_with = "form::permil")]
    pub mid_permil: u64,
    /// Below this it is switched off, 1/1000.
    #[serde(deserialize_with = "form::permil")]
    pub low_permil: u64,
}

impl Default for Watermarks {
    fn default() -> Watermarks {
        Watermarks {
            metric: WatermarkMetric::None,
            interval_us: 0,
            high_permil: 0,
            mid_permil: 0,
            low_permil: 0,
        }
    }
}
