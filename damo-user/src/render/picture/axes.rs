//! A frame with marks on two of its sides.

use super::scene::{Anchor, Area, BLACK, FAINT, Scene, Size, width_of};
use super::ticks::Tick;

/// How far a mark sticks out of the frame.
const MARK: f64 = 5.0;

/// What stands along one side.
pub struct Axis {
    /// What it is, and its unit.
    pub title: String,
    /// Numbers at both ends of the side.
    pub ends: (f64, f64),
    pub ticks: Vec<Tick>,
}

impl Axis {
    /// Where a number is, as a share of the side; `None` beside it.
    pub fn share(&self, number: f64) -> Option<f64> {
        let share = (number - self.ends.0) / (self.ends.1 - self.ends.0);
        (-1e-9..=1.0 + 1e-9).contains(&share).then_some(share)
    }

    /// How much room its labels take beside the frame.
    pub fn label_width(&self) -> f64 {
        let widths = self
            .ticks
            .iter()
            .map(|(_, label)| width_of(label, Size::Normal));
        widths.fold(0.0, f64::max)
    }

    /// Room that it takes on the left: title, labels and marks.
    pub fn left_margin(&self) -> f64 {
        self.label_width() + MARK + 34.0
    }
}

/// Room that the lower axis takes.
pub const BOTTOM_MARGIN: f64 = 50.0;

/// Draws marks and titles below and on the left of `area`; with `grid`, lines
/// across it, too.
pub fn draw_axes(scene: &mut Scene, area: Area, below: &Axis, left: &Axis, grid: bool) {
    let bottom = area.y + area.height;
    let mut free_from = f64::NEG_INFINITY;
    for (number, label) in &below.ticks {
        let Some(share) = below.share(*number) else {
            continue;
        };
        let x = snapped(area.x + share * area.width);
        if grid {
            scene.line((x, area.y), (x, bottom), FAINT);
        }
        scene.line((x, bottom), (x, bottom + MARK), BLACK);
        // A label that would run into the one before is left out.
        let half = width_of(label, Size::Normal) / 2.0;
        if x - half > free_from {
            scene.text((x, bottom + MARK + 13.0), label, Anchor::Middle);
            free_from = x + half + 6.0;
        }
    }
    for (number, label) in &left.ticks {
        let Some(share) = left.share(*number) else {
            continue;
        };
        let y = snapped(bottom - share * area.height);
        if grid {
            scene.line((area.x, y), (area.x + area.width, y), FAINT);
        }
        scene.line((area.x - MARK, y), (area.x, y), BLACK);
        scene.text((area.x - MARK - 4.0, y + 4.0), label, Anchor::End);
    }
    let middle = (area.x + area.width / 2.0, area.y + area.height / 2.0);
    scene.text((middle.0, bottom + 40.0), &below.title, Anchor::Middle);
    let title_x = area.x - left.left_margin() + 16.0;
    scene.upward_text((title_x, middle.1), &left.title);
}

/// In the middle of a pixel, so that a thin line is one pixel wide.
pub fn snapped(at: f64) -> f64 {
    at.floor() + 0.5
}
