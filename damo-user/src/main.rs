//! `damo`: parse, run, map the outcome to an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    damo_user::cli::run()
}
