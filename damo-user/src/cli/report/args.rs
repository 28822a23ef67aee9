//! The options of `damo report`, as typed.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum, value_parser};

use crate::cli::color::{ColorOption, PaletteArg};
use crate::model::units::{TimeUnit, UnitError, parse_size, parse_time_ns};
use crate::render::TableForm;

/// Arguments of `damo report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    pub kind: Kind,
}

#[derive(Debug, Subcommand)]
pub enum Kind {
    /// What is accessed, how often and for how long, in many forms
    Access(Box<super::access::AccessArgs>),
    /// Every snapshot, region by region
    Raw(RawArgs),
    /// Access frequency over time and address
    Heats(HeatsArgs),
    /// Distribution of working set sizes
    Wss(WssArgs),
    /// The same as `damo record_info`
    #[command(name = "record_info")]
    RecordInfo(crate::cli::record_info::Args),
    /// The same as `damo status`; needs no record
    Damon(crate::cli::status::Args),
    /// What this machine's DAMON can do; needs no record
    Sysinfo(crate::cli::sysinfo::Args),
}

#[derive(Debug, clap::Args)]
pub struct Input {
    /// Record to read
    #[arg(short, long, value_name = "FILE", default_value = "damon.data")]
    pub input: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct RawArgs {
    #[command(flatten)]
    pub input: Input,
    /// Only snapshots that start from S to E after the record's start (seconds, or with a unit)
    #[arg(long, num_args = 2, value_names = ["S", "E"], value_parser = seconds)]
    pub duration: Option<Vec<u64>>,
    /// Print bytes and nanoseconds without units
    #[arg(long = "raw_number")]
    pub raw_number: bool,
}

#[derive(Debug, clap::Args)]
pub struct HeatsArgs {
    #[command(flatten)]
    pub input: Input,
    /// Target to show [default: the one with the most memory]
    #[arg(long, value_name = "ID")]
    pub tid: Option<u64>,
    /// Number of pixels in time and in address [default: 500 500; 40 80 for --heatmap stdout]
    #[arg(long, num_args = 2, value_names = ["TIME", "ADDRESS"], value_parser = value_parser!(u32).range(1..))]
    pub resol: Option<Vec<u32>>,
    /// Time to show, as --guide prints it (nanoseconds, or with a unit)
    #[arg(long = "time_range", num_args = 2, value_names = ["S", "E"], value_parser = nanoseconds)]
    pub time_range: Option<Vec<u64>>,
    /// Addresses to show, as --guide prints them (bytes) [default: the largest region]
    #[arg(long = "address_range", num_args = 2, value_names = ["S", "E"], value_parser = parse_size)]
    pub address_range: Option<Vec<u64>>,
    /// Print times of the record's clock, not since the start of the time shown
    #[arg(long = "abs_time")]
    pub abs_time: bool,
    /// Print addresses, not the distance from the first one shown
    #[arg(long = "abs_addr")]
    pub abs_addr: bool,
    /// Print which times and addresses the record has
    #[arg(long)]
    pub guide: bool,
    /// Draw a picture; `stdout` draws it in the terminal
    #[arg(long, value_name = "FILE")]
    pub heatmap: Option<PathBuf>,
    /// Colours of the picture in the terminal
    #[arg(long = "stdout_heatmap_color", value_enum, default_value = "gray")]
    pub stdout_heatmap_color: PaletteArg,
    #[command(flatten)]
    pub color: ColorOption,
}

#[derive(Debug, clap::Args)]
pub struct WssArgs {
    #[command(flatten)]
    pub input: Input,
    /// Percentiles to print: from START, in steps of STEP, to before STOP
    #[arg(short, long, num_args = 3, value_names = ["START", "STOP", "STEP"],
          default_values = ["0", "101", "25"], allow_negative_numbers = true,
          value_parser = value_parser!(i32).range(-1000..=1000))]
    pub range: Vec<i32>,
    /// Order of the sizes that percentiles are taken from
    #[arg(short, long, value_enum, default_value = "size")]
    pub sortby: SortArg,
    /// Print bytes without units
    #[arg(long = "raw_number")]
    pub raw_number: bool,
    /// How many first snapshots to leave out
    #[arg(long = "exclude_samples", value_name = "N", default_value = "20")]
    pub exclude_samples: u64,
    /// Fewest accesses of a region that is in the working set
    #[arg(short = 't', long = "acc_thres", value_name = "N", default_value = "1")]
    pub acc_thres: u32,
    /// Smallest size of a region that is in the working set
    #[arg(long = "sz_thres", value_name = "SIZE", default_value = "1", value_parser = parse_size)]
    pub sz_thres: u64,
    /// Time over which accesses are taken together (microseconds, or with a unit)
    #[arg(long = "work_time", value_name = "TIME", default_value = "1", value_parser = microseconds)]
    pub work_time_ns: u64,
    /// Print all targets as one, the sum of their sizes, in damo 3's form
    #[arg(long = "collapse_targets")]
    pub collapse_targets: bool,
    #[command(flatten)]
    pub form: Form,
    /// Width of the bars; 0 for none
    #[arg(long = "nr_cols_bar", value_name = "N", default_value = "59", value_parser = value_parser!(u16).range(..=10_000))]
    pub nr_cols_bar: u16,
}

/// What a report is printed as; flattened into its options.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Form {
    /// Print it for people, or for programs: units in the names, addresses as strings
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    format: FormArg,
}

impl Form {
    /// The form for programs that was asked for, if any.
    pub fn table(self) -> Option<TableForm> {
        match self.format {
            FormArg::Text => None,
            FormArg::Json => Some(TableForm::Json),
            FormArg::Ndjson => Some(TableForm::Ndjson),
            FormArg::Csv => Some(TableForm::Csv),
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormArg {
    Text,
    Json,
    Ndjson,
    Csv,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SortArg {
    Time,
    Size,
}

fn seconds(text: &str) -> Result<u64, UnitError> {
    parse_time_ns(text, TimeUnit::S)
}

pub fn nanoseconds(text: &str) -> Result<u64, UnitError> {
    parse_time_ns(text, TimeUnit::Ns)
}

fn microseconds(text: &str) -> Result<u64, UnitError> {
    parse_time_ns(text, TimeUnit::Us)
}
