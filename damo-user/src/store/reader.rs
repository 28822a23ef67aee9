//! Opens a record and reads what it says about itself.

use std::borrow::BorrowMut;
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{About, Detail, Item, Items, Meta, ReadError, Record};
use crate::sys::input::open_regular;

use super::Stats;
use super::fetch::{Ahead, Direct, Fetch};
use super::format::{FileHeader, HEADER_LEN, MAGIC};
use super::frame::col;
use super::index::Index;
use super::items::Pass;
use super::recover::Walk;
use super::source::{ReadAt, Source};

mod survey;

use survey::read_file_header;

/// What this format is called.
pub(super) const FORMAT: &str = "damo record";

/// Below so many bytes a thread costs more than it saves.
const WORTH_A_THREAD: u64 = 256 << 10;

/// Items of a pass that borrows nothing.
pub type OwnedItems = Box<dyn Iterator<Item = Result<Item, ReadError>> + Send>;

/// Reads a record, whole or damaged, and never changes it. Memory is that of
/// one frame.
#[derive(Clone, Debug)]
pub struct Reader<R = File> {
    pub(super) source: Source<R>,
    path: PathBuf,
    /// `None` if it is damaged.
    header: Option<FileHeader>,
    meta: Meta,
    clean: bool,
    totals: Stats,
    /// No frame has a later time, by the file's end.
    latest_ns: Option<u64>,
    /// Whether the record says something about itself.
    told: bool,
    /// Empty if the file has none.
    index: Index,
}

impl Reader<File> {
    /// Opens the record at `path`.
    ///
    /// # Errors
    /// The file cannot be read, is no record, or needs a later version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref();
        let file = open_regular(path).map_err(|error| refused(path, error))?;
        Self::from_source(file, path)
    }
}

impl<R: ReadAt> Reader<R> {
    /// Reads a record from `source`; errors name it `path`.
    ///
    /// # Errors
    /// As for [`Reader::open`].
    pub fn from_source(source: R, path: impl Into<PathBuf>) -> Result<Self, ReadError> {
        let path = path.into();
        let mut source = Source::new(source).map_err(|error| refused(&path, error))?;
        let header = read_file_header(&mut source, &path)?;
        let (meta, totals) = (Meta::default(), Stats::default());
        let mut reader = Reader {
            source,
            path,
            header,
            meta,
            clean: false,
            totals,
            latest_ns: None,
            told: false,
            index: Index::default(),
        };
        reader
            .survey()
            .map_err(|source| refused(&reader.path, source))?;
        Ok(reader)
    }

    /// Whether the recorder closed the file, rather than being killed.
    pub fn was_clean(&self) -> bool {
        self.clean
    }

    /// Samples that the record knows to be lost, without those that damage
    /// takes: a pass tells these.
    pub fn lost(&self) -> u64 {
        self.totals.lost
    }

    /// Counts of what was written, by the file's end or, if it has none, by
    /// the frames' headers.
    pub fn totals(&self) -> Stats {
        self.totals
    }

    /// Where the record is; errors name it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the record says something about itself: one that was killed at
    /// its very beginning does not.
    pub fn is_told(&self) -> bool {
        self.told
    }

    /// The file header; `None` if it is damaged.
    pub fn header(&self) -> Option<&FileHeader> {
        self.header.as_ref()
    }
}

impl<R: ReadAt> Record for Reader<R> {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn about(&self) -> About {
        About {
            format: FORMAT,
            bytes: Some(self.source.len()),
            closed: Some(self.clean),
            uuid: self.header.map(|header| header.uuid),
            end_ns: self.latest_ns,
            segments: None,
        }
    }

    fn items(&mut self) -> Result<Items<'_>, ReadError> {
        let (walk, stop, _) = self.walk(None);
        let damaged = self.header.is_none();
        let path = self.path.clone();
        let fetch = direct(&mut self.source, walk, None, stop, &[]);
        let pass = Pass::new(fetch, path, None);
        Ok(Box::new(pass.with_damaged_header(damaged)))
    }

    /// By the index nothing is read that lies before, and not much after.
    fn items_in(&mut self, time: Range<u64>) -> Result<Items<'_>, ReadError> {
        let (walk, stop, before) = self.walk(Some(&time));
        let (path, time) = (self.path.clone(), Some(time));
        let fetch = direct(&mut self.source, walk, time.clone(), stop, &[]);
        Ok(Box::new(Pass::new(fetch, path, time).after(before)))
    }
}

impl Reader<Arc<File>> {
    /// As [`Record::items_in`] (or, without a time, [`Record::items_with`]), but
    /// with nothing borrowed; a second thread reads on meanwhile.
    pub fn into_items(self, time: Option<Range<u64>>, detail: Detail) -> OwnedItems {
        let unwanted: &[u8] = match detail {
            Detail::All => &[],
            Detail::Counts => &[col::AGE],
            Detail::Places => &[col::NR_ACCESSES, col::AGE],
        };
        let (walk, stop, before) = self.walk(time.as_ref());
        let damaged = self.header.is_none() && time.is_none();
        let len = self.source.len();
        let fetch: Box<dyn Fetch + Send> =
            Box::new(direct(self.source, walk, time.clone(), stop, unwanted));
        let fetch = match len < WORTH_A_THREAD {
            true => fetch,
            false => Ahead::start(fetch),
        };
        let pass = Pass::new(fetch, self.path, time).after(before);
        Box::new(pass.with(detail).with_damaged_header(damaged))
    }
}

impl<R: ReadAt> Reader<R> {
    /// Where to start for a time, at what offset to stop, and the latest time
    /// before the start.
    fn walk(&self, time: Option<&Range<u64>>) -> (Walk, u64, Option<u64>) {
        let start = time.and_then(|time| self.index.start(time.start));
        let before = start.map(|it| it.before_ns);
        let (offset, seq) = start.map_or((HEADER_LEN as u64, 0), |it| (it.offset, it.seq));
        let stop = time.and_then(|time| self.index.stop(time.end));
        let stop = stop.map_or(u64::MAX, |it| it.offset);
        (Walk::new(offset, seq), stop, before)
    }
}

pub(super) fn refused(path: &Path, source: io::Error) -> ReadError {
    ReadError::Io {
        path: path.to_owned(),
        source,
    }
}

/// Whether the file is a record, however damaged: see [`read_file_header`].
pub(super) fn is_recognised<R: ReadAt>(input: R) -> io::Result<bool> {
    let mut source = Source::new(input)?;
    let mut bytes = [0; HEADER_LEN];
    let whole = source.read_at(0, &mut bytes)? == HEADER_LEN;
    Ok(whole && (bytes.starts_with(&MAGIC) || source.header_at(HEADER_LEN as u64)?.is_some()))
}

fn direct<R: ReadAt, S: BorrowMut<Source<R>>>(
    source: S,
    walk: Walk,
    time: Option<Range<u64>>,
    stop: u64,
    unwanted: &'static [u8],
) -> Direct<R, S> {
    Direct {
        source,
        input: PhantomData,
        walk,
        time,
        stop,
        unwanted,
        payload: Vec::new(),
    }
}
