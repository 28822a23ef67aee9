//! What is told beside the output: lines on standard error.

use std::fmt::Display;
use std::io::{Write, stderr};

use crate::model::printable;

/// Tells something in one line, whatever names are in it.
pub fn tell(line: impl Display) {
    let line = line.to_string();
    // Nothing is left to be done about a closed stderr.
    let _ = writeln!(stderr(), "{}", printable(&line));
}
