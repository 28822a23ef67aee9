//! A scene as pdf: one page, with a font that every reader has.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::encode::palette_bytes;
use super::scene::{
    Anchor, Area, Cells, Color, STRIPE, STRIPE_GAP, Scene, Shape, Size, Text, UNKNOWN,
};

/// Points per pixel.
const SCALE: f64 = 0.75;

/// Writes the file.
pub fn write(out: &mut dyn Write, scene: &Scene) -> io::Result<()> {
    let mut page = Page::default();
    // From above to below, as the scene has it.
    let flip = (SCALE, -SCALE, scene.height * SCALE);
    writeln!(page.content, "{} 0 0 {} 0 {} cm", flip.0, flip.1, flip.2)?;
    for shape in &scene.shapes {
        page.draw(shape)?;
    }
    let size = (scene.width * SCALE, scene.height * SCALE);
    let images: String = (0..page.images.len())
        .map(|i| format!("/I{i} {} 0 R ", FIRST_IMAGE + i))
        .collect();
    let font = |name: &str| {
        let font = format!(
            "<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>"
        );
        font.into_bytes()
    };
    let page_object = format!(
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {} {}] /Contents 4 0 R \
         /Resources << /Font << /F0 5 0 R /F1 6 0 R >> /XObject << {images}>> >> >>",
        size.0, size.1
    );
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        page_object.into_bytes(),
        stream("", &page.content)?,
        font("Helvetica"),
        font("Helvetica-Bold"),
    ];
    debug_assert_eq!(objects.len() + 1, FIRST_IMAGE);
    objects.extend(page.images);
    write_objects(out, &objects)
}

/// The number of the first object behind the fonts.
const FIRST_IMAGE: usize = 7;

fn write_objects(out: &mut dyn Write, objects: &[Vec<u8>]) -> io::Result<()> {
    let mut file = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut places = Vec::with_capacity(objects.len());
    for (number, object) in (1..).zip(objects) {
        places.push(file.len());
        writeln!(file, "{number} 0 obj")?;
        file.extend_from_slice(object);
        file.extend_from_slice(b"\nendobj\n");
    }
    let table = file.len();
    let count = objects.len() + 1;
    write!(file, "xref\n0 {count}\n0000000000 65535 f \n")?;
    for place in places {
        writeln!(file, "{place:010} 00000 n ")?;
    }
    write!(
        file,
        "trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n"
    )?;
    out.write_all(&file)
}

/// An object of bytes, compressed.
fn stream(dictionary: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    let bytes = encoder.finish()?;
    let length = bytes.len();
    let head = format!("<< {dictionary}/Filter /FlateDecode /Length {length} >>\nstream\n");
    Ok([head.as_bytes(), &bytes, b"\nendstream"].concat())
}

#[derive(Default)]
struct Page {
    content: Vec<u8>,
    images: Vec<Vec<u8>>,
}

impl Page {
    fn draw(&mut self, shape: &Shape) -> io::Result<()> {
        match shape {
            Shape::Box(area, color) => {
                writeln!(self.content, "{} rg {} re f", color_of(*color), place(area))
            }
            Shape::Hatch(area) => self.hatch(area),
            Shape::Line {
                points,
                width,
                color,
            } => {
                write!(self.content, "{} RG {width} w ", color_of(*color))?;
                for (index, (x, y)) in points.iter().enumerate() {
                    let to = if index == 0 { "m" } else { "l" };
                    write!(self.content, "{x:.2} {y:.2} {to} ")?;
                }
                writeln!(self.content, "S")
            }
            Shape::Text(text) => self.text(text),
            Shape::Cells(area, cells) => self.cells(area, cells),
        }
    }

    fn hatch(&mut self, area: &Area) -> io::Result<()> {
        let place = place(area);
        write!(self.content, "q 1 1 1 rg {place} re f {place} re W n ")?;
        let width = STRIPE_GAP as f64 / 2.0;
        write!(self.content, "{} RG {width} w ", color_of(STRIPE))?;
        let step = STRIPE_GAP as f64 * std::f64::consts::SQRT_2;
        let count = ((area.width + area.height) / step).ceil() as u32;
        for nth in 0..=count {
            let x = area.x + f64::from(nth) * step;
            let (bottom, left) = (area.y + area.height, x - area.height);
            write!(
                self.content,
                "{x:.2} {:.2} m {left:.2} {bottom:.2} l S ",
                area.y
            )?;
        }
        writeln!(self.content, "Q")
    }

    fn text(&mut self, text: &Text) -> io::Result<()> {
        let size = text.size.points();
        let bytes: Vec<u8> = text.text.chars().map(latin).collect();
        let width: u32 = bytes.iter().map(|byte| u32::from(width_of(*byte))).sum();
        let mut width = f64::from(width) / 1000.0 * size;
        if text.size == Size::Title {
            // Bold letters are a little wider.
            width *= 1.06;
        }
        let back = match text.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => width / 2.0,
            Anchor::End => width,
        };
        let (x, y) = text.at;
        let matrix = match text.upward {
            true => format!("0 -1 -1 0 {x:.2} {:.2}", y + back),
            false => format!("1 0 0 -1 {:.2} {y:.2}", x - back),
        };
        let font = match text.size {
            Size::Normal => "F0",
            Size::Title => "F1",
        };
        write!(
            self.content,
            "BT /{font} {size} Tf {} rg {matrix} Tm (",
            color_of(text.color)
        )?;
        for byte in bytes {
            if matches!(byte, b'(' | b')' | b'\\') {
                self.content.push(b'\\');
            }
            self.content.push(byte);
        }
        writeln!(self.content, ") Tj ET")
    }

    fn cells(&mut self, area: &Area, cells: &Cells) -> io::Result<()> {
        let colors: String = palette_bytes()
            .iter()
            .map(|it| format!("{it:02x}"))
            .collect();
        let image = format!(
            "/Type /XObject /Subtype /Image /Width {} /Height {} /BitsPerComponent 8 \
             /ColorSpace [/Indexed /DeviceRGB {UNKNOWN} <{colors}>] /Mask [{UNKNOWN} {UNKNOWN}] ",
            cells.columns,
            cells.rows()
        );
        let number = self.images.len();
        self.images.push(stream(&image, &cells.levels)?);
        writeln!(
            self.content,
            "q {:.2} 0 0 {:.2} {:.2} {:.2} cm /I{number} Do Q",
            area.width,
            -area.height,
            area.x,
            area.y + area.height
        )
    }
}

fn place(area: &Area) -> String {
    let Area {
        x,
        y,
        width,
        height,
    } = area;
    format!("{x:.2} {y:.2} {width:.2} {height:.2}")
}

fn color_of(color: Color) -> String {
    let [red, green, blue] = color.map(|it| f64::from(it) / 255.0);
    format!("{red:.3} {green:.3} {blue:.3}")
}

/// A character as the font's encoding has it.
fn latin(char: char) -> u8 {
    match char {
        ' '..='~' | '\u{a1}'..='\u{ff}' => u8::try_from(u32::from(char)).unwrap_or(b'?'),
        _ => b'?',
    }
}

/// Helvetica's widths, in thousandths of its size, from the space on.
const WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, //
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, //
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, //
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, //
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, //
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

fn width_of(byte: u8) -> u16 {
    let place = usize::from(byte).checked_sub(usize::from(b' '));
    let width = place.and_then(|place| WIDTHS.get(place));
    width.copied().unwrap_or(556)
}
