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
    /// Access rate over time and address, as damo 3 reckons
    Heatmap(super::heatmap::Args),
    /// Distribution of working set sizes
    Wss(super::wss::Args),
    /// Working sets, idle times and access rates, also of what record --summary made
    Summary(super::summary::Args),
    /// Distribution of numbers of regions
    #[command(name = "nr_regions")]
    NrRegions(super::nr_regions::Args),
    /// How hot and how large each mapping is: files, heaps, stacks and other memory
    Mappings(super::mappings::Args),
    /// Distribution of the memory that processes and the machine had
    #[command(visible_alias = "footprint")]
    Footprints(super::footprints::Args),
    /// Times at which something fits
    Times(super::times::Args),
    /// Where the processors' time goes when something fits, by perf
    Profile(super::profile::Args),
    /// Accesses, working set, memory and hot functions on one page
    Holistic(super::holistic::Args),
    /// DAMON's trace events, as the kernel tells them; needs no record
    Trace(super::trace::Args),
    /// What is where in the physical address space; needs no record
    #[command(name = "pa_layout")]
    PaLayout(super::pa_layout::Args),
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
    /// Addresses to show, as --guide prints them (bytes); may be repeated [default: the largest region]
    #[arg(long = "address_range", num_args = 2, action = clap::ArgAction::Append, value_names = ["S", "E"], value_parser = parse_size)]
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
    /// Draw a picture into a png, jpeg, svg or pdf file; `stdout` draws it in the terminal
    #[arg(long, value_name = "FILE")]
    pub heatmap: Option<PathBuf>,
    /// Colours of the picture in the terminal
    #[arg(long = "stdout_heatmap_color", value_enum, default_value = "gray")]
    pub stdout_heatmap_color: PaletteArg,
    #[command(flatten)]
    pub color: ColorOption,
    #[command(flatten)]
    pub form: Form,
    #[command(flatten)]
    pub compat: CompatOption,
}

/// Whose mistakes to make; flattened into a report's options.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct CompatOption {
    /// Make the mistakes, too, that this program makes
    #[arg(long, value_enum, value_name = "PROGRAM")]
    compat: Option<CompatArg>,
}

impl CompatOption {
    /// Whether to do as damo in Python does.
    pub fn is_damo(self) -> bool {
        matches!(self.compat, Some(CompatArg::Damo))
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CompatArg {
    Damo,
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
