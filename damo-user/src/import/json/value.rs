//! Single values of the peer's json: numbers, or texts as people write them.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::model::units::{TimeUnit, parse_size, parse_time_ns, parse_time_us};

/// Answers for what a visitor does not expect: passes over it and says `$else`.
///
/// Lists and objects are passed over by recursion, which serde_json limits:
/// its own skipping would keep one byte for each level of nesting.
macro_rules! otherwise {
    ($else:expr; $($kind:ident)*) => { $(otherwise!(@ $kind $else);)* };
    (@ scalar $else:expr) => {
        fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> { Ok($else) }
        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> { Ok($else) }
        fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> { Ok($else) }
        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> { Ok($else) }
        fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> { Ok($else) }
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> { Ok($else) }
    };
    (@ seq $else:expr) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element_seed(crate::import::json::value::Skip)?.is_some() {}
            Ok($else)
        }
    };
    (@ map $else:expr) => {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_key::<serde::de::IgnoredAny>()?.is_some() {
                map.next_value_seed(crate::import::json::value::Skip)?;
            }
            Ok($else)
        }
    };
}
pub(super) use otherwise;

/// Passes over a value.
#[derive(Clone, Copy)]
pub struct Skip;

impl<'de> DeserializeSeed<'de> for Skip {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Skip {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    otherwise!((); scalar seq map);
}

/// What a number counts, and so which units it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Pieces: `1,234`.
    Count,
    /// Bytes: `1,234`, `1.205 KiB`.
    Bytes,
    /// Nanoseconds: `1,234`, `1 m 30 s`.
    Ns,
    /// Microseconds, likewise.
    Us,
}

/// What stands where a number should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// Nothing, or null.
    #[default]
    Nothing,
    /// A number.
    Is(u64),
    /// A number below zero, without its sign.
    Minus(u64),
    /// Something else.
    Other,
}

impl Told {
    /// The number, if it is one.
    pub fn get(self) -> Option<u64> {
        match self {
            Told::Is(value) => Some(value),
            Told::Nothing | Told::Minus(_) | Told::Other => None,
        }
    }

    fn with_sign(negative: bool, value: Option<u64>) -> Told {
        match value {
            Some(value) if negative && value > 0 => Told::Minus(value),
            Some(value) => Told::Is(value),
            None => Told::Other,
        }
    }
}

impl Number {
    /// What a text says.
    pub fn parse(self, text: &str) -> Told {
        let text = text.trim();
        if let Some(value) = grouped(text) {
            return Told::Is(value);
        }
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest.trim_start()),
            None => (false, text),
        };
        let value = match self {
            // What is below one is cut off.
            Number::Count if text.ends_with(|c: char| c.is_ascii_alphabetic() && text != "max") => {
                None
            }
            Number::Count | Number::Bytes => parse_size(text).ok(),
            Number::Ns => parse_time_ns(text, TimeUnit::Ns).ok(),
            Number::Us => parse_time_us(text, TimeUnit::Us).ok(),
        };
        Told::with_sign(negative, value)
    }
}

/// Digits with commas: nearly all of a record.
fn grouped(text: &str) -> Option<u64> {
    let mut value = 0u64;
    let mut digits = text.bytes().filter(|byte| *byte != b',').peekable();
    digits.peek()?;
    for byte in digits {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

impl<'de> DeserializeSeed<'de> for Number {
    type Value = Told;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Told, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Number {
    type Value = Told;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_unit<E: Error>(self) -> Result<Told, E> {
        Ok(Told::Nothing)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Told, E> {
        Ok(Told::Is(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Told, E> {
        Ok(Told::with_sign(value < 0, Some(value.unsigned_abs())))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Told, E> {
        // 2^64 and what is above does not fit.
        let fits = value.is_finite() && value.abs() < u64::MAX as f64;
        let whole = fits.then_some(value.abs() as u64);
        Ok(Told::with_sign(value < 0.0, whole))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Told, E> {
        Ok(self.parse(text))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Told, E> {
        Ok(Told::Other)
    }

    otherwise!(Told::Other; seq map);
}

/// A share in percent: `4`, `"4 %"`.
#[derive(Clone, Copy)]
pub struct Percent;

impl<'de> DeserializeSeed<'de> for Percent {
    type Value = Option<f64>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Option<f64>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Percent {
    type Value = Option<f64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a share in percent")
    }

    fn visit_unit<E: Error>(self) -> Result<Option<f64>, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Option<f64>, E> {
        Ok(Some(value as f64))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Option<f64>, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Option<f64>, E> {
        Ok(Some(value).filter(|share| *share >= 0.0))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<f64>, E> {
        let text = text.trim();
        let digits = text.strip_suffix('%').unwrap_or(text).trim_end();
        let share = digits.replace(',', "").parse().ok();
        Ok(share.filter(|share: &f64| share.is_finite() && *share >= 0.0))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Option<f64>, E> {
        Ok(None)
    }

    otherwise!(None; seq map);
}
