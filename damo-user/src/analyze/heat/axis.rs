//! One axis of a picture, divided into pixels.

use std::ops::Range;

use super::HeatError;

/// One axis, divided into pixels of a whole number of units: the rest of the
/// division is cut off at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    pub start: u64,
    pub unit: u64,
    pub pixels: usize,
}

impl Axis {
    pub fn new(
        what: &'static str,
        of: &'static str,
        range: &Range<u64>,
        pixels: usize,
    ) -> Result<Self, HeatError> {
        let unit = range.end.saturating_sub(range.start) / pixels as u64;
        if unit == 0 {
            return Err(HeatError::Range {
                what,
                start: range.start,
                end: range.end,
                unit: of,
                pixels,
            });
        }
        Ok(Self {
            start: range.start,
            unit,
            pixels,
        })
    }

    pub fn end(&self) -> u64 {
        // At most the range's own end.
        self.start + self.unit * self.pixels as u64
    }

    /// The part of a range that is on the axis, relative to the axis.
    pub fn clip(&self, start: u64, end: u64) -> Option<Range<u64>> {
        let (start, end) = (start.max(self.start), end.min(self.end()));
        (start < end).then(|| start - self.start..end - self.start)
    }

    /// The pixels that a clipped range touches. `near` is the last one that
    /// another range touched, and will be this one's: ranges mostly ascend,
    /// which saves the divisions.
    pub fn touched(&self, part: &Range<u64>, near: &mut usize) -> Range<usize> {
        let begin = *near as u64 * self.unit;
        let first = match part.start.checked_sub(begin) {
            Some(ahead) if ahead < self.unit => *near,
            Some(ahead) if ahead - self.unit < self.unit => *near + 1,
            _ => (part.start / self.unit) as usize,
        };
        let len = part.end - first as u64 * self.unit;
        let last = match len {
            _ if len <= self.unit => first,
            _ if len - self.unit <= self.unit => first + 1,
            _ => first + ((len - 1) / self.unit) as usize,
        };
        *near = last;
        first..last + 1
    }

    /// How much of a pixel a clipped range covers.
    pub fn overlap(&self, part: &Range<u64>, pixel: usize) -> u64 {
        let start = pixel as u64 * self.unit;
        part.end
            .min(start + self.unit)
            .saturating_sub(part.start.max(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touched_pixels_do_not_depend_on_what_came_before() {
        let axis = Axis::new("address", "byte", &(100..171), 7).unwrap();
        assert_eq!((axis.unit, axis.end()), (10, 170));
        for near in 0..7 {
            for start in 0..70u64 {
                for end in start + 1..=70 {
                    let mut near = near;
                    let touched = axis.touched(&(start..end), &mut near);
                    let expected = (start / 10) as usize..((end - 1) / 10) as usize + 1;
                    assert_eq!(touched, expected, "{start}..{end} near {near}");
                    assert_eq!(near, expected.end - 1);
                }
            }
        }
    }

    #[test]
    fn an_axis_may_be_as_long_as_there_are_numbers() {
        let axis = Axis::new("address", "byte", &(0..u64::MAX), 1).unwrap();
        let part = axis.clip(u64::MAX - 5, u64::MAX).unwrap();
        assert_eq!(axis.touched(&part, &mut 0), 0..1);
        assert_eq!(axis.overlap(&part, 0), 5);
    }
}
