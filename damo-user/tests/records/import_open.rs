//! What is no regular file is refused at once, whatever opening it would do.

// Clippy knows only functions marked #[test] as tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use damo_user::import;
use damo_user::model::ReadError;
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// Opening it, in a thread of its own: a pipe nobody writes to must not be waited for.
fn opened(path: PathBuf) -> Result<(), ReadError> {
    let (sender, result) = channel();
    std::thread::spawn(move || sender.send(import::open(&path).map(drop)));
    result
        .recv_timeout(Duration::from_secs(20))
        .expect("opening it hangs")
}

#[test]
fn only_regular_files_are_opened() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&fifo, &link).unwrap();
    let socket = folder.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    let zero = Path::new("/dev/zero");
    for path in [&fifo, &link, &socket, zero] {
        let error = opened(path.to_owned()).unwrap_err().to_string();
        let expected = format!(
            "{}: not a regular file; save the record to a file first, or give it to damo's standard input and name that `-`",
            path.display()
        );
        assert_eq!(error, expected);
    }
}

/// Nor are segments.
#[test]
fn a_segment_that_is_a_pipe_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("segment-00000000.damo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let error = opened(folder.path().to_owned()).unwrap_err().to_string();
    let expected = format!("{}: not a regular file; save", fifo.display());
    assert!(error.starts_with(&expected), "{error}");
}
