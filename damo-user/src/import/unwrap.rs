//! From what the user names to a file that can be read as often as need be.
//!
//! A regular file that is not compressed is read where it is. Standard input,
//! and what is compressed, is written once into a file without a name in
//! $TMPDIR or else /tmp, as it comes: memory stays small whatever it decompresses
//! to, and what bounds the file is the room that is free there.

use std::cell::Cell;
use std::env;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, IsTerminal, Read, Seek, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::layer::{BadStream, Decompress};
use super::sniff::{Format, sniff};
use super::{HEAD, Opening, Watcher, unsupported};
use crate::model::{About, Gap, Item, Items, LossCause, Meta, ReadError, Record};
use crate::sys::input::open_regular;

/// Streams within each other that are followed.
const MOST_LAYERS: u32 = 3;
const BUFFER: usize = 128 << 10;
/// What standard input is called in messages.
const STANDARD_INPUT: &str = "standard input";

/// A file to read, from its beginning.
pub struct Unwrapped {
    /// The file.
    pub file: File,
    /// What messages call it.
    pub name: PathBuf,
    /// Whether it is only the beginning of what was compressed.
    pub cut: bool,
}

/// Opens what the user names: a file, or `-` (or `/dev/stdin`) for standard input.
///
/// # Errors
/// It cannot be read, is not a regular file, or cannot be decompressed; there
/// is no room for a temporary file.
pub fn open(path: &Path, watcher: Watcher<'_>) -> Result<Unwrapped, ReadError> {
    let stdin = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];
    if stdin.iter().any(|name| path == Path::new(name)) {
        return standard_input(watcher);
    }
    let file = open_regular(path).map_err(|error| io_error(path, error))?;
    let mut input = BufReader::new(&file);
    let (head, format) = look(&mut input, path)?;
    match format {
        Format::Compressed(_) => {
            let input = Cursor::new(head).chain(input);
            decompressed(path, Box::new(input), watcher)
        }
        _ => plain(path, file),
    }
}

fn standard_input(watcher: Watcher<'_>) -> Result<Unwrapped, ReadError> {
    let path = Path::new(STANDARD_INPUT);
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(ReadError::Unsupported {
            path: path.to_owned(),
            what: "this is a terminal; put a record in with `< FILE` or `COMMAND |`".to_owned(),
        });
    }
    let fd = stdin.as_fd().try_clone_to_owned();
    let mut file = File::from(fd.map_err(|error| io_error(path, error))?);
    let metadata = file.metadata().map_err(|error| io_error(path, error))?;
    if metadata.is_dir() {
        return Err(io_error(path, io::ErrorKind::IsADirectory.into()));
    }
    // Somebody may have read its beginning.
    let at_start = metadata.is_file() && file.stream_position().is_ok_and(|at| at == 0);
    let (head, format) = look(&mut file, path)?;
    match format {
        Format::Compressed(_) => {}
        _ if at_start => return plain(path, file),
        _ => {}
    }
    decompressed(
        path,
        Box::new(Cursor::new(head).chain(BufReader::new(file))),
        watcher,
    )
}

fn plain(path: &Path, mut file: File) -> Result<Unwrapped, ReadError> {
    file.rewind().map_err(|error| io_error(path, error))?;
    Ok(Unwrapped {
        file,
        name: path.to_owned(),
        cut: false,
    })
}

/// The first bytes, and what they are.
fn look(input: &mut impl Read, path: &Path) -> Result<(Vec<u8>, Format), ReadError> {
    let mut head = Vec::new();
    let read = input.take(HEAD).read_to_end(&mut head);
    read.map_err(|error| stream_error(path, error))?;
    let format = sniff(&head);
    Ok((head, format))
}

/// Copies what is within all layers into a temporary file.
fn decompressed<'a>(
    path: &Path,
    mut input: Box<dyn BufRead + 'a>,
    watcher: Watcher<'_>,
) -> Result<Unwrapped, ReadError> {
    let cut = Rc::new(Cell::new(false));
    let mut layers = 0;
    loop {
        let (head, format) = look(&mut input, path)?;
        input = Box::new(Cursor::new(head).chain(input));
        let compression = match format {
            Format::Compressed(compression) => compression,
            // What cannot be read need not be kept, however long it is.
            Format::Other { looks, hint } => {
                return Err(unsupported(&named(path, layers, cut.get()), &looks, hint));
            }
            _ => break,
        };
        if layers == MOST_LAYERS {
            return Err(ReadError::Unsupported {
                path: path.to_owned(),
                what: format!(
                    "compressed more than {MOST_LAYERS} times over; decompress it with gzip or zstd first"
                ),
            });
        }
        layers += 1;
        input = Box::new(BufReader::with_capacity(
            BUFFER,
            Decompress::new(compression, input, Rc::clone(&cut)),
        ));
    }
    let file = copy(path, &mut input, watcher)?;
    Ok(Unwrapped {
        file,
        name: named(path, layers, cut.get()),
        cut: cut.get(),
    })
}

/// What messages call what is within all layers.
fn named(path: &Path, layers: u32, cut: bool) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    match (layers, cut) {
        (0, _) => {}
        (_, false) => name.push(" (decompressed)"),
        (_, true) => name.push(" (decompressed as far as it goes: it is cut off)"),
    }
    name.into()
}

/// A temporary file with all of `input`.
fn copy(path: &Path, input: &mut dyn BufRead, watcher: Watcher<'_>) -> Result<File, ReadError> {
    let folder = match env::var_os("TMPDIR") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => PathBuf::from("/tmp"),
    };
    let no_file = |error: io::Error, written: u64| {
        let what = format!(
            "cannot keep what is read of it in {} ({error}, after {written} bytes); make room there, or name another folder with TMPDIR",
            folder.display()
        );
        // Of no kind: it is not the record that was not found.
        io_error(path, io::Error::other(what))
    };
    let mut file = tempfile::tempfile_in(&folder).map_err(|error| no_file(error, 0))?;
    let mut written = 0;
    loop {
        let bytes = match input.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(stream_error(path, error)),
        };
        if bytes.is_empty() {
            break;
        }
        let len = bytes.len();
        file.write_all(bytes)
            .map_err(|error| no_file(error, written))?;
        input.consume(len);
        written += len as u64;
        watcher(Opening::Bytes(written));
    }
    file.rewind().map_err(|error| no_file(error, written))?;
    Ok(file)
}

fn io_error(path: &Path, source: io::Error) -> ReadError {
    ReadError::Io {
        path: path.to_owned(),
        source,
    }
}

/// Of what was compressed, or of the system.
fn stream_error(path: &Path, error: io::Error) -> ReadError {
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(bad @ BadStream { .. }) => ReadError::Unsupported {
            path: path.to_owned(),
            what: format!("{bad}; save what can be saved with gzip or zstd, and read that"),
        },
        None => io_error(path, error),
    }
}

/// A record of which only the beginning could be decompressed.
pub struct CutOff {
    /// As far as it goes.
    pub record: Box<dyn Record>,
}

impl Record for CutOff {
    fn meta(&self) -> &Meta {
        self.record.meta()
    }

    fn about(&self) -> About {
        self.record.about()
    }

    fn damage(&self) -> Option<&ReadError> {
        self.record.damage()
    }

    // Not items_in: where the gap is, is known at the end only.
    fn items(&mut self) -> Result<Items<'_>, ReadError> {
        let last = Rc::new(Cell::new((0, false)));
        let end = Rc::clone(&last);
        let items = self.record.items()?.inspect(move |item| {
            if let Ok(item) = item {
                last.set((last.get().0.max(item.times().1), tells_cut(item)));
            }
        });
        let gap = std::iter::once_with(move || {
            let (end_ns, told) = end.get();
            let gap = Item::Gap(Gap {
                target: None,
                start_ns: end_ns,
                end_ns,
                events: None,
                cause: LossCause::Damaged,
            });
            (!told).then_some(Ok(gap))
        })
        .flatten();
        Ok(Box::new(items.chain(gap)))
    }
}

/// Whether the record within has found by itself that it breaks off here.
fn tells_cut(item: &Item) -> bool {
    matches!(
        item,
        Item::Gap(Gap {
            target: None,
            events: None,
            cause: LossCause::Damaged,
            ..
        })
    )
}
