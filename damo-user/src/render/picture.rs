//! Pictures in files: what is drawn (a scene), and four ways to write it.
//!
//! Nothing of the system is needed: no fonts, no other programs. A scene is made
//! of few shapes in pixels, from the upper left corner, on white, so that it can
//! be read on light and on dark pages.

mod axes;
mod chart;
mod encode;
mod heat;
mod kind;
mod palette;
mod pdf;

mod raster;
mod scene;
mod svg;
mod ticks;

pub use chart::{Chart, Measure, Series, draw_chart};
pub use heat::{HeatPicture, draw_heat};
pub use kind::PictureKind;
pub(super) use palette::between;
pub use scene::Scene;
