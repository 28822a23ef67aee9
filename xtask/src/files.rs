//! `cargo xtask files-table`: docs/KERNELS.md's table of DAMON's files.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::{build, kernels};

/// Where the guest test tells what each file is set by.
const ROWS: &str = "tests/guest/files.txt";
/// Where the table stands, and between which lines.
const PAGE: &str = "docs/KERNELS.md";
const BEGIN: &str = "<!-- files -->\n";
const END: &str = "<!-- end of files -->";

/// Writes the table of files into docs/KERNELS.md, from what the guests found in
/// `cargo xtask guest --kernel all --tests -- guest files::`
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn main(_: &Args) -> Result<ExitCode> {
    let read = |path: &str| fs::read_to_string(build::root().join(path)).context(path.to_owned());
    let (rows, page) = (read(ROWS)?, read(PAGE)?);
    let mut found = Vec::new();
    for kernel in kernels::lines("all")? {
        let path = build::target_dir("guest-out")?
            .join(&kernel)
            .join("files.txt");
        let files = fs::read_to_string(&path).with_context(|| {
            format!(
                "{}: run first: cargo xtask guest --kernel all --tests -- guest files::",
                path.display()
            )
        })?;
        found.push((kernel, files));
    }
    let (before, rest) = page.split_once(BEGIN).context(PAGE)?;
    let (_, after) = rest.split_once(END).context(PAGE)?;
    let page = format!("{before}{BEGIN}{}{END}{after}", table(&rows, &found));
    fs::write(build::root().join(PAGE), page).context(PAGE)?;
    Ok(ExitCode::SUCCESS)
}

/// A row for every line of `rows`, with the kernels in whose files it is.
fn table(rows: &str, found: &[(String, String)]) -> String {
    let heads: Vec<&str> = found.iter().map(|(kernel, _)| kernel.as_str()).collect();
    let mut table = format!("| file | option | json key | {} |\n", heads.join(" | "));
    table += &format!("|{}\n", "---|".repeat(3 + heads.len()));
    for row in rows.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<String> = row.split(" | ").map(|word| format!("`{word}`")).collect();
        let mark = |(_, files): &(String, String)| match files.lines().any(|line| line == row) {
            true => "x",
            false => "–",
        };
        let marks: Vec<&str> = found.iter().map(mark).collect();
        table += &format!("| {} | {} |\n", words.join(" | "), marks.join(" | "));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_marked_where_it_was_found() {
        let found = [
            ("6.12", "a | --a | k\n"),
            ("7.3", "a | --a | k\nb | --b | l\n"),
        ];
        let found = found.map(|(kernel, files)| (kernel.to_owned(), files.to_owned()));
        assert_eq!(
            table("# c\na | --a | k\nb | --b | l\n", &found),
            "| file | option | json key | 6.12 | 7.3 |\n|---|---|---|---|---|\n\
             | `a` | `--a` | `k` | x | x |\n| `b` | `--b` | `l` | – | x |\n"
        );
    }
}
