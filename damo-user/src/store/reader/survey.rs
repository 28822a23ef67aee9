//! What a record says about itself: its header, META and the totals.

use std::io;
use std::path::Path;

use crate::model::{Meta, ReadError, TargetInfo};

use super::super::Stats;
use super::super::about::{Places, parse_json};
use super::super::append::JSON_COLUMN;
use super::super::column::Columns;
use super::super::format::{
    FileHeader, FrameHeader, HEADER_LEN, KNOWN_INCOMPAT, MAGIC, VERSION, kind, limit,
};
use super::super::index::{End, Index, TRAILER_LEN};
use super::super::recover::{Found, Walk};
use super::super::source::{ReadAt, Source};
use super::{Reader, refused};

const MOST_JSON: usize = limit::JSON as usize;

impl<R: ReadAt> Reader<R> {
    /// Finds META and the totals: by the file's end, else by all headers.
    pub(super) fn survey(&mut self) -> io::Result<()> {
        let mut payload = Vec::new();
        let mut columns = Columns::default();
        if let Some(end) = self.end(&mut payload, &mut columns)? {
            self.clean = true;
            self.totals = end.stats;
            if let Some(meta) = self.indexed_meta(end.index_offset, &mut payload, &mut columns)? {
                (self.meta, self.told) = (meta, true);
                return Ok(());
            }
        }
        let mut walk = Walk::new(HEADER_LEN as u64, 0);
        // What TARGET frames may weigh; a META frame could hold no more either.
        let mut left = MOST_JSON;
        let mut places = Places::of(&self.meta.targets);
        let mut sums = Stats {
            bytes: self.source.len(),
            ..Stats::default()
        };
        while let Some(found) = walk.next(&mut self.source, &mut payload, |_| false)? {
            let (offset, header) = match found {
                Found::Frame(offset, header) => (offset, header),
                Found::Damage { lost, .. } => {
                    sums.lost = sums
                        .lost
                        .saturating_add(lost.map_or(0, |header| header.weight()));
                    continue;
                }
            };
            sums.frames += 1;
            sums.snapshots += header.whole_snapshots();
            sums.samples += u64::from(header.samples);
            sums.lost = sums.lost.saturating_add(header.lost);
            match header.kind {
                kind::META => {
                    if let Some((meta, _)) =
                        self.json::<Meta>(offset, &header, MOST_JSON, &mut payload, &mut columns)?
                    {
                        (self.meta, left) = (meta, MOST_JSON);
                        places = Places::of(&self.meta.targets);
                        self.told = true;
                    }
                }
                kind::TARGET => {
                    if let Some((target, weight)) =
                        self.json::<TargetInfo>(offset, &header, left, &mut payload, &mut columns)?
                    {
                        left = left.saturating_sub(weight);
                        places.merge(&mut self.meta.targets, &target);
                    }
                }
                kind::END if self.source.payload(offset, &header, &mut payload)? => {
                    self.clean = true;
                    break;
                }
                _ => {}
            }
        }
        if self.totals == Stats::default() {
            self.totals = sums;
        }
        Ok(())
    }

    /// The END frame, if it stands intact at the end of the file.
    fn end(&mut self, payload: &mut Vec<u8>, columns: &mut Columns) -> io::Result<Option<End>> {
        let mut trailer = [0; TRAILER_LEN];
        let Some(at) = self.source.len().checked_sub(TRAILER_LEN as u64) else {
            return Ok(None);
        };
        self.source.read_at(at, &mut trailer)?;
        let Some(at) = End::frame_len(&trailer).and_then(|len| self.source.len().checked_sub(len))
        else {
            return Ok(None);
        };
        let Some(header) = self.frame_at(at, kind::END, payload, columns)? else {
            return Ok(None);
        };
        self.latest_ns = Some(header.last_ns);
        Ok(End::decode(columns).ok())
    }

    fn indexed_meta(
        &mut self,
        index_offset: u64,
        payload: &mut Vec<u8>,
        columns: &mut Columns,
    ) -> io::Result<Option<Meta>> {
        if self
            .frame_at(index_offset, kind::INDEX, payload, columns)?
            .is_none()
        {
            return Ok(None);
        }
        let Ok(index) = Index::decode(columns) else {
            return Ok(None);
        };
        let meta_offset = index.meta_offset;
        self.index = index;
        match self.source.header_at(meta_offset)? {
            Some(header) if header.kind == kind::META => {
                let meta = self.json(meta_offset, &header, MOST_JSON, payload, columns)?;
                Ok(meta.map(|(meta, _)| meta))
            }
            _ => Ok(None),
        }
    }

    /// Reads the frame of type `kind` at `offset`, if it is intact.
    fn frame_at(
        &mut self,
        offset: u64,
        kind: u8,
        payload: &mut Vec<u8>,
        columns: &mut Columns,
    ) -> io::Result<Option<FrameHeader>> {
        let Some(header) = self
            .source
            .header_at(offset)?
            .filter(|header| header.kind == kind)
        else {
            return Ok(None);
        };
        let read = self.columns(offset, &header, payload, columns)?;
        Ok(read.map(|()| header))
    }

    fn columns(
        &mut self,
        offset: u64,
        header: &FrameHeader,
        payload: &mut Vec<u8>,
        columns: &mut Columns,
    ) -> io::Result<Option<()>> {
        let intact = self.source.payload(offset, header, payload)?;
        Ok((intact
            && columns
                .read(payload, header.columns, header.raw_len)
                .is_ok())
        .then_some(()))
    }

    /// The JSON that a frame holds, if it is intact, and what it weighs.
    fn json<T: serde::de::DeserializeOwned>(
        &mut self,
        offset: u64,
        header: &FrameHeader,
        most: usize,
        payload: &mut Vec<u8>,
        columns: &mut Columns,
    ) -> io::Result<Option<(T, usize)>> {
        if header.raw_len > limit::JSON || self.columns(offset, header, payload, columns)?.is_none()
        {
            return Ok(None);
        }
        let json = columns.bytes(JSON_COLUMN).ok().flatten();
        Ok(json.and_then(|json| parse_json(json, most)))
    }
}

/// The file header; `None` where it is damaged but the file is a record.
pub(super) fn read_file_header<R: ReadAt>(
    source: &mut Source<R>,
    path: &Path,
) -> Result<Option<FileHeader>, ReadError> {
    let unsupported = |what: String| ReadError::Unsupported {
        path: path.to_owned(),
        what,
    };
    let mut bytes = [0; HEADER_LEN];
    let read = source
        .read_at(0, &mut bytes)
        .map_err(|error| refused(path, error))?;
    let magic = bytes.starts_with(&MAGIC);
    if magic && read < HEADER_LEN {
        return Err(ReadError::Malformed {
            path: path.to_owned(),
            offset: read as u64,
            what: "the file ends within its header: nothing was recorded".to_owned(),
        });
    }
    let Some(header) = FileHeader::parse(&bytes) else {
        let first = source
            .header_at(HEADER_LEN as u64)
            .map_err(|error| refused(path, error))?;
        if magic || first.is_some() {
            return Ok(None);
        }
        return Err(unsupported("not a record of damo's own format".to_owned()));
    };
    let unknown = header.incompat & !KNOWN_INCOMPAT;
    if header.version > VERSION || unknown != 0 {
        return Err(unsupported(format!(
            "needs a damo that reads record format version {} with features {unknown:#x}; \
             this one reads version {VERSION}: install a later damo",
            header.version
        )));
    }
    Ok(Some(header))
}
