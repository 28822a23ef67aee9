//! Numbers in as few bytes as they need: LEB128, and zigzag for signed ones.

/// Appends `value`, seven bits a byte, lowest first.
#[inline]
pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes one number off the front; `None` if it is cut short or over 64 bits.
#[inline]
pub(super) fn get(bytes: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        *bytes = rest;
        return Some(u64::from(first));
    }
    get_long(bytes)
}

fn get_long(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && byte > 1 {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Folds a difference so that small ones of either sign are small numbers.
#[inline]
pub(super) fn zigzag(difference: u64) -> u64 {
    (difference << 1) ^ ((difference as i64) >> 63) as u64
}

/// The inverse of [`zigzag`].
#[inline]
pub(super) fn unzigzag(folded: u64) -> u64 {
    (folded >> 1) ^ (folded & 1).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_bytes() {
        for (value, bytes) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (u64::MAX, &[255, 255, 255, 255, 255, 255, 255, 255, 255, 1]),
        ] {
            let mut out = Vec::new();
            put(&mut out, value);
            assert_eq!(out, bytes);
            let mut rest = bytes;
            assert_eq!(get(&mut rest), Some(value));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn signs_fold() {
        for (difference, folded) in [(0, 0), (u64::MAX, 1), (1, 2), (1 << 63, u64::MAX)] {
            assert_eq!(zigzag(difference), folded);
            assert_eq!(unzigzag(folded), difference);
        }
    }

    #[test]
    fn refuses_cut_and_overlong() {
        for bad in [
            &[][..],
            &[0x80],
            &[255, 255, 255, 255, 255, 255, 255, 255, 255, 2],
            &[0x80; 11],
        ] {
            assert_eq!(get(&mut &bad[..]), None, "{bad:?}");
        }
    }
}
