//! When to use colours, and which: options that several reports share.

use std::io::IsTerminal;

use clap::ValueEnum;

use crate::render::Palette;

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
