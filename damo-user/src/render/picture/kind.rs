//! Which kind of picture a file's name asks for.

use std::io::{self, Write};
use std::path::Path;

use super::scene::Scene;
use super::{pdf, raster, svg};

/// A format of picture files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureKind {
    /// Pixels, without loss.
    Png,
    /// Pixels, with loss.
    Jpeg,
    /// Lines and text, for the web.
    Svg,
    /// Lines and text, for paper.
    Pdf,
}

impl PictureKind {
    /// The endings of names that are pictures, for messages.
    pub const ENDINGS: &str = "png, jpeg, svg or pdf";

    /// By the ending of a file's name; `None` for what is no picture.
    pub fn of(path: &Path) -> Option<PictureKind> {
        match path.extension()?.to_str()? {
            "png" => Some(PictureKind::Png),
            "jpeg" | "jpg" => Some(PictureKind::Jpeg),
            "svg" => Some(PictureKind::Svg),
            "pdf" => Some(PictureKind::Pdf),
            _ => None,
        }
    }

    /// Writes a picture.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn write(self, out: &mut dyn Write, scene: &Scene) -> io::Result<()> {
        match self {
            PictureKind::Png => raster::write_png(out, scene),
            PictureKind::Jpeg => raster::write_jpeg(out, scene),
            PictureKind::Svg => svg::write(out, scene),
            PictureKind::Pdf => pdf::write(out, scene),
        }
    }
}
