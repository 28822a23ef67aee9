//! What a picture shows, before it is written as a file of some kind.

/// Red, green and blue.
pub type Color = [u8; 3];

pub const BLACK: Color = [0, 0, 0];
pub const WHITE: Color = [255, 255, 255];
/// Text that matters less.
pub const GRAY: Color = [90, 90, 90];
/// Lines behind what matters.
pub const FAINT: Color = [220, 220, 220];
/// Stripes of what is not known, on white.
pub const STRIPE: Color = [165, 165, 165];

/// Stripes are this far from each other, in pixels.
pub const STRIPE_GAP: usize = 8;

/// A level of [`Cells`] that is not known: what is behind it shows.
pub const UNKNOWN: u8 = u8::MAX;

/// A picture, in pixels.
#[derive(Clone, Debug)]
pub struct Scene {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) title: String,
    pub(super) shapes: Vec<Shape>,
}

/// A rectangle, from its upper left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// What is drawn; the later over the earlier.
#[derive(Clone, Debug)]
pub enum Shape {
    Box(Area, Color),
    /// Stripes on white.
    Hatch(Area),
    Line {
        points: Vec<(f64, f64)>,
        width: f64,
        color: Color,
    },
    Text(Text),
    Cells(Area, Cells),
}

/// One line of text.
#[derive(Clone, Debug)]
pub struct Text {
    /// Of the base line, at the anchor.
    pub at: (f64, f64),
    pub text: String,
    pub anchor: Anchor,
    pub size: Size,
    pub color: Color,
    /// Read from below to above.
    pub upward: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    Normal,
    Title,
}

/// Rows of levels, the uppermost first: places in the palette, or [`UNKNOWN`].
#[derive(Clone, Debug)]
pub struct Cells {
    pub columns: usize,
    pub levels: Vec<u8>,
}

impl Cells {
    pub fn rows(&self) -> usize {
        self.levels.len() / self.columns.max(1)
    }
}

impl Size {
    /// Of the letters, in pixels, where fonts are scalable.
    pub fn points(self) -> f64 {
        match self {
            Size::Normal => 12.0,
            Size::Title => 15.0,
        }
    }

    /// Width of a character that text is laid out with; fonts of all kinds of
    /// pictures keep to it, but for lines of the widest letters.
    pub fn advance(self) -> f64 {
        match self {
            Size::Normal => 7.2,
            Size::Title => 9.0,
        }
    }
}

/// How wide a text is at most, in pixels.
pub fn width_of(text: &str, size: Size) -> f64 {
    text.chars().count() as f64 * size.advance()
}

/// A text cut to a number of characters, with `…` for what is left out.
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let start: String = text.chars().take(most.saturating_sub(3)).collect();
    format!("{start}...")
}

impl Scene {
    /// An empty, white picture.
    pub(super) fn new(width: f64, height: f64, title: &str) -> Scene {
        let (width, height) = (width.ceil(), height.ceil());
        let paper = Area {
            x: 0.0,
            y: 0.0,
            width,
            height,
        };
        Scene {
            width,
            height,
            title: title.to_owned(),
            shapes: vec![Shape::Box(paper, WHITE)],
        }
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), color: Color) {
        self.shapes.push(Shape::Line {
            points: vec![from, to],
            width: 1.0,
            color,
        });
    }

    pub(super) fn text(&mut self, at: (f64, f64), text: impl Into<String>, anchor: Anchor) {
        self.colored_text(at, text, anchor, BLACK);
    }

    pub(super) fn colored_text(
        &mut self,
        at: (f64, f64),
        text: impl Into<String>,
        anchor: Anchor,
        color: Color,
    ) {
        self.shapes.push(Shape::Text(Text {
            at,
            text: text.into(),
            anchor,
            size: Size::Normal,
            color,
            upward: false,
        }));
    }

    /// Text that is read from below to above, with its middle at `at`.
    pub(super) fn upward_text(&mut self, at: (f64, f64), text: impl Into<String>) {
        self.shapes.push(Shape::Text(Text {
            at,
            text: text.into(),
            anchor: Anchor::Middle,
            size: Size::Normal,
            color: BLACK,
            upward: true,
        }));
    }

    pub(super) fn heading(&mut self, at: (f64, f64), text: impl Into<String>) {
        self.shapes.push(Shape::Text(Text {
            at,
            text: text.into(),
            anchor: Anchor::Start,
            size: Size::Title,
            color: BLACK,
            upward: false,
        }));
    }

    /// The outline of a rectangle.
    pub(super) fn frame(&mut self, area: Area, color: Color) {
        let (right, bottom) = (area.x + area.width, area.y + area.height);
        self.shapes.push(Shape::Line {
            points: vec![
                (area.x, area.y),
                (right, area.y),
                (right, bottom),
                (area.x, bottom),
                (area.x, area.y),
            ],
            width: 1.0,
            color,
        });
    }
}
