//! When to use colours, and which: options that several reports share.

use std::io::IsTerminal;

use clap::ValueEnum;

use crate::render::{Depth, Paint, Palette};

/// `--color`, flattened into a report's options.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ColorOption {
    /// When to use colours; auto: in a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, default_value = "auto")]
    color: ColorArg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ColorArg {
    Always,
    Never,
    Auto,
}

impl ColorOption {
    /// `palette`, or nothing where there are to be no colours.
    pub fn palette(self, palette: impl Into<Palette>) -> Option<Palette> {
        let in_color = match self.color {
            ColorArg::Always => true,
            ColorArg::Never => false,
            // See no-color.org: set and not empty.
            ColorArg::Auto => {
                let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                std::io::stdout().is_terminal() && !no_color
            }
        };
        in_color.then(|| palette.into())
    }

    /// As [`ColorOption::palette`], in as many colours as the terminal has.
    pub fn paint(self, palette: impl Into<Palette>) -> Option<Paint> {
        let colors = std::env::var_os("COLORTERM");
        let all = colors.is_some_and(|value| value == "truecolor" || value == "24bit");
        Some(Paint {
            palette: self.palette(palette)?,
            depth: if all { Depth::True } else { Depth::Indexed },
        })
    }

    /// What the peer does: colours wherever they go, unless they were forbidden.
    pub fn paint_as_the_peer(self, palette: impl Into<Palette>) -> Option<Paint> {
        let never = matches!(self.color, ColorArg::Never);
        (!never).then(|| Paint {
            palette: palette.into(),
            depth: Depth::Indexed,
        })
    }
}

/// A palette, as typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum PaletteArg {
    Gray,
    Flame,
    Emotion,
}

impl From<PaletteArg> for Palette {
    fn from(palette: PaletteArg) -> Palette {
        match palette {
            PaletteArg::Gray => Palette::Gray,
            PaletteArg::Flame => Palette::Flame,
            PaletteArg::Emotion => Palette::Emotion,
        }
    }
}
