//! `cargo xtask conformance`: we and the peer, side by side.

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use crate::{build, sandbox, test};

/// Runs damo and its peer in Python, 3.4.3, on the same files with some hundreds
/// of option combinations, and prints what differs. Its own output is kept below
/// target/tmp; records that guests left below target/guest-out are taken, too.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only combinations that have all of these words, as `"report wss"` or a file's name;
    /// `options`: only whether we know every option of the peer's
    #[arg(value_name = "WORDS", allow_hyphen_values = true)]
    words: Vec<String>,
    /// Another build of damo
    #[arg(long, value_name = "PATH")]
    damo: Option<std::path::PathBuf>,
    /// Print more of each difference
    #[arg(long)]
    verbose: bool,
}

/// Runs the command, in the sandbox: the peer writes to DAMON where it finds it.
pub fn main(args: &Args) -> Result<ExitCode> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "run it as root: the peer runs in a sandbox that only root can make"
    );
    let myself = std::env::current_exe()?;
    let status = build::cargo()
        .args([
            "bench",
            "--quiet",
            "--profile",
            "dev",
            "--package",
            "damo-user",
        ])
        .args([
            "--bench",
            "conformance",
            "--config",
            &test::runner(&myself),
            "--",
        ])
        .args(args.verbose.then_some("--verbose"))
        .args(
            args.damo
                .as_ref()
                .map(|damo| format!("--damo={}", damo.display())),
        )
        .args(&args.words)
        .env(sandbox::EXPECT, "1")
        .status()
        .context("cargo bench")?;
    Ok(match status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
