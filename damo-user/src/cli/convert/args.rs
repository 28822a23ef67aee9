//! The options of `damo convert`, as typed.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::cli::UsageError;
use crate::cli::filters::FilterArgs;
use crate::model::units::{TimeUnit, UnitError, parse_time_ns};
use crate::sys::output::{OutputError, parse_mode};

/// Write a record in another format, or part of it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  damo convert damon.data damon.parquet             for DuckDB, ClickHouse or Spark
  damo convert damon.data - --format csv            to standard output
  damo convert damon.data end.data --time -10s max  the last ten seconds
docs/PARQUET.md says what the columns of parquet and csv mean")]
pub struct Args {
    /// Record to read, of any format; - for standard input
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// File to write; an older one is kept as OUT.old; - for standard output
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    /// Format to write [default: by OUT's ending]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    #[command(flatten)]
    pub part: PartArgs,
}

/// The same as `convert`, with damo 3's options
#[derive(Debug, clap::Args)]
pub struct PeersArgs {
    /// Record to read, of any format
    #[arg(
        long = "record_file",
        value_name = "FILE",
        default_value = "damon.data"
    )]
    input: PathBuf,
    /// File to write; an older one is kept as FILE.old
    #[arg(long = "output_file", value_name = "FILE")]
    output: PathBuf,
    /// Format to write
    #[arg(long, value_enum, default_value = "json_compressed")]
    format: Format,
    #[command(flatten)]
    part: PartArgs,
}

impl From<PeersArgs> for Args {
    fn from(args: PeersArgs) -> Args {
        Args {
            input: args.input,
            output: args.output,
            format: Some(args.format),
            part: args.part,
        }
    }
}

/// Which part of the record, and the file's permissions.
#[derive(Debug, clap::Args)]
pub struct PartArgs {
    /// Only snapshots from START to END after the first one's start, or before the record's end if
    /// negative (seconds, or with a unit; min, max)
    #[arg(long, num_args = 2, value_names = ["START", "END"], allow_hyphen_values = true)]
    time: Option<Vec<String>>,
    /// --time is of the record's clock (nanoseconds, or with a unit)
    #[arg(long = "abs_time", requires = "time")]
    abs_time: bool,
    #[command(flatten)]
    pub regions: FilterArgs,
    /// Only this target; may be repeated
    #[arg(long, value_name = "ID")]
    target: Vec<u64>,
    /// Permissions of the file, octal
    #[arg(long = "output_permission", value_name = "MODE", default_value = "600", value_parser = mode)]
    pub output_permission: u32,
}

/// What can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Format {
    /// damo's own record file
    Damo,
    /// The json of damo 3
    Json,
    /// The same, compressed
    JsonCompressed,
    /// Lines as of `perf script`
    PerfScript,
    /// A row for each region sample
    Csv,
    /// A JSON object per line for each snapshot
    Ndjson,
    /// A table for DuckDB, ClickHouse or Spark
    Parquet,
}

impl Format {
    /// Whether a terminal could not show it.
    pub fn is_binary(self) -> bool {
        matches!(
            self,
            Format::Damo | Format::JsonCompressed | Format::Parquet
        )
    }

    /// The format that a file's name promises.
    fn of(output: &Path) -> Option<Format> {
        match output.extension()?.to_str()? {
            "damo" | "data" => Some(Format::Damo),
            "json" => Some(Format::Json),
            "csv" => Some(Format::Csv),
            "ndjson" => Some(Format::Ndjson),
            "parquet" => Some(Format::Parquet),
            _ => None,
        }
    }
}

impl Args {
    /// The format that was named, or that OUT's name promises.
    pub fn format(&self) -> Result<Format, UsageError> {
        let format = self.format.or_else(|| Format::of(&self.output));
        format.ok_or_else(|| {
            let names: Vec<String> = Format::value_variants()
                .iter()
                .filter_map(|format| Some(format.to_possible_value()?.get_name().to_owned()))
                .collect();
            UsageError(format!(
                "{}: this name does not tell the format; add --format and one of {}",
                self.output.display(),
                names.join(", ")
            ))
        })
    }
}

/// A moment of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nanoseconds of the record's clock.
    At(u64),
    /// Nanoseconds after the first snapshot's start.
    AfterStart(u64),
    /// Nanoseconds before the end.
    BeforeEnd(u64),
}

impl PartArgs {
    /// The targets' ids.
    pub fn targets(&self) -> Vec<u64> {
        self.target.clone()
    }

    /// First and last moment.
    pub fn time(&self) -> Result<Option<(Moment, Moment)>, UsageError> {
        let Some([start, end]) = self.time.as_deref() else {
            return Ok(None);
        };
        let moment = |text: &str| {
            self.moment(text)
                .map_err(|error| UsageError(format!("--time: {error}")))
        };
        Ok(Some((moment(start)?, moment(end)?)))
    }

    /// As it was typed, for messages.
    pub fn time_text(&self) -> String {
        self.time.as_deref().unwrap_or_default().join(" ")
    }

    fn moment(&self, text: &str) -> Result<Moment, UnitError> {
        if self.abs_time {
            return parse_time_ns(text, TimeUnit::Ns).map(Moment::At);
        }
        match text.strip_prefix('-') {
            None => parse_time_ns(text, TimeUnit::S).map(Moment::AfterStart),
            // With the sign in the message.
            Some(rest) => match parse_time_ns(rest, TimeUnit::S) {
                Ok(ns) => Ok(Moment::BeforeEnd(ns)),
                Err(_) => Err(UnitError::Time(text.to_owned())),
            },
        }
    }
}

fn mode(text: &str) -> Result<u32, OutputError> {
    parse_mode(text)
}
