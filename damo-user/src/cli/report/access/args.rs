//! The options of `damo report access`, as typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ValueEnum, value_parser};

use crate::analyze::access::SortKey;
use crate::cli::color::{ColorOption, PaletteArg};
use crate::cli::filters::FilterArgs;
use crate::cli::report::args::CompatOption;
use crate::cli::snapshot_filters::place;
use crate::model::units::parse_size;
use crate::render::access::{Align, BoxValue, Style};

const WHICH: &str = "Which snapshots";
const LOOK: &str = "How it looks";
const FORMATS: &str = "Formats";

/// Arguments of `damo report access`.
#[derive(Debug, clap::Args)]
pub struct AccessArgs {
    /// Records to show, one after the other, or `tried_regions_of KDAMOND CONTEXT SCHEME` for what
    /// a scheme of a running kdamond tries; may be repeated [default: what runs now, or damon.data]
    #[arg(short, long, value_name = "FILE", num_args = 1..)]
    pub input: Vec<OsString>,
    #[arg(long = "input_file", value_name = "FILE", num_args = 1.., hide = true)]
    pub input_file: Vec<OsString>,
    #[arg(long = "tried_regions_of", num_args = 3, value_names = ["KDAMOND", "CONTEXT", "SCHEME"], hide = true)]
    pub tried_regions_of: Vec<usize>,
    /// Show it again and again: each DELAY (seconds, or with a unit), COUNT times [1 s, for ever]
    #[arg(long, num_args = 0..=2, value_names = ["DELAY", "COUNT"])]
    pub repeat: Option<Vec<String>>,
    /// Of what runs now, tell of each region how much passes: allow|reject [none] anon and so on,
    /// as --damos_filter; may be repeated. Only kdamonds that damo began are asked
    #[arg(long = "snapshot_damos_filter", num_args = 1.., value_name = "FILTER")]
    pub snapshot_damos_filter: Vec<String>,
    /// Ready-made output: a line or a box for each region, bytes by idle time or temperature
    /// (sz-hist), idle times or temperatures by bytes (percentiles)
    #[arg(long, value_enum, default_value = "detailed")]
    pub style: StyleArg,

    #[command(flatten)]
    pub filters: FilterArgs,
    /// Only regions of these temperatures; may be repeated
    #[arg(long, num_args = 2, value_names = ["MIN", "MAX"], allow_negative_numbers = true, help_heading = "Which regions")]
    pub temperature: Vec<i64>,
    /// Only snapshots of so many bytes (or with a unit); may be repeated
    #[arg(long = "sz_snapshot", num_args = 2, value_names = ["MIN", "MAX"], value_parser = parse_size, help_heading = WHICH)]
    pub sz_snapshot: Vec<u64>,
    /// Only snapshots that start and end within (nanoseconds of the record's clock, or with a
    /// unit); may be repeated
    #[arg(long = "snapshot_time", num_args = 2, value_names = ["START", "END"], value_parser = super::super::args::nanoseconds, help_heading = WHICH)]
    pub snapshot_time: Vec<u64>,
    /// Only the START-th to the END-th snapshot of each record, from 0 on; may be repeated
    #[arg(long = "snapshot_idx", num_args = 2, value_names = ["START", "END"], allow_negative_numbers = true, value_parser = place, help_heading = WHICH)]
    pub snapshot_idx: Vec<i64>,

    /// Print bytes, nanoseconds and microseconds without units
    #[arg(long = "raw_number")]
    pub raw_number: bool,
    /// Print nothing but the size of each snapshot
    #[arg(long = "total_sz_only")]
    pub total_sz_only: bool,
    /// Print the snapshots as damo 3's json
    #[arg(long, conflicts_with = "raw_form")]
    pub json: bool,
    /// Print them as `damo report raw` does
    #[arg(long = "raw_form")]
    pub raw_form: bool,
    /// Keep neighbouring regions of what runs now apart even if they are accessed alike
    #[arg(long = "dont_merge_regions")]
    pub dont_merge_regions: bool,
    #[command(flatten)]
    pub compat: CompatOption,

    /// Sort regions by one key after the other, so that the last one decides
    #[arg(long = "sort_regions_by", value_enum, num_args = 1.., default_value = "address", help_heading = LOOK)]
    pub sort_regions_by: Vec<SortArg>,
    /// Keys that are sorted highest first
    #[arg(long = "sort_regions_dsc", value_enum, num_args = 1.., help_heading = LOOK)]
    pub sort_regions_dsc: Vec<DescendingArg>,
    /// What makes a region hot: weights of its bytes, access rate (percent) and age (us)
    #[arg(long = "temperature_weights", num_args = 3, value_names = ["SIZE", "RATE", "AGE"], default_values = ["0", "100", "100"], allow_negative_numbers = true, help_heading = LOOK)]
    pub temperature_weights: Vec<i64>,
    /// Percentiles to show: STOP, START STOP or START STOP STEP (STOP left out), or more than three
    /// of them [default: 0 1 25 50 75 99 100]
    #[arg(long = "percentiles_range", num_args = 1.., value_name = "NUMBER", allow_negative_numbers = true, value_parser = value_parser!(i64).range(-1000..=1000), help_heading = LOOK)]
    pub percentiles_range: Vec<i64>,
    /// Each bin of a histogram twice as wide as the one before
    #[arg(long = "hist_logscale", hide_short_help = true, help_heading = LOOK)]
    pub hist_logscale: bool,
    /// Bins of a histogram: from and to, for each (microseconds or with a unit; temperatures)
    #[arg(long = "hist_ranges", hide_short_help = true, num_args = 2.., value_names = ["FROM", "TO"], allow_negative_numbers = true, help_heading = LOOK)]
    pub hist_ranges: Vec<String>,
    /// Each bin of a histogram has what is in those before it
    #[arg(long = "hist_cumulate", hide_short_help = true, help_heading = LOOK)]
    pub hist_cumulate: bool,
    /// Columns of the line that shows all regions
    #[arg(long = "snapshot_heatmap_width", hide_short_help = true, value_name = "N", default_value = "80", value_parser = value_parser!(u32).range(1..=10_000), help_heading = LOOK)]
    pub snapshot_heatmap_width: u32,
    /// Colours of that line
    #[arg(long = "snapshot_heatmap_colorset", hide_short_help = true, value_enum, default_value = "gray", help_heading = LOOK)]
    pub snapshot_heatmap_colorset: PaletteArg,
    /// Gaps between regions are as wide as they are in that line
    #[arg(long = "snapshot_heatmap_static", hide_short_help = true, help_heading = LOOK)]
    pub snapshot_heatmap_static: bool,
    /// Show each region as a box, too
    #[arg(long = "region_box", help_heading = LOOK)]
    pub region_box: bool,
    /// What a box's length, colour and height show
    #[arg(long = "region_box_values", hide_short_help = true, value_enum, num_args = 3, value_names = ["LENGTH", "COLOR", "HEIGHT"], default_values = ["age", "access_rate", "size"], help_heading = LOOK)]
    pub region_box_values: Vec<BoxValueArg>,
    /// Fewest and most columns of a box
    #[arg(long = "region_box_min_max_length", hide_short_help = true, num_args = 2, value_names = ["MIN", "MAX"], default_values = ["1", "30"], value_parser = value_parser!(u32).range(..=1000), help_heading = LOOK)]
    pub region_box_min_max_length: Vec<u32>,
    /// Fewest and most lines of a box
    #[arg(long = "region_box_min_max_height", hide_short_help = true, num_args = 2, value_names = ["MIN", "MAX"], default_values = ["1", "5"], value_parser = value_parser!(u32).range(..=1000), help_heading = LOOK)]
    pub region_box_min_max_height: Vec<u32>,
    /// Colours of boxes
    #[arg(long = "region_box_colorset", hide_short_help = true, value_enum, default_value = "gray", help_heading = LOOK)]
    pub region_box_colorset: PaletteArg,
    /// Scales of a box's length, colour and height
    #[arg(long = "region_box_scales", hide_short_help = true, value_enum, num_args = 3, value_names = ["LENGTH", "COLOR", "HEIGHT"], default_values = ["log", "linear", "log"], help_heading = LOOK)]
    pub region_box_scales: Vec<ScaleArg>,
    /// Where boxes stand
    #[arg(long = "region_box_align", hide_short_help = true, value_enum, default_value = "left", help_heading = LOOK)]
    pub region_box_align: AlignArg,
    #[command(flatten)]
    pub color: ColorOption,

    /// `set` or `append` the format of a PART: record_head, snapshot_head, region, snapshot_tail or
    /// record_tail; may be repeated. Or one word, json, ndjson or csv: a table for programs
    #[arg(long, num_args = 1.., value_names = ["set|append", "PART", "FORMAT"], help_heading = FORMATS)]
    pub format: Vec<String>,
    /// The same as --format set record_head FORMAT
    #[arg(long = "format_record_head", value_name = "FORMAT", hide_short_help = true, help_heading = FORMATS)]
    pub format_record_head: Option<String>,
    /// The same as --format set snapshot_head FORMAT
    #[arg(long = "format_snapshot_head", value_name = "FORMAT", hide_short_help = true, help_heading = FORMATS)]
    pub format_snapshot_head: Option<String>,
    /// The same as --format set region FORMAT
    #[arg(long = "format_region", value_name = "FORMAT", hide_short_help = true, help_heading = FORMATS)]
    pub format_region: Option<String>,
    /// The same as --format set snapshot_tail FORMAT
    #[arg(long = "format_snapshot_tail", value_name = "FORMAT", hide_short_help = true, help_heading = FORMATS)]
    pub format_snapshot_tail: Option<String>,
    /// The same as --format set record_tail FORMAT
    #[arg(long = "format_record_tail", value_name = "FORMAT", hide_short_help = true, help_heading = FORMATS)]
    pub format_record_tail: Option<String>,
    /// Fewest characters of a value in a format; may be repeated
    #[arg(long = "min_chars_for", hide_short_help = true, num_args = 2, value_names = ["KEYWORD", "NUMBER"], help_heading = FORMATS)]
    pub min_chars_for: Vec<String>,
    /// List what can stand in --format record_head and record_tail
    #[arg(long = "ls_record_format_keywords", hide_short_help = true, help_heading = FORMATS)]
    pub ls_record_format_keywords: bool,
    /// List what can stand in --format snapshot_head and snapshot_tail
    #[arg(long = "ls_snapshot_format_keywords", hide_short_help = true, help_heading = FORMATS)]
    pub ls_snapshot_format_keywords: bool,
    /// List what can stand in --format region
    #[arg(long = "ls_region_format_keywords", hide_short_help = true, help_heading = FORMATS)]
    pub ls_region_format_keywords: bool,
    /// damo 3's: refused here
    #[arg(long, value_name = "FILE", hide = true)]
    pub exec: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum StyleArg {
    Detailed,
    SimpleBoxes,
    Hot,
    Cold,
    #[value(name = "recency-sz-hist", aliases = ["cold-memory-tail", "recency-hist"])]
    RecencyHistogram,
    #[value(alias = "idle-time-percentiles")]
    RecencyPercentiles,
    #[value(name = "temperature-sz-hist")]
    TemperatureHistogram,
    TemperaturePercentiles,
}

impl From<StyleArg> for Style {
    fn from(style: StyleArg) -> Style {
        match style {
            StyleArg::Detailed => Style::Detailed,
            StyleArg::SimpleBoxes => Style::SimpleBoxes,
            StyleArg::Hot => Style::Hot,
            StyleArg::Cold => Style::Cold,
            StyleArg::RecencyHistogram => Style::RecencyHistogram,
            StyleArg::RecencyPercentiles => Style::RecencyPercentiles,
            StyleArg::TemperatureHistogram => Style::TemperatureHistogram,
            StyleArg::TemperaturePercentiles => Style::TemperaturePercentiles,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum SortArg {
    Address,
    AccessRate,
    Age,
    Size,
    Temperature,
}

impl From<SortArg> for SortKey {
    fn from(key: SortArg) -> SortKey {
        match key {
            SortArg::Address => SortKey::Address,
            SortArg::AccessRate => SortKey::AccessRate,
            SortArg::Age => SortKey::Age,
            SortArg::Size => SortKey::Size,
            SortArg::Temperature => SortKey::Temperature,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum DescendingArg {
    Address,
    AccessRate,
    Age,
    Size,
    Temperature,
    All,
}

impl DescendingArg {
    pub fn is(self, key: SortArg) -> bool {
        match self {
            DescendingArg::All => true,
            DescendingArg::Address => key == SortArg::Address,
            DescendingArg::AccessRate => key == SortArg::AccessRate,
            DescendingArg::Age => key == SortArg::Age,
            DescendingArg::Size => key == SortArg::Size,
            DescendingArg::Temperature => key == SortArg::Temperature,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum BoxValueArg {
    Size,
    AccessRate,
    Age,
    None,
}

impl From<BoxValueArg> for Option<BoxValue> {
    fn from(value: BoxValueArg) -> Option<BoxValue> {
        match value {
            BoxValueArg::Size => Some(BoxValue::Size),
            BoxValueArg::AccessRate => Some(BoxValue::AccessRate),
            BoxValueArg::Age => Some(BoxValue::Age),
            BoxValueArg::None => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScaleArg {
    Linear,
    Log,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum AlignArg {
    Left,
    Right,
}

impl From<AlignArg> for Align {
    fn from(align: AlignArg) -> Align {
        match align {
            AlignArg::Left => Align::Left,
            AlignArg::Right => Align::Right,
        }
    }
}
