//! The options of `damo report heatmap`, as typed.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches, ValueEnum, value_parser};

use crate::cli::color::{ColorOption, PaletteArg};
use crate::cli::report::args::{CompatOption, Form};

/// Arguments of `damo report heatmap`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Records to read
    #[arg(short, long, value_name = "FILE", num_args = 1.., default_value = "damon.data")]
    pub input: Vec<PathBuf>,
    /// Where to draw: `stdout` as digits, `raw` as numbers, or a png, jpeg, svg or pdf file
    #[arg(long, value_name = "OUTPUT", default_value = "stdout")]
    pub output: PathBuf,
    /// Only of this kdamond [default: that of the target with the most memory]
    #[arg(
        long = "kdamond_idx",
        value_name = "INDEX",
        allow_negative_numbers = true
    )]
    pub kdamond_idx: Option<i32>,
    /// Only of this context
    #[arg(long = "context_idx", value_name = "INDEX")]
    pub context_idx: Option<u32>,
    /// Only of the regions that this scheme was tried on
    #[arg(long = "scheme_idx", value_name = "INDEX")]
    pub scheme_idx: Option<u32>,
    /// Target to show [default: the one with the most memory]
    #[arg(long, value_name = "ID")]
    pub tid: Option<u64>,
    /// Number of pixels in time and in address [default: 500 500; on stdout 40 80, or the terminal's size]
    #[arg(long, num_args = 2, value_names = ["TIME", "ADDRESS"], value_parser = value_parser!(u32).range(1..))]
    pub resol: Option<Vec<u32>>,
    /// Time to show, as --guide prints it (nanoseconds, or with a unit), after BASE: a time,
    /// `guided` (the first time) or `guided_end` (the last)
    #[arg(long = "time_range", num_args = 2..=3, value_names = ["S", "E", "BASE"], allow_negative_numbers = true)]
    pub time_range: Option<Vec<String>>,
    /// Which addresses to show if none are given: the hottest range of --guide, or one picture of each
    #[arg(long = "draw_range", value_enum, default_value = "hottest")]
    pub draw_range: DrawRange,
    #[command(flatten)]
    pub address_ranges: AddressRanges,
    /// Times of the record's clock, not since the start of the time shown
    #[arg(long = "abs_time")]
    pub abs_time: bool,
    /// Addresses, not the distance from the first one shown
    #[arg(long = "abs_addr")]
    pub abs_addr: bool,
    /// Print which times and addresses the records have
    #[arg(long)]
    pub guide: bool,
    /// The same with units
    #[arg(long = "guide_human")]
    pub guide_human: bool,
    /// Colours in the terminal
    #[arg(long = "stdout_colorset", value_enum, default_value = "gray")]
    pub stdout_colorset: PaletteArg,
    /// Leave out the line that says what the digits mean
    #[arg(long = "stdout_skip_colorset_example")]
    pub stdout_skip_colorset_example: bool,
    #[command(flatten)]
    pub color: ColorOption,
    /// Count only the bytes that passed a scheme's filters
    #[arg(long = "df_passed")]
    pub df_passed: bool,
    /// Put each snapshot's regions into the order of their temperatures, the coldest first
    #[arg(long = "sort_temperature")]
    pub sort_temperature: bool,
    /// What access rate (percent) and age (microseconds) count for that [default: 1 1]
    #[arg(long = "temperature_weights", num_args = 2, value_names = ["RATE", "AGE"], allow_negative_numbers = true)]
    pub temperature_weights: Option<Vec<f64>>,
    /// Ask what to show next: zoom and move
    #[arg(long = "interactive_edit")]
    pub interactive_edit: bool,
    #[command(flatten)]
    pub form: Form,
    #[command(flatten)]
    pub compat: CompatOption,
}

/// Which ranges of `--guide` are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DrawRange {
    Hottest,
    All,
}

/// Every use of `--address_range`: two or three words each, which clap's derived
/// options cannot tell apart.
#[derive(Clone, Debug, Default)]
pub struct AddressRanges(pub Vec<Vec<String>>);

const ADDRESS_RANGE: &str = "address_range";

impl clap::Args for AddressRanges {
    fn augment_args(command: Command) -> Command {
        command.arg(
            Arg::new(ADDRESS_RANGE)
                .long(ADDRESS_RANGE)
                .num_args(2..=3)
                .value_names(["S", "E", "BASE"])
                .action(ArgAction::Append)
                .help(
                    "Addresses to show, as --guide prints them (bytes, or with a unit), after BASE: \
                     an address, or `guided` (the first address of that picture's range); may be repeated",
                ),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for AddressRanges {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let uses = matches.get_occurrences::<String>(ADDRESS_RANGE);
        Ok(Self(
            uses.into_iter()
                .flatten()
                .map(|words| words.cloned().collect())
                .collect(),
        ))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
