//! How single values are read from json and yaml: as a number, or as a text
//! with units.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};

use super::text;

/// Reads a number, or what `parse` takes.
struct Value<'p, T> {
    number: fn(u64) -> Option<T>,
    parse: &'p dyn Fn(&str) -> Result<T, String>,
    expected: &'static str,
}

impl<T> Visitor<'_> for Value<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        (self.number)(number).ok_or_else(|| E::custom(format!("{number} is not {}", self.expected)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::custom(format!("{number} is below 0"))),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        (self.parse)(&number.to_string()).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).map_err(E::custom)
    }
}

/// Reads a value that is a text, or a number that `number` takes.
pub(in crate::control) fn value<'de, D: Deserializer<'de>, T>(
    from: D,
    expected: &'static str,
    number: fn(u64) -> Option<T>,
    parse: &dyn Fn(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    from.deserialize_any(Value {
        number,
        parse,
        expected,
    })
}

macro_rules! forms {
    ($($name:ident: $parse:path, $expected:literal;)*) => {$(
        pub(in crate::control) fn $name<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
            value(from, $expected, Some, &$parse)
        }
    )*};
}

forms! {
    number: text::number, "a whole number";
    bytes: text::size, "a size";
    us: text::duration_us, "a time in microseconds or with its unit";
    ms: text::duration_ms, "a time in milliseconds or with its unit";
    permil: text::permil, "1/1000s or a percentage";
    bp: text::ten_thousandths, "1/10000s or a percentage";
}

/// [`number`], where there may be none.
pub(in crate::control) fn some_number<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<u64>, D::Error> {
    number(from).map(Some)
}

/// [`bytes`], where there may be none.
pub(in crate::control) fn some_bytes<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<u64>, D::Error> {
    bytes(from).map(Some)
}

/// A truth value, or DAMON's `Y` and `N`.
pub(in crate::control) fn boolean<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    struct Truth;

    impl Visitor<'_> for Truth {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("true or false")
        }

        fn visit_bool<E: Error>(self, truth: bool) -> Result<bool, E> {
            Ok(truth)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
            truth(text).ok_or_else(|| E::custom(format!("'{text}' is not true or false")))
        }
    }
    from.deserialize_any(Truth)
}

/// A truth value, as texts have it.
pub(in crate::control) fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" | "true" => Some(true),
        "n" | "no" | "false" => Some(false),
        _ => None,
    }
}

/// A process, as a number or a text; 0, which DAMON's file says of the physical
/// address space, and -1 are none.
pub(in crate::control) fn pid<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    match whole(from)? {
        -1 | 0 => Ok(None),
        pid => u32::try_from(pid)
            .map(Some)
            .map_err(|_| D::Error::custom(format!("{pid} is not a process id"))),
    }
}

/// A node's number; -1 is none.
pub(in crate::control) fn node<'de, D: Deserializer<'de>>(from: D) -> Result<i32, D::Error> {
    let nid = whole(from)?;
    i32::try_from(nid).map_err(|_| D::Error::custom(format!("{nid} is not a node")))
}

/// A whole number, which may be below 0, or a text of one.
fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    struct Whole;

    impl Visitor<'_> for Whole {
        type Value = i64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number")
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
            Ok(number)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
            i64::try_from(number).map_err(|_| E::custom(format!("{number} is too large")))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<i64, E> {
            let number = text.trim().replace(',', "").parse();
            number.map_err(|_| E::custom(format!("'{text}' is not a whole number")))
        }

        fn visit_unit<E: Error>(self) -> Result<i64, E> {
            Ok(-1)
        }
    }
    from.deserialize_any(Whole)
}
