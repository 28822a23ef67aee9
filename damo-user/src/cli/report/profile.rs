//! What `perf report` says of the profile beside a record.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

use crate::model::printable;

/// The program, looked for in `PATH`.
const PERF: &str = "perf";

/// The functions that take most of the time, a line each, at most `lines`.
///
/// # Errors
/// There is no perf, or it cannot read the profile.
pub fn hot_functions(profile: &Path, lines: usize) -> Result<String> {
    let mut command = Command::new(PERF);
    command
        .args([
            "report",
            "--stdio",
            "--quiet",
            "--no-children",
            "--sort",
            "comm,dso,symbol",
        ])
        .arg("--input")
        .arg(profile);
    let output = said(PERF.as_ref(), command)?;
    Ok(top(&String::from_utf8_lossy(&output.stdout), lines))
}

/// The first lines that say something.
fn top(text: &str, lines: usize) -> String {
    let telling = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
    let lines = text.lines().filter(telling).take(lines);
    lines
        .map(|line| format!("{}\n", printable(line.trim_end())))
        .collect()
}

/// Runs perf to its end.
fn said(perf: &OsStr, mut command: Command) -> Result<Output> {
    let output = match command.stdin(Stdio::null()).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "there is no {} to read a profile (Debian: apt install linux-perf)",
            perf.display()
        ),
        output => output.with_context(|| format!("{} report", perf.display()))?,
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().find(|line| !line.trim().is_empty());
        bail!(
            "perf report failed ({}): {}",
            output.status,
            printable(line.unwrap_or("it said nothing"))
        );
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_say_nothing_are_left_out() {
        let text = "\n# Overhead\n\n  70.00%  a  [k] f \n  20.00%  b  [.] \x1b[31mg\n  9%  c\n";
        assert_eq!(
            top(text, 2),
            "  70.00%  a  [k] f\n  20.00%  b  [.] \\u{1b}[31mg\n"
        );
        assert_eq!(top("", 2), "");
    }

    #[test]
    fn no_perf_is_told_with_what_to_do() {
        let error = said("perf".as_ref(), Command::new("/nowhere/perf")).unwrap_err();
        assert!(error.to_string().contains("apt install"), "{error}");
        let mut command = Command::new("sh");
        command.args(["-c", "echo >&2 broken; exit 3"]);
        let error = said("perf".as_ref(), command).unwrap_err();
        assert!(error.to_string().contains("broken"), "{error}");
    }
}
