//! Values to text and pictures, in the forms of v1.7.3 and 3.x.

pub mod access;
mod bars;
mod color;
mod guide;
mod heat_terminal;
mod heats;
mod info;
mod line;
mod loss;
mod mappings;
mod module;
mod numbers;
mod pa_layout;
pub mod picture;
mod python;
mod raw;
mod series;
mod summary;
mod sysinfo;
mod table;
mod wss;

pub use bars::{Bar, write_bars};
pub use color::{Depth, Paint, Palette};
pub use guide::{write_guide, write_guide_3, write_guide_table};
pub use heat_terminal::{TerminalForm, write_picture};
pub use heats::{HEAT_COLUMNS, HeatsForm, write_heats, write_heats_rows};
pub use info::{RecordInfo, info_json, write_info};
pub use loss::{loss_line, write_gap};
pub use mappings::{NamedUse, write_mappings, write_mappings_table};
pub use module::{ModuleStatus, write_param};
pub use numbers::{
    write_footprints, write_footprints_table, write_nr_regions, write_nr_regions_table,
    write_times, write_times_table,
};
pub use pa_layout::{
    write_default_range, write_layout, write_layout_table, write_ranges, write_ranges_table,
};
pub use python::repr;
pub use raw::{RawForm, RawSource, RawWriter};
pub use series::SeriesForm;
pub use summary::{Summarized, SummaryForm, write_summary, write_summary_table};
pub use sysinfo::{Section, Sysinfo, features_json, no_damon};
pub use table::{Table, TableForm, Value, write_json};
pub use wss::{whose_line, write_collapsed_wss, write_wss, write_wss_table};

use crate::model::units::{format_size, format_time};

/// Size for people, or the plain number.
fn size(bytes: u64, raw: bool) -> String {
    if raw {
        bytes.to_string()
    } else {
        format_size(bytes as f64)
    }
}

/// Time for people, or the plain number of nanoseconds.
fn time(ns: u64, raw: bool) -> String {
    if raw { ns.to_string() } else { format_time(ns) }
}
