//! The commands: arguments as typed, and thin bodies that call the library.

mod adjust;
mod args;
mod color;
mod completions;
mod convert;
mod diagnose;
pub mod do_record;
mod features;
mod filters;
mod follow;
mod help;
mod module;
mod monitor;
mod params;
mod peers;
mod progress;
mod record;
mod record_info;
mod recorders;
mod report;
mod request;
mod rotate;
mod schemes;
pub mod service;
mod snapshot;
mod snapshot_filters;
mod start;
mod status;
mod stop;
mod summary;
mod sysinfo;
mod target;
mod tree;
mod tune;
mod validate;
mod watch;

use std::borrow::Cow;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Parser, Subcommand};

use crate::control::ownership::Whose;
use crate::control::{ControlError, System};
use crate::model::printable;
use crate::sys::tell::tell;
pub use tree::tree;

/// How a command ended, if nothing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All done: exit code 0.
    Done,
    /// Done, but something was lost: exit code 3.
    Lost,
    /// The recorded command's own exit code.
    Child(u8),
    /// What was checked is not as it should be: exit code 1.
    Invalid,
}

/// Arguments that cannot be right: exit code 2.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Record and analyse data accesses with DAMON
#[derive(Debug, Parser)]
#[command(
    name = "damo",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "\
More: damo COMMAND --help, damo help TOPIC (damon_param_options,
access_filter_options, access_format_options, exit-codes, units, files).
Options may be typed with dashes or with underscores."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Record data accesses into a file
    Record(Box<record::Args>),
    /// Record, and show what comes, again and again
    Monitor(monitor::Args),
    /// Switch DAMON on and leave it on
    Start(start::Args),
    /// Change what `damo start` began, while it runs
    Tune(tune::Args),
    /// End what `damo start` began, and put back what was before
    Stop(stop::Args),
    /// Apply schemes to memory, until the target ends
    Schemes(schemes::Args),
    /// Print what parameter options mean, as json, yaml or text
    Args(args::Args),
    /// What DAMON is set to, who runs, and what schemes have done
    Status(status::Args),
    /// Read a record and print what is in it
    Report(report::Args),
    /// What is in a record, and what is missing
    #[command(name = "record_info")]
    RecordInfo(record_info::Args),
    /// Check records to the last byte
    Verify(record_info::VerifyArgs),
    /// Write a record in another format, or part of it
    Convert(convert::Args),
    /// The same as `convert`, with damo 3's options
    #[command(name = "convert_record_format")]
    ConvertRecordFormat(convert::PeersArgs),
    /// Write a record as if its aggregation interval had been longer, or a part of it
    Adjust(adjust::Args),
    /// Check whether a record is what DAMON should have given
    Validate(validate::Args),
    /// Look at DAMON's modules in the kernel and change them
    Module(module::Args),
    /// Short for `module reclaim`
    Reclaim(module::Reclaim),
    /// Short for `module lru_sort`
    #[command(name = "lru_sort")]
    LruSort(module::LruSort),
    /// Which of DAMON's features this kernel has
    Features(features::Args),
    /// Whether DAMON can be used here, and what stands in the way
    Diagnose(diagnose::Args),
    /// Print help on a command or a topic
    Help(help::Args),
    /// Print what a shell needs to complete damo's commands and options
    #[command(alias = "setup_cli_completion")]
    Completions(completions::Args),
    /// Write man pages into a folder, one for each command
    Man(completions::ManArgs),
    /// Print damo's version
    Version,
}

/// Parses the command line, runs the command and maps its outcome.
pub fn run() -> ExitCode {
    let cli = match tree::parse(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(error) => {
            print_usage(&error);
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let mut out = BufWriter::with_capacity(64 << 10, StandardOutput(io::stdout().lock()));
    if !cli.command.changes_damon() {
        tell_of_leavings();
    }
    let outcome = dispatch(cli.command, &mut out);
    // What was printed before a failure belongs to the user, too.
    let flushed = out.flush().map_err(anyhow::Error::from);
    match outcome.and_then(|outcome| flushed.map(|()| outcome)) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Lost) => ExitCode::from(3),
        Ok(Outcome::Invalid) => ExitCode::from(1),
        Ok(Outcome::Child(code)) => ExitCode::from(code),
        // Whoever read it has had enough, like `head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            tell(format_args!("damo: {}", one_line(&error)));
            ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
        }
    }
}

/// Prints what clap says. It shows arguments as they are: where one would steer
/// the terminal, colours are given up.
fn print_usage(error: &clap::Error) {
    let typed = std::env::args_os();
    let plain = typed.map(|it| it.to_string_lossy().into_owned());
    if plain
        .into_iter()
        .all(|it| matches!(printable(&it), Cow::Borrowed(_)))
    {
        // Nothing is left to be done about a closed terminal.
        let _ = error.print();
        return;
    }
    for line in error.render().to_string().lines() {
        tell(line);
    }
}

/// Whether nobody reads standard output any more. An error may come back from
/// a writer of some format with no word of it.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Names itself in errors: what is printed comes from many places.
struct StandardOutput(StdoutLock<'static>);

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(named)
    }
}

fn named(error: io::Error) -> io::Error {
    match error.kind() {
        // To be done again, or no failure.
        io::ErrorKind::Interrupted => error,
        io::ErrorKind::BrokenPipe => {
            CLOSED.store(true, Ordering::Relaxed);
            error
        }
        kind => io::Error::new(kind, format!("cannot write to standard output: {error}")),
    }
}

fn dispatch(command: Command, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    match command {
        Command::Record(args) => record::run(*args, out),
        Command::Monitor(args) => monitor::run(&args, out),
        Command::Start(args) => start::run(&args, out),
        Command::Tune(args) => tune::run(&args, out),
        Command::Stop(args) => stop::run(&args, out),
        Command::Schemes(args) => schemes::run(&args, out),
        Command::Args(args) => args::run(args, out),
        Command::Status(args) => status::run(&args, out),
        Command::Report(args) => report::run(args, out),
        Command::RecordInfo(args) => record_info::run(&args, out),
        Command::Verify(args) => record_info::verify(&args, out),
        Command::Convert(args) => convert::run(&args),
        Command::ConvertRecordFormat(args) => convert::run(&args.into()),
        Command::Adjust(args) => adjust::run(&args),
        Command::Validate(args) => validate::run(&args, out),
        Command::Module(args) => module::run(args, out),
        Command::Reclaim(args) => module::reclaim(args, out),
        Command::LruSort(args) => module::lru_sort(args, out),
        Command::Features(args) => features::run(&args, out),
        Command::Diagnose(args) => diagnose::run(&args, out),
        Command::Help(args) => help::run(&args, out),
        Command::Completions(args) => completions::run(&args, out),
        Command::Man(args) => completions::man(&args),
        Command::Version => sysinfo::version(out),
    }
}

impl Command {
    /// Whether it deals with what a killed damo has left, or refuses because of
    /// it.
    fn changes_damon(&self) -> bool {
        use Command::{Record, Schemes, Start, Stop, Tune};
        matches!(self, Record(_) | Schemes(_) | Start(_) | Stop(_) | Tune(_))
    }
}

/// Says what a damo that was killed has left behind.
fn tell_of_leavings() {
    let system = System::live();
    if let (true, Some(notes)) = (system.is_root, system.notes())
        && let Whose::Stale(note) = notes.read()
    {
        let left = ControlError::Stale(note.left(&system));
        tell(format_args!("damo: {left}"));
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let of_io = |cause: &(dyn std::error::Error + 'static)| {
        let error = cause.downcast_ref::<io::Error>();
        error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    CLOSED.load(Ordering::Relaxed) || error.chain().any(of_io)
}

/// An error and its causes in one line; a cause that the text before it
/// already has is not repeated.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
    }
    line.replace('\n', " ")
}
