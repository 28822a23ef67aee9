//! Pixels as png: those of a whole picture, or cells by their levels.

use std::io;

use png::{BitDepth, ColorType, Compression, Encoder};

use super::palette::levels;
use super::scene::{Cells, UNKNOWN};

/// As a file, from rows of red, green and blue.
pub fn png_of_pixels(width: u32, height: u32, pixels: &[u8]) -> io::Result<Vec<u8>> {
    encoded(width, height, pixels, |encoder| {
        encoder.set_color(ColorType::Rgb);
    })
}

/// As a file in which what is not known is transparent.
pub fn png_of_cells(cells: &Cells) -> io::Result<Vec<u8>> {
    let (width, height) = (cells.columns as u32, cells.rows() as u32);
    let mut opaque = [u8::MAX; UNKNOWN as usize + 1];
    if let Some(unknown) = opaque.last_mut() {
        *unknown = 0;
    }
    encoded(width, height, &cells.levels, |encoder| {
        encoder.set_color(ColorType::Indexed);
        encoder.set_palette(palette_bytes());
        encoder.set_trns(opaque.to_vec());
    })
}

/// The colours of all levels and of the unknown.
pub fn palette_bytes() -> Vec<u8> {
    let mut bytes = levels().concat();
    bytes.extend([u8::MAX; 3]);
    bytes
}

fn encoded(
    width: u32,
    height: u32,
    bytes: &[u8],
    set: impl FnOnce(&mut Encoder<'_, &mut Vec<u8>>),
) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, width, height);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Balanced);
    set(&mut encoder);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(bytes)?;
    writer.finish()?;
    Ok(file)
}

/// Bytes as text (RFC 4648).
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, i| {
            bits << 8 | u32::from(three.get(i).copied().unwrap_or(0))
        });
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit) & 63) as usize;
            let digit = if digit <= three.len() {
                DIGITS.get(value).copied().unwrap_or(b'=')
            } else {
                b'='
            };
            text.push(char::from(digit));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_any_length_are_text() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xff]), "//7/");
    }
}
