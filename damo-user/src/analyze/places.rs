//! What lies in a range of addresses: the mappings of a process over time.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::model::Mapping;

/// Mappings that are kept; a picture has room for far fewer.
const MAX_PLACES: usize = 4096;

/// Collects the mappings that overlap a range.
#[derive(Debug)]
pub struct NamedRanges {
    within: Range<u64>,
    /// Ends by starts and names: what grows is one place.
    ends: BTreeMap<(u64, Arc<str>), u64>,
}

/// A range of addresses that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedRange {
    /// Addresses, cut to the range that was asked for.
    pub range: Range<u64>,
    /// The file, `[heap]` and the like; empty for anonymous memory.
    pub name: Arc<str>,
}

impl NamedRanges {
    /// Of a range of addresses.
    pub fn new(within: Range<u64>) -> Self {
        Self {
            within,
            ends: BTreeMap::new(),
        }
    }

    /// Takes a mapping in.
    pub fn add(&mut self, mapping: &Mapping) {
        let start = mapping.start.max(self.within.start);
        let end = mapping.end.min(self.within.end);
        if start >= end {
            return;
        }
        let key = (start, mapping.name.clone());
        if self.ends.len() < MAX_PLACES || self.ends.contains_key(&key) {
            let known = self.ends.entry(key).or_insert(end);
            *known = end.max(*known);
        }
    }

    /// The places, ascending. Those of one name that are close to each other for
    /// the range's size, as the parts of a library are, are one.
    pub fn finish(self) -> Vec<NamedRange> {
        let near = self.within.end.saturating_sub(self.within.start) / 256;
        let mut places: Vec<NamedRange> = Vec::new();
        for ((start, name), end) in self.ends {
            let before = places.iter_mut().rev().find(|place| place.name == name);
            match before {
                Some(place) if start <= place.range.end.saturating_add(near) => {
                    place.range.end = place.range.end.max(end);
                }
                _ => places.push(NamedRange {
                    range: start..end,
                    name,
                }),
            }
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_one_file_are_one_place_and_others_are_cut() {
        let mut places = NamedRanges::new(1000..26_600);
        for (start, end, name) in [
            (0, 1200, "[heap]"),
            (0, 1500, "[heap]"),
            (5000, 5100, "libc"),
            (5100, 5200, "libc"),
            (5150, 5160, ""),
            (5250, 5300, "libc"),
            (9000, 9100, "libc"),
            (26_500, 30_000, ""),
            (30_000, 40_000, "far"),
        ] {
            places.add(&Mapping {
                pid: 1,
                start,
                end,
                permissions: 0,
                offset: 0,
                name: name.into(),
            });
        }
        let places = places.finish();
        let told: Vec<_> = places
            .iter()
            .map(|place| (place.range.start, place.range.end, &*place.name))
            .collect();
        assert_eq!(
            told,
            [
                (1000, 1500, "[heap]"),
                (5000, 5300, "libc"),
                (5150, 5160, ""),
                (9000, 9100, "libc"),
                (26_500, 26_600, ""),
            ]
        );
    }
}
