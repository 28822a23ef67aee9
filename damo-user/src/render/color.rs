//! Ten levels as colours of a 256-colour terminal.

/// Colours of the levels 0 to 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Palette {
    /// Lighter digits on black.
    Gray,
    /// From black through red and yellow to white, like glowing metal.
    Flame,
    /// From calm blue through green and yellow to red.
    Emotion,
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
const FLAME: Ramp = [
    (232, 240),
    (52, 246),
    (88, 250),
    (124, 252),
    (160, 255),
    (196, 230),
    (202, 16),
    (208, 16),
    (220, 16),
    (230, 16),
];
const EMOTION: Ramp = [
    (17, 60),
    (18, 104),
    (19, 147),
    (25, 153),
    (30, 195),
    (34, 16),
    (112, 16),
    (220, 16),
    (208, 16),
    (196, 231),
];

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
