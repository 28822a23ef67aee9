//! What a record of the peer's json says beside its snapshots.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::guard::Progress;
use super::value::{Number, Skip, Told, otherwise};
use crate::model::Intervals;

/// What a record says beside its snapshots.
#[derive(Clone, Debug, Default)]
pub struct Head {
    pub kdamond_idx: Option<i32>,
    pub context_idx: Option<u32>,
    pub scheme_idx: Option<u32>,
    /// `None`: regions of all targets.
    pub target_id: Option<u64>,
    pub intervals: Option<Intervals>,
    pub intervals_goal: Option<Value>,
    pub scheme_filters: Vec<Value>,
    pub data_source: Option<String>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
pub enum HeadKey {
    KdamondIdx,
    ContextIdx,
    SchemeIdx,
    TargetId,
    Intervals,
    SchemeFilters,
    DataSource,
    Snapshots,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum IntervalsKey {
    SampleUs,
    AggrUs,
    OpsUpdateUs,
    IntervalsGoal,
    #[serde(other)]
    Other,
}

impl Head {
    /// Takes in the value of `key`, which is not `snapshots`.
    pub fn read<'de, A: MapAccess<'de>>(
        &mut self,
        key: HeadKey,
        map: &mut A,
        progress: &Progress,
    ) -> Result<(), A::Error> {
        match key {
            HeadKey::KdamondIdx => self.kdamond_idx = index(map)?,
            HeadKey::ContextIdx => self.context_idx = index(map)?,
            HeadKey::SchemeIdx => self.scheme_idx = index(map)?,
            HeadKey::TargetId => {
                self.target_id = match map.next_value_seed(Number::Count)? {
                    Told::Is(id) => Some(id),
                    // Kernels before 5.17 tell a pointer, which may look negative.
                    Told::Minus(id) => Some(id.wrapping_neg()),
                    Told::Nothing | Told::Other => None,
                }
            }
            HeadKey::Intervals => {
                let told = map.next_value_seed(IntervalsSeed(progress))?;
                (self.intervals, self.intervals_goal) = told;
            }
            HeadKey::SchemeFilters => {
                self.scheme_filters = match kept(map, progress)? {
                    Value::Array(filters) => filters,
                    _ => Vec::new(),
                };
            }
            HeadKey::DataSource => {
                self.data_source = kept(map, progress)?.as_str().map(str::to_owned);
            }
            HeadKey::Snapshots | HeadKey::Other => map.next_value_seed(Skip)?,
        }
        Ok(())
    }
}

fn index<'de, A: MapAccess<'de>, T: TryFrom<i128>>(map: &mut A) -> Result<Option<T>, A::Error> {
    Ok(match map.next_value_seed(Number::Count)? {
        Told::Is(index) => T::try_from(index.into()).ok(),
        Told::Minus(index) => T::try_from(-i128::from(index)).ok(),
        Told::Nothing | Told::Other => None,
    })
}

/// A value as it is.
fn kept<'de, A: MapAccess<'de>>(map: &mut A, progress: &Progress) -> Result<Value, A::Error> {
    progress.keep();
    let value: Result<Value, A::Error> = map.next_value();
    progress.kept();
    let value = value?;
    let len = match &value {
        Value::Array(values) if values.is_empty() => 0,
        Value::Array(_) | Value::Object(_) | Value::String(_) => value.to_string().len(),
        // Not kept after all.
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    match progress.has_room_for(len) {
        true => Ok(value),
        false => Err(A::Error::custom(
            "filters, goals and sources of all records together are longer than any record's",
        )),
    }
}

struct IntervalsSeed<'a>(&'a Progress);

impl<'de> DeserializeSeed<'de> for IntervalsSeed<'_> {
    type Value = (Option<Intervals>, Option<Value>);

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for IntervalsSeed<'_> {
    type Value = (Option<Intervals>, Option<Value>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("intervals")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut sample, mut aggr, mut update) = (Told::Nothing, Told::Nothing, Told::Nothing);
        let mut goal = None;
        while let Some(key) = map.next_key()? {
            match key {
                IntervalsKey::SampleUs => sample = map.next_value_seed(Number::Us)?,
                IntervalsKey::AggrUs => aggr = map.next_value_seed(Number::Us)?,
                IntervalsKey::OpsUpdateUs => update = map.next_value_seed(Number::Us)?,
                IntervalsKey::IntervalsGoal => {
                    goal = Some(kept(&mut map, self.0)?).filter(Value::is_object);
                }
                IntervalsKey::Other => map.next_value_seed(Skip)?,
            }
        }
        let intervals = match (sample.get(), aggr.get()) {
            (Some(sample_us), Some(aggr_us)) => Some(Intervals {
                sample_us,
                aggr_us,
                update_us: update.get().unwrap_or(0),
            }),
            _ => None,
        };
        Ok((intervals, goal))
    }

    otherwise!((None, None); scalar seq);
}
