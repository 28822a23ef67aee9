//! A heat map as a picture: time goes right, addresses go up.

use super::axes::{Axis, BOTTOM_MARGIN, draw_axes, snapped};
use super::palette::{LEVELS, level_of};
use super::scene::{
    Anchor, Area, BLACK, Cells, GRAY, Scene, Shape, Size, UNKNOWN, shortened, width_of,
};
use super::ticks::{address_ticks, number_ticks, size_ticks, time_ticks};
use crate::analyze::{HeatMap, NamedRange};
use crate::model::printable;
use crate::model::units::{format_size, format_time};

/// A map, and how it is shown.
pub struct HeatPicture<'a> {
    /// What is shown.
    pub map: &'a HeatMap,
    /// The first line.
    pub title: &'a str,
    /// Times of the record's clock instead of from the picture's start.
    pub absolute_time: bool,
    /// Addresses instead of distances from the picture's first.
    pub absolute_address: bool,
    /// Regions are in the order of their temperatures: addresses say nothing.
    pub sorted: bool,
    /// What lies there, ascending.
    pub places: &'a [NamedRange],
}

/// Sides of the map that are aimed at, and never exceeded, in pixels.
const AIM: (usize, usize) = (880, 520);
const MOST: usize = 3000;

/// Characters of a place's name.
const NAME: usize = 26;

/// Draws a heat map with axes, the names of places and what colours mean.
pub fn draw_heat(picture: &HeatPicture<'_>) -> Scene {
    let HeatPicture { map, .. } = picture;
    let (below, left) = (time_axis(picture), space_axis(picture));
    let map_size = (side(map.resolution.0, AIM.0), side(map.resolution.1, AIM.1));
    let named: Vec<&NamedRange> = match picture.sorted {
        true => Vec::new(),
        false => picture.places.iter().collect(),
    };
    let area = Area {
        x: left.left_margin().ceil(),
        y: 56.0,
        width: map_size.0,
        height: map_size.1,
    };
    let names_x = area.x + area.width + 6.0;
    let name_width = named
        .iter()
        .map(|place| width_of(&name_of(place), Size::Normal))
        .fold(0.0, f64::max);
    let bar_x = match named.is_empty() {
        true => names_x + 18.0,
        false => names_x + 14.0 + name_width + 24.0,
    };
    let legend = legend(picture);
    let width = bar_x + BAR + 12.0 + legend.label_width() + 34.0;
    let height = area.y + area.height + BOTTOM_MARGIN;
    let mut scene = Scene::new(width, height, picture.title);

    let title = shortened(
        &printable(picture.title),
        (width / Size::Title.advance()) as usize - 2,
    );
    scene.heading((area.x, 24.0), title);
    let (time, space) = (format_time(map.unit.0), format_size(map.unit.1 as f64));
    let (rows, columns) = map.resolution;
    let cells = format!("{rows} x {columns} cells, each {time} and {space}");
    scene.colored_text((area.x, 43.0), cells, Anchor::Start, GRAY);

    scene.shapes.push(Shape::Hatch(area));
    scene.shapes.push(Shape::Cells(area, cells_of(map)));
    draw_axes(&mut scene, area, &below, &left, false);
    let origin = match picture.absolute_address {
        true => 0,
        false => map.origin.1,
    };
    let y_of = |address: u64| {
        let share = left.share(address.saturating_sub(origin) as f64);
        area.y + area.height * (1.0 - share.unwrap_or(1.0))
    };
    draw_places(&mut scene, names_x, y_of, &named);
    draw_legend(&mut scene, area, bar_x, &legend);
    if map.heats.iter().any(|heat| heat.is_nan()) {
        draw_unknown(&mut scene, bar_x + BAR, height);
    }
    outline(&mut scene, area);
    scene
}

/// Whole pixels for each cell, and about as many as are aimed at.
fn side(cells: usize, aim: usize) -> f64 {
    let each = (aim / cells.max(1)).max(1);
    (cells * each).clamp(aim / 2, MOST) as f64
}

fn time_axis(picture: &HeatPicture<'_>) -> Axis {
    let (start, end) = (picture.map.origin.0, picture.map.end().0);
    if picture.absolute_time {
        return Axis {
            title: "time of the record's clock".to_owned(),
            ends: (start as f64, end as f64),
            ticks: time_ticks(start..end, 8),
        };
    }
    Axis {
        title: format!("time after {}", format_time(start)),
        ends: (0.0, (end - start) as f64),
        ticks: time_ticks(0..end - start, 8),
    }
}

fn space_axis(picture: &HeatPicture<'_>) -> Axis {
    let (start, end) = (picture.map.origin.1, picture.map.end().1);
    if picture.absolute_address && !picture.sorted {
        return Axis {
            title: "address".to_owned(),
            ends: (start as f64, end as f64),
            ticks: address_ticks(start..end, 10),
        };
    }
    Axis {
        title: match picture.sorted {
            true => "size, the coldest first".to_owned(),
            false => format!("address after {start:#x}"),
        },
        ends: (0.0, (end - start) as f64),
        ticks: size_ticks(0..end - start, 10),
    }
}

/// The lowest and the highest heat, which have colours of their own.
fn extremes(map: &HeatMap) -> (f64, f64) {
    match map.extremes() {
        Some((low, high)) if low < high => (low, high),
        Some((low, _)) => (low, low + 1.0),
        None => (0.0, 1.0),
    }
}

/// The map's rows are of equal time; a picture's are of equal address, the
/// highest first.
fn cells_of(map: &HeatMap) -> Cells {
    let (low, high) = extremes(map);
    let (times, addresses) = map.resolution;
    let mut levels = vec![UNKNOWN; map.heats.len()];
    for (time, row) in map.rows().enumerate() {
        for (address, heat) in row.iter().enumerate() {
            let place = (addresses - 1 - address) * times + time;
            if let (false, Some(level)) = (heat.is_nan(), levels.get_mut(place)) {
                *level = level_of((heat - low) / (high - low));
            }
        }
    }
    Cells {
        columns: times,
        levels,
    }
}

/// Width of the legend's bar.
const BAR: f64 = 18.0;

fn legend(picture: &HeatPicture<'_>) -> Axis {
    let (low, high) = extremes(picture.map);
    Axis {
        title: format!("access frequency ({})", picture.map.heat_unit.name()),
        ends: (low, high),
        ticks: number_ticks(low, high, 8),
    }
}

fn draw_legend(scene: &mut Scene, area: Area, x: f64, legend: &Axis) {
    let bar = Area {
        x,
        width: BAR,
        ..area
    };
    let levels = (0..LEVELS as u8).rev().collect();
    scene
        .shapes
        .push(Shape::Cells(bar, Cells { columns: 1, levels }));
    let right = x + BAR;
    for (number, label) in &legend.ticks {
        if let Some(share) = legend.share(*number) {
            let y = snapped(area.y + area.height * (1.0 - share));
            scene.line((right, y), (right + 5.0, y), BLACK);
            scene.text((right + 9.0, y + 4.0), label, Anchor::Start);
        }
    }
    let title_x = right + 9.0 + legend.label_width() + 20.0;
    scene.upward_text((title_x, area.y + area.height / 2.0), &legend.title);
    outline(scene, bar);
}

/// What the stripes mean.
fn draw_unknown(scene: &mut Scene, right: f64, height: f64) {
    let sample = Area {
        x: right - BAR,
        y: height - 25.0,
        width: BAR,
        height: 14.0,
    };
    scene.shapes.push(Shape::Hatch(sample));
    outline(scene, sample);
    let text = "not watched";
    scene.text((sample.x - 6.0, height - 14.0), text, Anchor::End);
}

fn outline(scene: &mut Scene, area: Area) {
    let (x, y) = (snapped(area.x - 1.0), snapped(area.y - 1.0));
    let outline = Area {
        x,
        y,
        width: area.width + 1.0,
        height: area.height + 1.0,
    };
    scene.frame(outline, BLACK);
}

fn name_of(place: &NamedRange) -> String {
    let name = printable(&place.name);
    let short = name.rsplit('/').next().unwrap_or(&name);
    match short {
        "" => "anonymous".to_owned(),
        name => shortened(name, NAME),
    }
}

/// Brackets beside the map, and names where there is room: the largest first.
fn draw_places(scene: &mut Scene, x: f64, y_of: impl Fn(u64) -> f64, places: &[&NamedRange]) {
    const LINE: f64 = 13.0;
    let mut spans: Vec<(f64, f64, &NamedRange)> = places
        .iter()
        .map(|place| (y_of(place.range.end), y_of(place.range.start), *place))
        .collect();
    spans.sort_by(|a, b| (b.1 - b.0).total_cmp(&(a.1 - a.0)));
    let mut taken: Vec<f64> = Vec::new();
    for (top, bottom, place) in spans {
        let middle = (top + bottom) / 2.0;
        if taken.iter().any(|other| (other - middle).abs() < LINE) {
            continue;
        }
        taken.push(middle);
        let (top, bottom) = (snapped(top), snapped(bottom - 1.0).max(snapped(top)));
        scene.shapes.push(Shape::Line {
            points: vec![(x, top), (x + 5.0, top), (x + 5.0, bottom), (x, bottom)],
            width: 1.0,
            color: GRAY,
        });
        let color = if place.name.is_empty() { GRAY } else { BLACK };
        let name = name_of(place);
        scene.colored_text((x + 12.0, middle + 4.0), name, Anchor::Start, color);
    }
}
