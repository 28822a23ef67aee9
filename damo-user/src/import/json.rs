//! The peer's json: a list of records, each with its snapshots, as text or
//! compressed by zlib. The fields are those of damo 3.4.3; older ones lack
//! some, and `report access --json` prints them with units.
//!
//! The text is read once, one snapshot at a time, into [`super::ingest`]: its
//! records come one after the other, ours are told in order of time. A value
//! that makes no sense costs its region (which then is `missing`) or, where
//! regions are not in order, its snapshot (a gap); a text that breaks off keeps
//! what was whole and ends with a gap.
//!
//! Where `intervals` stand behind the snapshots, accesses that are told in
//! percent only, and ages that are told as times only, are not known.

mod document;
mod guard;
mod head;
mod inflate;
mod region;
mod snapshot;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_back;
mod value;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use serde::de::DeserializeSeed;

use super::ingest::{Ingest, Ingested, Target, in_temporary};
use super::{Opening, Watcher};
use crate::model::{Item, Meta, Origin, ReadError, TargetInfo, TargetKey};
use document::{DocumentSeed, Taker, Walk};
use guard::{Guard, Place};
use head::Head;
use inflate::Inflate;

/// What messages call the peer's compressed json.
const COMPRESSED: &str = "compressed json";
/// Compressed bytes that are read at a time.
const BUFFER: usize = 64 << 10;

/// Reads the peer's json.
///
/// # Errors
/// It cannot be read, is no record of the peer's, or nothing of it is whole.
pub fn open(path: &Path, mut file: File, watcher: Watcher<'_>) -> Result<Ingested, ReadError> {
    rewind(path, &mut file)?;
    read(path, Watched::new(file, watcher), "json")
}

/// Reads the peer's compressed json.
///
/// # Errors
/// As for [`open`].
pub fn open_compressed(
    path: &Path,
    mut file: File,
    watcher: Watcher<'_>,
) -> Result<Ingested, ReadError> {
    rewind(path, &mut file)?;
    let file = Watched::new(file, watcher);
    let unpacked = Inflate::new(BufReader::with_capacity(BUFFER, file));
    read(path, unpacked, COMPRESSED)
}

/// A file that tells how far it was read.
struct Watched<'a> {
    file: File,
    bytes: u64,
    watcher: Watcher<'a>,
}

impl<'a> Watched<'a> {
    fn new(file: File, watcher: Watcher<'a>) -> Self {
        Watched {
            file,
            bytes: 0,
            watcher,
        }
    }
}

impl Read for Watched<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.bytes += read as u64;
        (self.watcher)(Opening::Bytes(self.bytes));
        Ok(read)
    }
}

fn rewind(path: &Path, file: &mut File) -> Result<(), ReadError> {
    file.rewind().map_err(|source| ReadError::Io {
        path: path.to_owned(),
        source,
    })
}

/// Reads json from `input`; errors name it `path`, and what it is.
fn read(path: &Path, input: impl Read, name: &str) -> Result<Ingested, ReadError> {
    let mut taken = Taken::default();
    let parsed = parse(path, input, name, &mut taken);
    if let Some(source) = taken.failed {
        return Err(ReadError::Io {
            path: path.to_owned(),
            source: in_temporary(source),
        });
    }
    let damage = parsed?;
    let (meta, targets) = about(taken.heads);
    let mut ingested = taken.ingest.finish(path, meta, targets)?;
    ingested.damage = damage;
    Ok(ingested)
}

/// Keeps what is found.
#[derive(Default)]
struct Taken {
    ingest: Ingest,
    heads: Vec<Head>,
    failed: Option<io::Error>,
}

impl Taken {
    fn note(&mut self, result: io::Result<()>) -> bool {
        self.failed = result.err();
        self.failed.is_none()
    }
}

impl Taker for Taken {
    fn record(&mut self, head: Head) -> bool {
        self.heads.push(head);
        let result = self.ingest.next_part();
        self.note(result)
    }

    fn item(&mut self, item: Item) -> bool {
        let result = self.ingest.item(&item);
        self.note(result)
    }
}

/// Gives everything of a text to `taker`, and what of it makes no sense back.
fn parse(
    path: &Path,
    input: impl Read,
    name: &str,
    taker: &mut dyn Taker,
) -> Result<Option<ReadError>, ReadError> {
    let mut guard = Guard::new(input);
    let mut walk = Walk::new(taker, guard.progress());
    let mut text = serde_json::Deserializer::from_reader(&mut guard);
    let parsed = DocumentSeed(&mut walk)
        .deserialize(&mut text)
        .and_then(|()| text.end());
    drop(text);
    if walk.refused {
        // The taker knows why.
        return Ok(None);
    }
    if let Some(source) = guard.failed.take().filter(|error| !is_damage(error)) {
        return Err(ReadError::Io {
            path: path.to_owned(),
            source,
        });
    }
    let end = parsed.err().map(|error| place(&error, guard.place()));
    let at = |offset, what| ReadError::Malformed {
        path: path.to_owned(),
        offset,
        what,
    };
    if walk.items == 0 && walk.records == 0 {
        if let Some((offset, what)) = end {
            return Err(at(
                offset,
                format!("{what}; nothing of this {name} can be read"),
            ));
        }
        if walk.strangers > 0 {
            return Err(ReadError::Unsupported {
                path: path.to_owned(),
                what: format!(
                    "{name}, but there is no record of damo's in it (a list of objects with \"snapshots\"). Readable are {}",
                    super::READABLE
                ),
            });
        }
        return Ok(None);
    }
    let damage = damage(end.clone(), guard.odd()).map(|(offset, what)| match name {
        COMPRESSED => at(offset, format!("in the decompressed text, {what}")),
        _ => at(offset, what),
    });
    if (end.is_some() || walk.strangers > 0) && !walk.damage() {
        return Ok(None);
    }
    // A record that broke off is one nevertheless.
    let ended: Result<(), serde_json::Error> = walk.end_record();
    // Refused: the taker knows why.
    drop(ended);
    Ok(damage)
}

/// Where and what an error is. serde_json does not know what was left out of a
/// line.
fn place(error: &serde_json::Error, place: Place) -> (u64, String) {
    let text = error.to_string();
    let what = text
        .rsplit_once(" at line ")
        .map_or(&*text, |(what, _)| what);
    let Place { line, column, .. } = place;
    // The byte that does not fit was read.
    let fits = u64::from(error.is_syntax() || error.is_data());
    (
        place.offset.saturating_sub(fits),
        format!("{what} at line {line} column {column}"),
    )
}

/// Where damage begins, and all of it in a line: how the text ends early, and
/// how many values make no sense.
fn damage(end: Option<(u64, String)>, odd: Option<(u64, Place)>) -> Option<(u64, String)> {
    let Some((count, first)) = odd else {
        let (offset, what) = end?;
        return Some((offset, format!("{what}; nothing behind that is read")));
    };
    let Place { line, column, .. } = first;
    let mut what = match count {
        1 => format!(
            "a value that makes no sense ends at line {line} column {column}; it is counted as lost"
        ),
        _ => format!(
            "the first of {count} values that make no sense ends at line {line} column {column}; they are counted as lost"
        ),
    };
    if let Some((offset, end)) = end {
        what += &format!("; and at offset {offset}: {end}; nothing behind that is read");
    }
    Some((first.offset, what))
}

/// Whether it is the compressed data, and not the file, that cannot be read.
fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}

/// What the heads say together. Every record of the text is a target of its
/// own: equal ids of several kdamonds, contexts and schemes are told apart by
/// the key's kdamond.
fn about(heads: Vec<Head>) -> (Meta, Vec<Target>) {
    let common = heads.first().and_then(|first| first.intervals);
    let common = common.filter(|_| heads.iter().all(|head| head.intervals == common));
    let mut meta = Meta {
        tool: "damo 3, json".to_owned(),
        intervals: common,
        ..Meta::default()
    };
    let mut combinations = HashMap::new();
    let mut numbers = 0;
    let mut used = HashSet::new();
    let mut targets = Vec::with_capacity(heads.len());
    for head in heads {
        let combination = (head.kdamond_idx, head.context_idx, head.scheme_idx);
        let key = |number: usize| TargetKey {
            // Numbers are below that of records, which is bounded.
            kdamond: number as u32,
            target_id: head.target_id.unwrap_or(0),
        };
        let mut number = *combinations.entry(combination).or_insert(numbers);
        if number == numbers || !used.insert(key(number)) {
            // Equal ones after the first find the first one's number.
            number = numbers;
            numbers += 1;
            used.insert(key(number));
        }
        let key = key(number);
        targets.push(Target {
            key,
            intervals: head.intervals,
        });
        meta.targets.push(TargetInfo {
            target_id: key.target_id,
            kdamond: key.kdamond,
            origin: Some(Origin {
                kdamond_idx: head.kdamond_idx,
                context_idx: head.context_idx,
                scheme_idx: head.scheme_idx,
                all_targets: head.target_id.is_none(),
                intervals: head.intervals.filter(|_| common.is_none()),
                intervals_goal: head.intervals_goal,
                scheme_filters: head.scheme_filters,
                data_source: head.data_source,
            }),
            ..TargetInfo::default()
        });
    }
    (meta, targets)
}
