//! What the program has counted of each target, where regions themselves are
//! not wanted.

use aya::Pod;
use aya::maps::{HashMap, MapData, MapError};
use damo_ebpf::summary::{Place, Places, Summary, SummaryKey};

use super::layout::{Field, Layout};
use super::{LayoutError, SourceError};
use crate::model::TargetKey;

/// [`SummaryKey`] as the map's key.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Key(SummaryKey);

// SAFETY: SummaryKey is `repr(C)`, has only integers, and no padding.
unsafe impl Pod for Key {}

/// [`Summary`] as user space's copy of the map's value.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Value(Summary);

// SAFETY: Summary is `repr(C)` and has only integers: those of 8 bytes first,
// then an even number of 4 bytes, so that there is no padding.
unsafe impl Pod for Value {}
const _: () = assert!(damo_ebpf::summary::SIZES.steps().is_multiple_of(2));

/// [`Places`] as the program's setting.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(Places);

// SAFETY: Places is `repr(C)` and has only fields of 4 bytes.
unsafe impl Pod for Fields {}

impl Fields {
    /// Where the program is to read.
    ///
    /// # Errors
    /// A field lies across the words that a record is copied in.
    pub fn of(layout: &Layout) -> Result<Fields, LayoutError> {
        let place = |name, field: Field| match (field.offset % field.size, field.offset as u32) {
            (0, offset) => Ok(Place {
                offset,
                size: field.size as u32,
            }),
            _ => Err(LayoutError::Unreadable {
                name,
                offset: field.offset,
                size: field.size,
            }),
        };
        let age = layout.age.map(|field| place("age", field)).transpose()?;
        Ok(Fields(Places {
            end: place("end", layout.end)?,
            nr_accesses: place("nr_accesses", layout.nr_accesses)?,
            age: age.unwrap_or_default(),
        }))
    }
}

/// The map of summaries.
pub struct Summaries(HashMap<MapData, Key, Value>);

impl Summaries {
    pub(super) fn new(map: aya::maps::Map) -> Result<Summaries, SourceError> {
        Ok(Summaries(HashMap::try_from(map)?))
    }

    /// Whose there are.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn keys(&self) -> Result<Vec<TargetKey>, SourceError> {
        let keys = self.0.keys().map(|key| {
            let key = key?.0;
            Ok(TargetKey {
                kdamond: key.kdamond,
                target_id: key.target_id,
            })
        });
        keys.collect()
    }

    /// What was counted of a target, if anything was.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn get(&self, target: TargetKey) -> Result<Option<Box<Summary>>, SourceError> {
        match self.0.get(&key(target), 0) {
            Ok(value) => Ok(Some(Box::new(value.0))),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// From now on, counts nothing of a target, whose process is gone. Gives what
    /// was counted.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn leave_out(&mut self, target: TargetKey) -> Result<Option<Box<Summary>>, SourceError> {
        let Some(mut summary) = self.get(target)? else {
            return Ok(None);
        };
        if summary.left_out == 0 {
            summary.left_out = 1;
            // What is counted in between is of nobody, and not counted again.
            self.0.insert(key(target), Value(*summary), 0)?;
        }
        Ok(Some(summary))
    }

    /// Forgets a target: its kdamond is gone, or recorded no more.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn remove(&mut self, target: TargetKey) -> Result<(), SourceError> {
        match self.0.remove(&key(target)) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn key(target: TargetKey) -> Key {
    Key(SummaryKey {
        kdamond: target.kdamond,
        unused: 0,
        target_id: target.target_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::layout::tests::FORMAT;

    #[test]
    fn the_program_is_told_where_this_kernel_has_its_fields() {
        let Fields(places) = Fields::of(&Layout::parse(FORMAT).unwrap()).unwrap();
        let at = |place: Place| (place.offset, place.size);
        assert_eq!(at(places.end), (24, 8));
        assert_eq!(at(places.nr_accesses), (32, 4));
        assert_eq!(at(places.age), (36, 4));
        let swapped = FORMAT
            .replace("nr_accesses;\toffset:40", "nr_accesses;\toffset:44")
            .replace("age;\toffset:44", "age;\toffset:40");
        let Fields(places) = Fields::of(&Layout::parse(&swapped).unwrap()).unwrap();
        assert_eq!((at(places.nr_accesses), at(places.age)), ((36, 4), (32, 4)));
        let across = FORMAT.replace("nr_accesses;\toffset:40", "nr_accesses;\toffset:42");
        assert!(Fields::of(&Layout::parse(&across).unwrap()).is_err());
    }
}
