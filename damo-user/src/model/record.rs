//! A record that can be read, whatever its format.

use std::ops::Range;
use std::path::PathBuf;

use super::{Item, Meta};

/// One pass over a record's items, in order of time.
pub type Items<'a> = Box<dyn Iterator<Item = Result<Item, ReadError>> + 'a>;

/// What a record is kept in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The format, in words.
    pub format: &'static str,
    /// Bytes of the file, or of all files.
    pub bytes: Option<u64>,
    /// Whether its recorder has closed it, in formats that tell.
    pub closed: Option<bool>,
    /// Identifies the record, in formats that do.
    pub uuid: Option<[u8; 16]>,
    /// No snapshot ends later, in nanoseconds of the record's clock; in formats
    /// that tell without being read through.
    pub end_ns: Option<u64>,
    /// Numbers of the first and the last segment, for a folder of them.
    pub segments: Option<(u32, u32)>,
}

/// What is looked at of regions. There may be more than is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Everything.
    #[default]
    All,
    /// All but ages: there are none.
    Counts,
    /// Where they are: adjacent ones may be one, of count 0 and no age.
    Places,
}

/// A record of any format. Each call of [`Record::items`] starts a new pass at
/// the beginning, so that an analysis may look twice without keeping samples.
pub trait Record {
    /// What the record says about itself.
    fn meta(&self) -> &Meta;

    /// What it is kept in.
    fn about(&self) -> About {
        About::default()
    }

    /// What could not be read when it was opened, and where that is, in formats
    /// that are read as a whole then. Passes tell the loss, but not its place.
    fn damage(&self) -> Option<&ReadError> {
        None
    }

    /// Starts a pass.
    ///
    /// # Errors
    /// The file cannot be read any more.
    fn items(&mut self) -> Result<Items<'_>, ReadError>;

    /// As [`Record::items`], for those who look at less: a format of columns does not
    /// read the others. What is damaged in them shows in a pass of [`Record::items`].
    ///
    /// # Errors
    /// As for [`Record::items`].
    fn items_with(&mut self, _: Detail) -> Result<Items<'_>, ReadError> {
        self.items()
    }

    /// As [`Record::items`], but of items that lie wholly before or after
    /// `time` (nanoseconds of the record's clock) none; a format with an index
    /// does not even read them.
    ///
    /// # Errors
    /// As for [`Record::items`].
    fn items_in(&mut self, time: Range<u64>) -> Result<Items<'_>, ReadError> {
        let inside = move |item: &Result<Item, ReadError>| {
            item.as_ref().map_or(true, |item| touches(item, &time))
        };
        Ok(Box::new(self.items()?.filter(inside)))
    }
}

/// Whether an item is about some moment of `time`.
pub fn touches(item: &Item, time: &Range<u64>) -> bool {
    let (start, end) = item.times();
    start < time.end && (end > time.start || start >= time.start)
}

/// Why a record cannot be read. Every variant names the file.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes are not what the format allows.
    #[error("{}: at offset {offset}: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where, in bytes (or lines, where `what` says so).
        offset: u64,
        /// What is wrong, and what to do.
        what: String,
    },
    /// A file of no known format, or one that needs a later version.
    #[error("{}: {what}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it is, and what to do.
        what: String,
    },
}
