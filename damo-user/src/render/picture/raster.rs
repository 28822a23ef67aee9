//! A scene as pixels.

use std::io::{self, Write};

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

use super::encode::png_of_pixels;
use super::palette::levels;
use super::scene::{
    Anchor, Area, Cells, Color, STRIPE, STRIPE_GAP, Scene, Shape, Size, Text, WHITE,
};

/// Of what a jpeg keeps; below, lines and letters get shadows.
const JPEG_QUALITY: u8 = 93;

/// Writes a png file.
pub fn write_png(out: &mut dyn Write, scene: &Scene) -> io::Result<()> {
    let raster = Raster::draw(scene);
    let (width, height) = (raster.width as u32, raster.height as u32);
    out.write_all(&png_of_pixels(width, height, &raster.pixels)?)
}

/// Writes a jpeg file.
pub fn write_jpeg(out: &mut dyn Write, scene: &Scene) -> io::Result<()> {
    let raster = Raster::draw(scene);
    let mut file = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut file, JPEG_QUALITY);
    // Scenes are made to fit into 16 bits.
    let side = |pixels: usize| u16::try_from(pixels).unwrap_or(u16::MAX);
    let (width, height) = (side(raster.width), side(raster.height));
    encoder
        .encode(&raster.pixels, width, height, jpeg_encoder::ColorType::Rgb)
        .map_err(io::Error::other)?;
    out.write_all(&file)
}

struct Raster {
    width: usize,
    height: usize,
    /// Red, green and blue of each.
    pixels: Vec<u8>,
}

impl Raster {
    fn draw(scene: &Scene) -> Raster {
        let (width, height) = (scene.width as usize, scene.height as usize);
        let mut raster = Raster {
            width,
            height,
            pixels: vec![u8::MAX; width * height * 3],
        };
        for shape in &scene.shapes {
            match shape {
                Shape::Box(area, color) => raster.fill(area, |_, _| Some(*color)),
                Shape::Hatch(area) => raster.fill(area, |x, y| {
                    let in_stripe = (x + y) % (STRIPE_GAP + 2) < STRIPE_GAP / 2 + 1;
                    Some(if in_stripe { STRIPE } else { WHITE })
                }),
                Shape::Cells(area, cells) => raster.cells(area, cells),
                Shape::Line {
                    points,
                    width,
                    color,
                } => {
                    for (from, to) in points.iter().zip(points.iter().skip(1)) {
                        raster.line(*from, *to, *width, *color);
                    }
                }
                Shape::Text(text) => raster.text(text),
            }
        }
        raster
    }

    fn pixel(&mut self, x: usize, y: usize) -> Option<&mut [u8]> {
        if x >= self.width {
            return None;
        }
        let at = (y * self.width + x) * 3;
        self.pixels.get_mut(at..at + 3)
    }

    /// Colours every pixel of a rectangle that `color` has one for.
    fn fill(&mut self, area: &Area, color: impl Fn(usize, usize) -> Option<Color>) {
        let place = |at: f64| at.round().max(0.0) as usize;
        let (left, right) = (place(area.x), place(area.x + area.width).min(self.width));
        let (top, bottom) = (place(area.y), place(area.y + area.height).min(self.height));
        for y in top..bottom {
            for x in left..right {
                if let (Some(color), Some(pixel)) = (color(x, y), self.pixel(x, y)) {
                    pixel.copy_from_slice(&color);
                }
            }
        }
    }

    fn cells(&mut self, area: &Area, cells: &Cells) {
        let colors = levels();
        let (columns, rows) = (cells.columns as f64, cells.rows() as f64);
        self.fill(area, |x, y| {
            let column = ((x as f64 + 0.5 - area.x) / area.width * columns) as usize;
            let row = ((y as f64 + 0.5 - area.y) / area.height * rows) as usize;
            let level = cells.levels.get(row * cells.columns + column)?;
            // What is not known has no colour.
            colors.get(usize::from(*level)).copied()
        });
    }

    /// Mixes a colour into a pixel.
    fn blend(&mut self, x: i64, y: i64, color: Color, share: f64) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else {
            return;
        };
        if let Some(pixel) = self.pixel(x, y) {
            for (channel, wanted) in pixel.iter_mut().zip(color) {
                let mixed = f64::from(*channel) * (1.0 - share) + f64::from(wanted) * share;
                *channel = mixed.round() as u8;
            }
        }
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), width: f64, color: Color) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let squared = dx * dx + dy * dy;
        let reach = width / 2.0 + 1.0;
        let low = |a: f64, b: f64| (a.min(b) - reach).floor().max(-1.0) as i64;
        let high = |a: f64, b: f64, side: usize| (a.max(b) + reach).ceil().min(side as f64) as i64;
        for y in low(from.1, to.1)..=high(from.1, to.1, self.height) {
            for x in low(from.0, to.0)..=high(from.0, to.0, self.width) {
                // From the pixel's middle to the nearest point of the line.
                let (px, py) = (x as f64 + 0.5 - from.0, y as f64 + 0.5 - from.1);
                let along = match squared {
                    0.0 => 0.0,
                    squared => ((px * dx + py * dy) / squared).clamp(0.0, 1.0),
                };
                let distance = (px - along * dx).hypot(py - along * dy);
                let share = (width / 2.0 + 0.5 - distance).clamp(0.0, 1.0);
                if share > 0.0 {
                    self.blend(x, y, color, share);
                }
            }
        }
    }

    fn text(&mut self, text: &Text) {
        let height = match text.size {
            Size::Normal => RasterHeight::Size16,
            Size::Title => RasterHeight::Size20,
        };
        let advance = get_raster_width(FontWeight::Regular, height) as i64;
        let length = advance * text.text.chars().count() as i64;
        let back = match text.anchor {
            Anchor::Start => 0,
            Anchor::Middle => length / 2,
            Anchor::End => length,
        };
        // Where the font has its base line.
        let base = (height.val() as f64 * 0.785).round() as i64;
        let (x, y) = (text.at.0.round() as i64, text.at.1.round() as i64);
        let glyph = |char| get_raster(char, FontWeight::Regular, height);
        for (nth, char) in (0..).zip(text.text.chars()) {
            let Some(glyph) = glyph(char).or_else(|| glyph('?')) else {
                continue;
            };
            for (row, pixels) in (0..).zip(glyph.rows()) {
                for (column, share) in (0..).zip(pixels) {
                    let (along, down) = (nth * advance + column - back, row - base);
                    let (x, y) = match text.upward {
                        true => (x + down, y - along),
                        false => (x + along, y + down),
                    };
                    self.blend(x, y, text.color, f64::from(*share) / 255.0);
                }
            }
        }
    }
}
