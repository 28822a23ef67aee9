//! The records of a json text, one snapshot at a time.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::guard::Progress;
use super::head::{Head, HeadKey};
use super::snapshot::{SnapshotSeed, SnapshotTold};
use super::value::{Skip, otherwise};
use crate::model::{Gap, Item, LossCause, TargetKey};

/// Records of one text: what it says of each is kept to the end.
const MAX_RECORDS: usize = 1 << 16;

/// Takes what is found, in the text's order.
pub trait Taker {
    /// A record of the text has ended; false if it cannot be taken.
    fn record(&mut self, head: Head) -> bool;

    /// Of the record that is being read; its number is the item's kdamond.
    /// False if it cannot be taken.
    fn item(&mut self, item: Item) -> bool;
}

/// State of the walk over a text.
pub struct Walk<'t> {
    pub taker: &'t mut dyn Taker,
    pub progress: Progress,
    /// Records that have ended.
    pub records: usize,
    /// What is known of the record being read.
    pub open: Option<Head>,
    /// Snapshots, or gaps in their place, so far.
    pub items: u64,
    /// When the record's last snapshot ended.
    last_ns: u64,
    /// When the latest snapshot of all ended.
    latest_ns: u64,
    /// Values where a record should have been.
    pub strangers: u64,
    /// The taker refused.
    pub refused: bool,
}

impl<'t> Walk<'t> {
    pub fn new(taker: &'t mut dyn Taker, progress: Progress) -> Self {
        Self {
            taker,
            progress,
            records: 0,
            open: None,
            items: 0,
            last_ns: 0,
            latest_ns: 0,
            strangers: 0,
            refused: false,
        }
    }

    /// The key of the record being read, until its own is known.
    fn target(&self) -> TargetKey {
        TargetKey {
            // Below MAX_RECORDS.
            kdamond: self.records as u32,
            target_id: 0,
        }
    }

    fn item<E: Error>(&mut self, item: Item) -> Result<(), E> {
        self.items += 1;
        self.last_ns = item.times().1;
        self.latest_ns = self.latest_ns.max(self.last_ns);
        self.refused = !self.taker.item(item);
        self.unless_refused()
    }

    /// The record being read has ended.
    pub fn end_record<E: Error>(&mut self) -> Result<(), E> {
        if let Some(head) = self.open.take() {
            self.refused = !self.taker.record(head);
            self.records += 1;
            self.last_ns = 0;
        }
        self.unless_refused()
    }

    /// Something that is no record, or no snapshot, has ended here.
    fn stranger(&mut self) {
        self.strangers += 1;
        self.progress.odd();
    }

    /// From here on nothing can be read, or something that is no record is here.
    pub fn damage(&mut self) -> bool {
        self.taker.item(Item::Gap(Gap {
            target: None,
            start_ns: self.latest_ns,
            end_ns: self.latest_ns,
            events: None,
            cause: LossCause::Damaged,
        }))
    }

    fn unless_refused<E: Error>(&self) -> Result<(), E> {
        match self.refused {
            true => Err(E::custom("refused")),
            false => Ok(()),
        }
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum WrapperKey {
    DamoRecords,
    DamonRecords,
    RecordList,
    #[serde(other)]
    Other,
}

/// Reads a list of records, or an object that has one in it.
pub struct DocumentSeed<'a, 't>(pub &'a mut Walk<'t>);

impl<'de> DeserializeSeed<'de> for DocumentSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for DocumentSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(is_record) = seq.next_element_seed(RecordSeed(self.0))? {
            if !is_record {
                self.0.stranger();
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut any = false;
        while let Some(key) = map.next_key()? {
            match key {
                WrapperKey::DamoRecords | WrapperKey::DamonRecords | WrapperKey::RecordList => {
                    any = true;
                    map.next_value_seed(DocumentSeed(self.0))?;
                }
                WrapperKey::Other => map.next_value_seed(Skip)?,
            }
        }
        if !any {
            self.0.stranger();
        }
        Ok(())
    }

    otherwise!((); scalar);
}

/// Reads a record; false for what is none.
struct RecordSeed<'a, 't>(&'a mut Walk<'t>);

impl<'de> DeserializeSeed<'de> for RecordSeed<'_, '_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RecordSeed<'_, '_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let walk = self.0;
        if walk.records >= MAX_RECORDS {
            return Err(A::Error::custom(
                "there are more records than can be told apart",
            ));
        }
        // Until there are snapshots, it may be something else.
        let mut head = Head::default();
        while let Some(key) = map.next_key()? {
            match key {
                HeadKey::Snapshots => {
                    walk.open.get_or_insert_with(|| std::mem::take(&mut head));
                    map.next_value_seed(SnapshotsSeed(walk))?;
                }
                key => {
                    let progress = walk.progress.clone();
                    let head = walk.open.as_mut().unwrap_or(&mut head);
                    head.read(key, &mut map, &progress)?;
                }
            }
        }
        let is_record = walk.open.is_some();
        walk.end_record()?;
        Ok(is_record)
    }

    otherwise!(false; scalar seq);
}

struct SnapshotsSeed<'a, 't>(&'a mut Walk<'t>);

impl<'de> DeserializeSeed<'de> for SnapshotsSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for SnapshotsSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of snapshots")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let walk = self.0;
        let intervals = walk.open.as_ref().and_then(|head| head.intervals);
        loop {
            let mut told = SnapshotTold::new(intervals, walk.progress.clone());
            match seq.next_element_seed(SnapshotSeed(&mut told))? {
                None => return Ok(()),
                Some(false) => walk.stranger(),
                Some(true) => {
                    if let Some(item) = told.finish(walk.target(), walk.last_ns) {
                        walk.item(item)?;
                    }
                }
            }
        }
    }

    otherwise!((); scalar map);
}
