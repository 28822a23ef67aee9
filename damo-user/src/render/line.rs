//! Text put together byte by byte, for reports of millions of lines: the same
//! as `format!` gives, without what `format!` costs.

use crate::model::units::format_size;

/// Up to here a size's unit and thousandths are counted in whole numbers.
const EXACT: u64 = 1 << 53;

/// Lines that are being put together.
#[derive(Debug, Default)]
pub struct Lines(pub Vec<u8>);

impl Lines {
    /// Adds text.
    pub fn text(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// As `{:>width$}`.
    pub fn text_right(&mut self, text: &str, width: usize) {
        self.pad(text.len(), width);
        self.text(text);
    }

    /// As `{:012x}`.
    pub fn address(&mut self, address: u64) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = (u64::BITS - address.leading_zeros()).div_ceil(4).max(12);
        for place in (0..digits).rev() {
            let digit = (address >> (4 * place)) & 15;
            self.0.extend(DIGITS.get(digit as usize));
        }
    }

    /// As `{:width$}` of a number.
    pub fn number(&mut self, number: u64, width: usize) {
        let mut digits = [0; 20];
        let digits = decimal(number, &mut digits);
        self.pad(digits.len(), width);
        self.0.extend_from_slice(digits);
    }

    /// As `{:>width$}` of a size for people, or of the plain number.
    pub fn size(&mut self, bytes: u64, raw: bool, width: usize) {
        if raw || bytes > EXACT {
            match raw {
                true => self.number(bytes, width),
                false => self.text_right(&format_size(bytes as f64), width),
            }
            return;
        }
        // The largest unit that the size is above.
        let shift = bytes.saturating_sub(1).checked_ilog2().unwrap_or(0) / 10 * 10;
        let unit = match shift {
            0 => "B",
            10 => "KiB",
            20 => "MiB",
            30 => "GiB",
            40 => "TiB",
            _ => "PiB",
        };
        let mut digits = [0; 20];
        if shift == 0 {
            let whole = decimal(bytes, &mut digits);
            self.pad(whole.len() + 2, width);
            self.0.extend_from_slice(whole);
            return self.text(" B");
        }
        // Rounded as floats are: to the nearest, and halves to the even one.
        let scaled = bytes * 1000;
        let (mut thousandths, rest) = (scaled >> shift, scaled & ((1 << shift) - 1));
        let half = 1 << (shift - 1);
        if rest > half || (rest == half && thousandths % 2 == 1) {
            thousandths += 1;
        }
        let whole = decimal(thousandths / 1000, &mut digits);
        self.pad(whole.len() + 5 + unit.len(), width);
        self.0.extend_from_slice(whole);
        let rest = thousandths % 1000;
        let digit = |number: u64| b'0' + (number % 10) as u8;
        let fraction = [b'.', digit(rest / 100), digit(rest / 10), digit(rest), b' '];
        self.0.extend_from_slice(&fraction);
        self.text(unit);
    }

    fn pad(&mut self, len: usize, width: usize) {
        let spaces = width.saturating_sub(len);
        self.0.resize(self.0.len() + spaces, b' ');
    }
}

/// A number's digits.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut first = digits.len();
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (number % 10) as u8;
        first = place;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    digits.get(first..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(put: impl FnOnce(&mut Lines)) -> String {
        let mut lines = Lines::default();
        put(&mut lines);
        String::from_utf8(lines.0).unwrap()
    }

    fn same(number: u64) {
        assert_eq!(lines(|it| it.address(number)), format!("{number:012x}"));
        assert_eq!(lines(|it| it.number(number, 11)), format!("{number:11}"));
        assert_eq!(
            lines(|it| it.size(number, true, 12)),
            format!("{number:>12}")
        );
        let size = format_size(number as f64);
        assert_eq!(
            lines(|it| it.size(number, false, 12)),
            format!("{size:>12}"),
            "{number}"
        );
    }

    #[test]
    fn corners_are_as_format_has_them() {
        for shift in 0..64 {
            let power = 1_u64 << shift;
            for number in [
                power - 1,
                power,
                power + 1,
                power + power / 16,
                power.wrapping_mul(10),
            ] {
                same(number);
            }
        }
        // Halves of a thousandth: 1.0625, 1.1875, 3.9375…
        (0..4096).for_each(|sixteenth| same(sixteenth << 16));
        same(u64::MAX);
        same(1_048_575);
    }

    proptest! {
        #[test]
        fn all_are_as_format_has_them(number: u64, shift in 0_u32..64) {
            same(number >> shift);
        }
    }
}
