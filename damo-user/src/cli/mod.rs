//! The commands: arguments as typed, and thin bodies that call the library.

use std::process::ExitCode;

/// Parses the command line, runs the command and maps its outcome.
pub fn run() -> ExitCode {
    ExitCode::SUCCESS
}
