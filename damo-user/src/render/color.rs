//! Ten levels as colours of a terminal.

use std::fmt::Write;

use super::picture::between;

/// Colours of the levels 0 to 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Palette {
    /// Lighter digits on black.
    Gray,
    /// Like glowing metal.
    Flame,
    /// From calm to excited.
    Emotion,
}

/// How many colours a terminal has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// 256, in the peer's order.
    #[default]
    Indexed,
    /// All.
    True,
}

/// Colours as this terminal shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    /// Which.
    pub palette: Palette,
    /// How finely.
    pub depth: Depth,
}

/// Ends all colour.
pub const RESET: &str = "\x1b[0m";

/// Background and foreground of each level.
type Ramp = [(u8, u8); 10];

const GRAY: Ramp = [
    (232, 237),
    (232, 239),
    (232, 241),
    (232, 243),
    (232, 245),
    (232, 247),
    (232, 249),
    (232, 251),
    (232, 253),
    (232, 255),
];
/// The numbers that damo 3 sends.
const FLAME: Ramp = [
    (232, 239),
    (1, 235),
    (1, 237),
    (2, 239),
    (3, 243),
    (3, 245),
    (20, 247),
    (21, 249),
    (26, 251),
    (27, 255),
];
/// The numbers that damo 3 sends.
const EMOTION: Ramp = [
    (232, 239),
    (234, 235),
    (20, 237),
    (21, 239),
    (26, 243),
    (2, 245),
    (3, 247),
    (1, 249),
    (1, 251),
    (1, 255),
];

/// With all colours: black, red, orange, yellow, white.
const TRUE_FLAME: [[u8; 3]; 5] = [
    [8, 8, 8],
    [140, 12, 12],
    [226, 88, 12],
    [250, 204, 60],
    [255, 252, 230],
];
/// Blue, green, yellow, red.
const TRUE_EMOTION: [[u8; 3]; 4] = [[16, 32, 112], [24, 140, 90], [240, 208, 60], [214, 32, 32]];
/// Of the digits: they get lighter, on black.
const TRUE_GRAY: [[u8; 3]; 2] = [[58, 58, 58], [238, 238, 238]];

impl Palette {
    /// The escapes that switch to a level's colours; levels above 9 are 9.
    pub fn escape(self, level: u8) -> String {
        let ramp = match self {
            Palette::Gray => GRAY,
            Palette::Flame => FLAME,
            Palette::Emotion => EMOTION,
        };
        let (background, foreground) = ramp.get(usize::from(level)).copied().unwrap_or(ramp[9]);
        format!("\x1b[48;5;{background}m\x1b[38;5;{foreground}m")
    }
}

impl Paint {
    /// Adds the escapes that switch to the colours of a level, or, where there are
    /// enough of them, of a share of the highest (0 to 1).
    pub fn escape(self, out: &mut String, level: u8, share: f64) {
        let (background, foreground) = match (self.depth, self.palette) {
            (Depth::Indexed, palette) => return out.push_str(&palette.escape(level)),
            (Depth::True, Palette::Gray) => ([8, 8, 8], between(&TRUE_GRAY, share)),
            (Depth::True, Palette::Flame) => with_digits(between(&TRUE_FLAME, share)),
            (Depth::True, Palette::Emotion) => with_digits(between(&TRUE_EMOTION, share)),
        };
        let ([r, g, b], [fr, fg, fb]) = (background, foreground);
        // Writing to a String never fails.
        let _ = write!(out, "\x1b[48;2;{r};{g};{b}m\x1b[38;2;{fr};{fg};{fb}m");
    }
}

/// Digits that can be read on a background.
fn with_digits(background: [u8; 3]) -> ([u8; 3], [u8; 3]) {
    let [red, green, blue] = background.map(u32::from);
    let is_light = red * 299 + green * 587 + blue * 114 > 128_000;
    (background, if is_light { [0; 3] } else { [255; 3] })
}
