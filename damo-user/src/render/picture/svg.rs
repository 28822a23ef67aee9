//! A scene as svg.

use std::io::{self, Write};

use super::encode::{base64, png_of_cells};
use super::scene::{Anchor, Area, Color, STRIPE, STRIPE_GAP, Scene, Shape, Size, Text};

/// Writes the file.
pub fn write(out: &mut dyn Write, scene: &Scene) -> io::Result<()> {
    let (width, height) = (scene.width, scene.height);
    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="Helvetica, Arial, 'Liberation Sans', sans-serif">"#
    )?;
    writeln!(out, "<title>{}</title>", escaped(&scene.title))?;
    let (gap, half) = (STRIPE_GAP, STRIPE_GAP as f64 / 2.0);
    writeln!(
        out,
        r#"<defs><pattern id="unknown" width="{gap}" height="{gap}" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="{gap}" height="{gap}" fill="white"/><rect width="{half}" height="{gap}" fill="{}"/></pattern></defs>"#,
        hex(STRIPE)
    )?;
    for shape in &scene.shapes {
        match shape {
            Shape::Box(area, color) => {
                writeln!(out, r#"<rect {} fill="{}"/>"#, place(area), hex(*color))?;
            }
            Shape::Hatch(area) => writeln!(out, r#"<rect {} fill="url(#unknown)"/>"#, place(area))?,
            Shape::Line {
                points,
                width,
                color,
            } => {
                write!(out, r#"<polyline points=""#)?;
                for (x, y) in points {
                    write!(out, "{},{} ", short(*x), short(*y))?;
                }
                writeln!(
                    out,
                    r#"" fill="none" stroke="{}" stroke-width="{width}"/>"#,
                    hex(*color)
                )?;
            }
            Shape::Text(text) => write_text(out, text)?,
            Shape::Cells(area, cells) => writeln!(
                out,
                r#"<image {} preserveAspectRatio="none" image-rendering="optimizeSpeed" style="image-rendering:pixelated" href="data:image/png;base64,{}"/>"#,
                place(area),
                base64(&png_of_cells(cells)?)
            )?,
        }
    }
    writeln!(out, "</svg>")
}

fn write_text(out: &mut dyn Write, text: &Text) -> io::Result<()> {
    let (x, y) = (short(text.at.0), short(text.at.1));
    let anchor = match text.anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    let turned = match text.upward {
        true => format!(r#" transform="rotate(-90 {x} {y})""#),
        false => String::new(),
    };
    let weight = match text.size {
        Size::Normal => "",
        Size::Title => r#" font-weight="bold""#,
    };
    writeln!(
        out,
        r#"<text x="{x}" y="{y}" font-size="{}" text-anchor="{anchor}" fill="{}"{weight}{turned}>{}</text>"#,
        text.size.points(),
        hex(text.color),
        escaped(&text.text)
    )
}

fn place(area: &Area) -> String {
    format!(
        r#"x="{}" y="{}" width="{}" height="{}""#,
        short(area.x),
        short(area.y),
        short(area.width),
        short(area.height)
    )
}

/// A number without what nobody sees.
fn short(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

fn hex([red, green, blue]: Color) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// As xml has it; control characters, which it cannot have, are left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            char if char.is_control() => {}
            '\u{fffe}' | '\u{ffff}' => {}
            char => escaped.push(char),
        }
    }
    escaped
}
