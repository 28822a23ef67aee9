//! Both programs, and what they print. The peer takes a third of a second to
//! start: what it printed is kept.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::records::File;

/// What a program printed and wrote.
#[derive(Clone)]
pub struct Printed {
    pub code: i32,
    /// Without blank lines at its end.
    pub out: String,
    pub err: String,
}

impl Printed {
    /// Whether it says so of itself.
    pub fn is_missing(&self) -> bool {
        let sentences = ["unrecognized subcommand", "comes with a later version"];
        self.code == 2 && sentences.iter().any(|it| self.err.contains(it))
    }

    /// The same text, or no text and a failure of both.
    pub fn same(&self, other: &Printed) -> bool {
        let failed = |printed: &Printed| printed.code != 0;
        failed(self) == failed(other) && (failed(self) || self.out == other.out)
    }

    /// Prints where `ours` is something else.
    pub fn tell_difference(&self, ours: &Printed, verbose: bool) {
        if (self.code == 0) != (ours.code == 0) {
            let last = |printed: &Printed| {
                let line = printed.err.lines().last().unwrap_or_default();
                format!("exit code {}, {line}", printed.code)
            };
            println!("  theirs: {}\n  ours:   {}", last(self), last(ours));
            return;
        }
        let (mut theirs, mut lines) = (self.out.lines(), ours.out.lines());
        let (mut number, mut told) = (0, 0);
        let most = if verbose { 40 } else { 3 };
        loop {
            number += 1;
            match (theirs.next(), lines.next()) {
                (None, None) => return,
                (theirs, ours) if theirs == ours => {}
                (theirs, ours) => {
                    let line = |line: Option<&str>| match line {
                        Some(line) => format!("|{}|", line.replace('\x1b', "^")),
                        None => "(ends)".to_owned(),
                    };
                    println!("  line {number}\n    {}\n    {}", line(theirs), line(ours));
                    told += 1;
                    if told == most {
                        return;
                    }
                }
            }
        }
    }
}

pub struct Programs {
    peer: PathBuf,
    damo: PathBuf,
    kept: PathBuf,
}

impl Programs {
    /// `peer` is its folder, `damo` our program, `below` a folder to keep things in.
    pub fn new(peer: &Path, damo: &Path, below: &Path) -> Programs {
        // The folder has the version in its name.
        let version = peer.file_name().unwrap_or_default();
        let kept = below.join("conformance").join(version);
        fs::create_dir_all(&kept).expect("target/ can be written");
        Programs {
            peer: peer.to_owned(),
            damo: damo.to_owned(),
            kept,
        }
    }

    /// The peer's, from this or an earlier run.
    pub fn theirs(&self, line: &str, file: &File) -> Printed {
        let kept = self
            .kept
            .join(format!("{:016x}", fnv(&[line.as_bytes(), &file.bytes])));
        if let Ok(text) = fs::read_to_string(&kept)
            && let Some((code, rest)) = text.split_once('\0')
            && let Some((out, err)) = rest.split_once('\0')
        {
            return Printed {
                code: code.parse().expect("it was written so"),
                out: out.to_owned(),
                err: err.to_owned(),
            };
        }
        let mut command = Command::new(self.peer.join("bin/python"));
        command.arg(self.peer.join("bin/damo"));
        let printed = run(command, line, file);
        let text = format!("{}\0{}\0{}", printed.code, printed.out, printed.err);
        fs::write(kept, text).expect("target/ can be written");
        printed
    }

    /// Ours.
    pub fn ours(&self, line: &str, file: &File) -> Printed {
        run(Command::new(&self.damo), line, file)
    }
}

/// Runs a program on `record` in a folder of its own; what it writes to
/// `written` counts as printed.
fn run(mut command: Command, line: &str, file: &File) -> Printed {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("record"), &file.bytes).expect("it can be written");
    let words = shlex::split(line).expect("cases are well quoted");
    let output = command
        .args(words.iter().map(|word| word.replace("\\n", "\n")))
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("NO_COLOR")
        .output()
        .expect("it starts");
    let text = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes)
            .trim_end_matches('\n')
            .to_owned()
    };
    let mut out = text(&output.stdout);
    if let Ok(written) = fs::read(folder.path().join("written")) {
        out = format!("{out}\nwritten:\n{}", text(&inflated(written)));
    }
    Printed {
        code: output.status.code().unwrap_or(-1),
        out,
        err: text(&output.stderr),
    }
}

/// What zlib has packed, or the bytes as they are.
fn inflated(bytes: Vec<u8>) -> Vec<u8> {
    let mut text = Vec::new();
    match flate2::read::ZlibDecoder::new(bytes.as_slice()).read_to_end(&mut text) {
        Ok(_) => text,
        Err(_) => bytes,
    }
}

/// FNV-1a, 64 bits.
fn fnv(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.iter().chain(&[0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
