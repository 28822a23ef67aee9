//! Lines over two axes.

use super::axes::{Axis, BOTTOM_MARGIN, draw_axes};
use super::palette::LINES;
use super::scene::{Anchor, Area, BLACK, GRAY, Scene, Shape, Size, shortened, width_of};
use super::ticks::{number_ticks, size_ticks, time_ticks};
use crate::model::printable;

/// A chart of one or more lines; both axes begin at 0, or below if numbers do.
#[derive(Clone, Debug)]
pub struct Chart {
    /// The first line.
    pub title: String,
    /// What goes right, in words.
    pub x_title: String,
    /// What its numbers are.
    pub x: Measure,
    /// What goes up, in words.
    pub y_title: String,
    /// What its numbers are.
    pub y: Measure,
    /// The lines. Those behind the sixth have the colours of the first ones.
    pub series: Vec<Series>,
}

/// A line of a chart.
#[derive(Clone, Debug)]
pub struct Series {
    /// What it is; shown if there are several, or if it is not empty.
    pub name: String,
    /// Right and up; they are joined in this order. What is no number is left out.
    pub points: Vec<(f64, f64)>,
}

/// What numbers of an axis are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Sizes, in bytes.
    Bytes,
    /// Times, in nanoseconds.
    Ns,
    /// Percent, 0 to 100.
    Percent,
    /// Plain numbers.
    Number,
}

/// Size of the frame, in pixels.
const FRAME: (f64, f64) = (760.0, 420.0);

/// Lines that are named; more would hide the chart.
const NAMED: usize = 16;

/// Draws a chart.
pub fn draw_chart(chart: &Chart) -> Scene {
    let points = || chart.series.iter().flat_map(|series| &series.points);
    let finite = |number: &f64| number.is_finite();
    let below = axis(
        &chart.x_title,
        chart.x,
        points().map(|point| point.0).filter(finite),
    );
    let left = axis(
        &chart.y_title,
        chart.y,
        points().map(|point| point.1).filter(finite),
    );
    let area = Area {
        x: left.left_margin().ceil(),
        y: 42.0,
        width: FRAME.0,
        height: FRAME.1,
    };
    let named: Vec<String> = chart
        .series
        .iter()
        .take(NAMED)
        .map(|series| shortened(&printable(&series.name), 30))
        .collect();
    let has_names = chart.series.len() > 1 || named.iter().any(|name| !name.is_empty());
    let widest = named.iter().map(|name| width_of(name, Size::Normal));
    let names_width = match has_names {
        true => 50.0 + widest.fold(0.0, f64::max),
        false => 0.0,
    };
    let right = area.x + area.width;
    let last_label = below
        .ticks
        .last()
        .map_or(0.0, |(_, label)| width_of(label, Size::Normal));
    let width = right + names_width.max(last_label / 2.0) + 14.0;
    let height = area.y + area.height + BOTTOM_MARGIN;
    let mut scene = Scene::new(width, height, &chart.title);
    let title = shortened(
        &printable(&chart.title),
        (width / Size::Title.advance()) as usize - 2,
    );
    scene.heading((area.x, 25.0), title);
    draw_axes(&mut scene, area, &below, &left, true);
    for (index, series) in chart.series.iter().enumerate() {
        let color = LINES.get(index % LINES.len()).copied().unwrap_or(BLACK);
        let place = |(x, y): &(f64, f64)| {
            let (x, y) = (below.share(*x)?, left.share(*y)?);
            Some((area.x + x * area.width, area.y + area.height * (1.0 - y)))
        };
        let points: Vec<_> = series.points.iter().filter_map(place).collect();
        draw_line(&mut scene, points, color);
        if has_names && index < NAMED {
            let y = area.y + 10.0 + 18.0 * index as f64;
            let x = right + 14.0;
            draw_line(&mut scene, vec![(x, y), (x + 22.0, y)], color);
            let name = named.get(index).cloned().unwrap_or_default();
            scene.text((x + 28.0, y + 4.0), name, Anchor::Start);
        }
    }
    if has_names && chart.series.len() > NAMED {
        let more = format!("and {} more", chart.series.len() - NAMED);
        let y = area.y + 14.0 + 18.0 * NAMED as f64;
        scene.colored_text((right + 14.0, y), more, Anchor::Start, GRAY);
    }
    scene.frame(
        Area {
            x: area.x - 0.5,
            y: area.y - 0.5,
            ..area
        },
        BLACK,
    );
    scene
}

/// A single point is a dot.
fn draw_line(scene: &mut Scene, mut points: Vec<(f64, f64)>, color: super::scene::Color) {
    if let [(x, y)] = *points {
        points.push((x + 0.01, y));
    }
    if !points.is_empty() {
        scene.shapes.push(Shape::Line {
            width: if points.len() == 2 && points.first() == points.last() {
                4.0
            } else {
                2.0
            },
            points,
            color,
        });
    }
}

fn axis(title: &str, measure: Measure, numbers: impl Iterator<Item = f64>) -> Axis {
    let (mut low, mut high) = numbers.fold((0.0, 0.0), |(low, high): (f64, f64), number| {
        (low.min(number), high.max(number))
    });
    if measure == Measure::Percent {
        high = high.max(100.0);
    }
    if low == high {
        high += 1.0;
    }
    // Sizes and times are no less than 0.
    let whole = 0..high as u64;
    let ticks = match measure {
        Measure::Bytes => size_ticks(whole, 8),
        Measure::Ns => time_ticks(whole, 8),
        Measure::Percent | Measure::Number => number_ticks(low, high, 10),
    };
    if matches!(measure, Measure::Bytes | Measure::Ns) {
        low = 0.0;
    }
    Axis {
        title: title.to_owned(),
        ends: (low, high + (high - low) * 0.02),
        ticks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::picture::PictureKind;

    fn chart(points: Vec<(f64, f64)>) -> Chart {
        Chart {
            title: "Working set <size> & \"more\"".to_owned(),
            x_title: "percentile".to_owned(),
            x: Measure::Percent,
            y_title: "working set size".to_owned(),
            y: Measure::Bytes,
            series: vec![Series {
                name: "target \u{7} 0".to_owned(),
                points,
            }],
        }
    }

    fn svg(chart: &Chart) -> String {
        let mut out = Vec::new();
        PictureKind::Svg
            .write(&mut out, &draw_chart(chart))
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_chart_says_what_its_axes_are() {
        let text = svg(&chart(vec![(0.0, 0.0), (50.0, 3e6), (100.0, 8e6)]));
        for part in [
            "Working set &lt;size&gt; &amp; &quot;more&quot;",
            ">percentile<",
            ">working set size<",
            ">6 MiB<",
            ">100<",
            "target \\u{7} 0",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        // From the lower left corner to the right and up.
        let line = text.lines().find(|line| line.contains("#0072b2")).unwrap();
        let points: Vec<f64> = line
            .split('"')
            .nth(1)
            .unwrap()
            .split([' ', ','])
            .filter_map(|number| number.parse().ok())
            .collect();
        let [x0, y0, x1, y1, x2, y2] = points[..] else {
            panic!("{line}")
        };
        assert!(x0 < x1 && x1 < x2 && y0 > y1 && y1 > y2, "{line}");
        assert!((y0 - 462.0).abs() < 0.01 && x2 < x0 + 760.0, "{line}");
    }

    #[test]
    fn what_is_odd_is_drawn_somehow() {
        for points in [
            vec![],
            vec![(0.0, 0.0)],
            vec![(f64::NAN, 1.0), (1.0, f64::INFINITY)],
            vec![(-5.0, 1e300), (1e300, -1.0)],
        ] {
            for kind in [
                PictureKind::Png,
                PictureKind::Jpeg,
                PictureKind::Svg,
                PictureKind::Pdf,
            ] {
                let mut out = Vec::new();
                kind.write(&mut out, &draw_chart(&chart(points.clone())))
                    .unwrap();
                assert!(out.len() > 500);
            }
        }
    }
}
