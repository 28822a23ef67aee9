//! Heatmaps of digits: colours, and questions on a terminal.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::*;

#[test]
fn the_text_in_a_terminal_has_damo_3s_form() {
    let folder = folder();
    let record = process(&folder);
    let args = ["heatmap", "--resol", "7", "2"];
    let expected = "  \n  \n44\n44\n00\n  \n8 \n\
        # access_frequency: 0123456789 (0.000-200.000 hz)\n\
        # x-axis: space [3.906250 MiB, 3.921875 MiB) (16.000 KiB)\n\
        # y-axis: time [700 ms, 1.400 s) (700 ms)\n\
        # resolution: 2x7 (8.000 KiB and 100 ms for each character)\n";
    assert_eq!(stdout(&args, &record), expected);
    let without = [&args[..], &["--stdout_skip_colorset_example"]].concat();
    assert_eq!(stdout(&without, &record).lines().count(), 10);
    let colored = |colorterm: &str, args: &[&str]| {
        let mut command = command(&["report", "heatmap", "--resol", "7", "2"]);
        command.args(args).arg("-i").arg(&record);
        command.env("COLORTERM", colorterm).env_remove("NO_COLOR");
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let gray = colored("", &["--color", "always"]);
    assert!(
        gray.starts_with("\x1b[48;5;232m\x1b[38;5;245m "),
        "{gray:?}"
    );
    assert!(gray.contains("\x1b[38;5;253m8"), "{gray:?}");
    for colors in ["gray", "flame", "emotion"] {
        let text = colored(
            "truecolor",
            &["--color", "always", "--stdout_colorset", colors],
        );
        assert!(
            text.contains("\x1b[48;2;") && !text.contains("\x1b[48;5;"),
            "{text:?}"
        );
        // The hottest is not shown as another heat of the same digit.
        assert_ne!(text.find("8").unwrap(), 0);
    }
    // The peer asks nobody.
    let peers = colored("truecolor", &["--compat", "damo"]);
    assert!(peers.contains("\x1b[48;5;232m"), "{peers:?}");
    assert!(!colored("truecolor", &[]).contains('\x1b'));
}

/// A terminal of so many rows and columns: its other end, and the programs' one.
fn terminal(rows: u16, columns: u16) -> (File, OwnedFd) {
    let other = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&other).unwrap();
    unlockpt(&other).unwrap();
    let name = ptsname(&other, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let name = OsStr::from_bytes(name.to_bytes());
    let end = rustix::fs::open(name, flags, rustix::fs::Mode::empty()).unwrap();
    let size = rustix::termios::Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(&end, size).unwrap();
    (File::from(other), end)
}

#[test]
fn a_terminal_is_filled_and_asks_what_is_next() {
    let folder = folder();
    let record = process(&folder);
    let (mut other, end) = terminal(18, 57);
    // Typed ahead, so that nobody has to wait for questions.
    other
        .write_all(b"nonsense\nzoom space 50\nzoom 0.0000001\nq\n")
        .unwrap();
    let mut command = command(&[
        "report",
        "heatmap",
        "--interactive_edit",
        "--color",
        "never",
        "-i",
    ]);
    command.arg(&record).stdin(end.try_clone().unwrap());
    command.stdout(end.try_clone().unwrap()).stderr(end);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut text = Vec::new();
    let mut bytes = [0; 4096];
    // Ends with an error once nobody has the programs' end any more.
    while let Ok(read @ 1..) = other.read(&mut bytes) {
        text.extend_from_slice(&bytes[..read]);
    }
    assert!(child.wait().unwrap().success());
    let text = String::from_utf8_lossy(&text).replace('\r', "");
    let digits = |line: &&str| line.len() == 57 && !line.contains(char::is_alphabetic);
    // As a whole, and zoomed in: there the first row is in the question's line. The
    // last zoom has nothing for each pixel.
    assert_eq!(text.lines().filter(digits).count(), 12 + 11, "{text}");
    assert!(text.contains("nonsense: not understood"), "{text}");
    assert!(text.contains("# x-axis: space [3.910156 MiB, "), "{text}");
    assert!(
        text.contains("has no nanosecond for each of 12 pixels"),
        "{text}"
    );
}
