//! A region as a box: as long, as colourful and as high as it is old, accessed
//! and large, or whatever else is asked for.

use std::fmt::Write as _;

use super::{Look, colored, numbers, samples};
use crate::analyze::access::{Access, Extremes, Survey};
use crate::render::Palette;

/// What a side of a box can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoxValue {
    /// Bytes.
    Size,
    /// Percent.
    AccessRate,
    /// Microseconds.
    Age,
}

/// Where boxes stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// At the left.
    Left,
    /// At the right.
    Right,
}

/// What boxes look like. Each of the three: length, colour, height.
#[derive(Clone, Copy, Debug)]
pub struct BoxLook {
    /// What each shows; `None` for nothing.
    pub values: [Option<BoxValue>; 3],
    /// On a logarithmic scale.
    pub logs: [bool; 3],
    /// Fewest and most columns.
    pub length: (u32, u32),
    /// Fewest and most lines.
    pub height: (u32, u32),
    /// Where they stand.
    pub align: Align,
    /// The colours.
    pub palette: Option<Palette>,
}

impl Default for BoxLook {
    fn default() -> BoxLook {
        BoxLook {
            values: [
                Some(BoxValue::Age),
                Some(BoxValue::AccessRate),
                Some(BoxValue::Size),
            ],
            logs: [true, false, true],
            length: (1, 30),
            height: (1, 5),
            align: Align::Left,
            palette: None,
        }
    }
}

impl BoxValue {
    fn of(self, region: &Access) -> f64 {
        match self {
            BoxValue::Size => region.len() as f64,
            BoxValue::AccessRate => region.percent,
            BoxValue::Age => region.age_us as f64,
        }
    }

    fn extremes(self, survey: &Survey) -> Extremes {
        match self {
            BoxValue::Size => survey.sizes,
            BoxValue::AccessRate => survey.rates,
            BoxValue::Age => survey.ages,
        }
    }

    fn name(self) -> &'static str {
        match self {
            BoxValue::Size => "size",
            BoxValue::AccessRate => "access_rate",
            BoxValue::Age => "age",
        }
    }

    fn text(self, value: f64, raw: bool) -> String {
        match self {
            BoxValue::Size => numbers::bytes(value, raw),
            BoxValue::AccessRate => numbers::percent(value, raw),
            BoxValue::Age => numbers::us(value, raw),
        }
    }
}

/// Where a value lies between two others, put between two more.
fn rescale(value: f64, from: Extremes, to: (u32, u32), log: bool) -> u32 {
    let log2 = |number: f64| {
        if number > 0.0 {
            number.ln() / 2.0_f64.ln()
        } else {
            0.0
        }
    };
    let on_scale = |number| if log { log2(number) } else { number };
    let (value, low, high) = (on_scale(value), on_scale(from.low), on_scale(from.high));
    let span = f64::from(to.1) - f64::from(to.0);
    let ratio = if high > low { span / (high - low) } else { 1.0 };
    ((value - low) * ratio + f64::from(to.0)) as u32
}

/// Appends a region's box.
pub fn push_box(into: &mut String, region: &Access, look: &Look, survey: &Survey) {
    let boxes = &look.boxes;
    let [length, color, height] = boxes.values;
    let scaled = |value: Option<BoxValue>, to: (u32, u32), log| match value {
        Some(value) => rescale(value.of(region), value.extremes(survey), to, log),
        None => to.0,
    };
    let length = scaled(length, boxes.length, boxes.logs[0]).min(boxes.length.1);
    let row = match color {
        Some(_) => {
            let level = scaled(color, (0, 9), boxes.logs[1]).min(9) as u8;
            colored(
                &level.to_string().repeat(length as usize),
                boxes.palette,
                level,
            )
        }
        None => "-".repeat(length as usize),
    };
    let rows = match height {
        Some(_) => scaled(height, boxes.height, boxes.logs[2]).min(boxes.height.1),
        None => 1,
    };
    let indent = match boxes.align {
        Align::Left => 0,
        Align::Right => boxes.length.1.saturating_sub(length),
    };
    for i in 0..rows {
        let new_line = if i > 0 { "\n" } else { "" };
        // Writing to a string does not fail.
        let _ = write!(into, "{new_line}{:1$}|{row}|", "", indent as usize);
    }
    if boxes.height.1 > 1 {
        into.push('\n');
    }
}

/// Appends what boxes show, in three lines.
pub fn push_description(into: &mut String, look: &Look, survey: &Survey) {
    let boxes = &look.boxes;
    let scale = |log| if log { "logscale" } else { "linearscale" };
    let [length, color, height] = boxes.values.map(|value| {
        let Some(value) = value else {
            return "none (represents nothing".to_owned();
        };
        let Extremes { low, high } = value.extremes(survey);
        let (low, high) = (value.text(low, look.raw), value.text(high, look.raw));
        // Behind ages the peer has a space more.
        let space = if value == BoxValue::Age { " " } else { "" };
        format!("{} (represents [{low}, {high}]{space}", value.name())
    });
    let _ = write!(
        into,
        "# length: {length} with [{}, {}] columns in {})\n\
         # color: {color} with [0, 9] number and color ({}) in {})\n\
         # height: {height} with [{}, {}] rows in {})",
        boxes.length.0,
        boxes.length.1,
        scale(boxes.logs[0]),
        samples(boxes.palette),
        scale(boxes.logs[1]),
        boxes.height.0,
        boxes.height.1,
        scale(boxes.logs[2]),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::access::measure;
    use crate::model::{Intervals, Region, Snapshot, TargetKey};

    fn measured() -> (Vec<Access>, Survey) {
        let region = |start, end, nr_accesses, age| Region {
            start,
            end,
            nr_accesses,
            age: Some(age),
        };
        let intervals = Intervals {
            sample_us: 5_000,
            aggr_us: 100_000,
            update_us: 0,
        };
        let snapshot = Snapshot {
            target: TargetKey {
                kdamond: 0,
                target_id: 0,
            },
            start_ns: 0,
            end_ns: 0,
            intervals: Some(intervals),
            missing: 0,
            regions: vec![region(0, 1 << 12, 0, 1), region(1 << 12, 1 << 20, 20, 64)],
            extra: None,
        };
        let scale = crate::analyze::access::Scale::of(&snapshot, None, false).unwrap();
        let mut regions = Vec::new();
        measure(&snapshot, &scale, &mut regions);
        let mut survey = Survey::default();
        survey.add_regions(&regions);
        (regions, survey)
    }

    #[test]
    fn the_least_is_the_smallest_box_and_the_most_the_largest() {
        let (regions, survey) = measured();
        let mut look = Look::default();
        let boxed = |region: &Access, look: &Look| {
            let mut text = String::new();
            push_box(&mut text, region, look, &survey);
            text
        };
        assert_eq!(boxed(&regions[0], &look), "|0|\n");
        let large = boxed(&regions[1], &look);
        assert_eq!(large, format!("|{}|\n", "9".repeat(30)).repeat(5));
        look.boxes.height = (1, 1);
        look.boxes.align = Align::Right;
        look.boxes.values = [Some(BoxValue::Size), None, None];
        assert_eq!(boxed(&regions[0], &look), format!("{:29}|-|", ""));
        look.boxes.palette = Some(Palette::Gray);
        look.boxes.values = [None, Some(BoxValue::AccessRate), None];
        let colored = boxed(&regions[1], &look);
        assert_eq!(
            colored.trim_start(),
            "|\x1b[48;5;232m\x1b[38;5;255m9\x1b[0m|"
        );
    }

    #[test]
    fn what_they_show_is_told() {
        let (_, survey) = measured();
        let mut text = String::new();
        push_description(&mut text, &Look::default(), &survey);
        assert_eq!(
            text,
            "# length: age (represents [100 ms, 6.400 s]  with [1, 30] columns in logscale)\n\
             # color: access_rate (represents [0 %, 100 %] with [0, 9] number and color (0123456789) in linearscale)\n\
             # height: size (represents [4.000 KiB, 1020.000 KiB] with [1, 5] rows in logscale)"
        );
    }
}
