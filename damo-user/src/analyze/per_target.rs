//! One value per target, in order of the targets' first appearance.

use std::collections::HashMap;

use crate::model::TargetKey;

/// One value per target, in order of the targets' first appearance.
#[derive(Debug)]
pub struct PerTarget<T> {
    values: Vec<(TargetKey, T)>,
    places: HashMap<TargetKey, usize>,
}

impl<T> Default for PerTarget<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<T> PerTarget<T> {
    /// The target's value, which is made if it is the target's first.
    pub fn entry(&mut self, target: TargetKey, make: impl FnOnce() -> T) -> &mut T {
        // Nearly every record has one target: no hashing for the first.
        let place = match self.values.first() {
            Some((first, _)) if *first == target => 0,
            _ => *self.places.entry(target).or_insert(self.values.len()),
        };
        if place == self.values.len() {
            self.values.push((target, make()));
        }
        // `place` is below the length by now.
        #[allow(clippy::indexing_slicing)]
        &mut self.values[place].1
    }

    /// Targets and values, in order of first appearance.
    pub fn iter(&self) -> impl Iterator<Item = &(TargetKey, T)> {
        self.values.iter()
    }

    /// The values, in order of first appearance.
    pub fn into_vec(self) -> Vec<(TargetKey, T)> {
        self.values
    }
}
