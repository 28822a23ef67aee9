//! What a region adds to the pixels that it touches.

use std::ops::Range;

use super::Axis;

/// Accesses times nanoseconds, to be multiplied with bytes.
#[derive(Clone, Copy)]
pub enum Heated {
    /// Without rounding.
    Exact(u64),
    /// As well, of a time that no real record has.
    Huge(u128),
    /// As it is known.
    Float(f64),
}

impl Heated {
    /// Of so many accesses for so long.
    pub fn new(nr_accesses: u32, ns: u64) -> Self {
        match u64::from(nr_accesses).checked_mul(ns) {
            Some(exact) => Self::Exact(exact),
            None => Self::Huge(u128::from(nr_accesses) * u128::from(ns)),
        }
    }

    /// Rounded once, at the end. 2^32 x 2^64 x 2^64 would not fit, but a
    /// pixel's time times a pixel's space of a real record is far below.
    fn times(self, bytes: u64) -> f64 {
        let exact = match self {
            Heated::Exact(exact) => match exact.checked_mul(bytes) {
                Some(product) => return product as f64,
                None => u128::from(exact),
            },
            Heated::Huge(exact) => exact,
            Heated::Float(heat) => return heat * bytes as f64,
        };
        match exact.checked_mul(u128::from(bytes)) {
            Some(product) => product as f64,
            None => exact as f64 * bytes as f64,
        }
    }
}

/// Adds one region's heat to the pixels of a row that it touches. Only the
/// first and the last of them can be covered in part.
pub fn heat_row(
    pixels: &mut [f64],
    axis: &Axis,
    space: &Range<u64>,
    heat: Heated,
    area: f64,
    first: usize,
) {
    let last = first + pixels.len() - 1;
    let Some((head, rest)) = pixels.split_first_mut() else {
        return;
    };
    mix(
        std::slice::from_mut(head),
        area,
        heat.times(axis.overlap(space, first)),
    );
    if let Some((tail, middle)) = rest.split_last_mut() {
        mix(middle, area, heat.times(axis.unit));
        mix(
            std::slice::from_mut(tail),
            area,
            heat.times(axis.overlap(space, last)),
        );
    }
}

/// The peer keeps the mean and goes through the sum for each region: the order
/// of these roundings shows in the text, down to the last digit.
fn mix(pixels: &mut [f64], area: f64, heat: f64) {
    for pixel in pixels {
        let before = if pixel.is_nan() { 0.0 } else { *pixel };
        *pixel = (before * area + heat) / area;
    }
}
