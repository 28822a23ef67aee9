//! Two cores for reading: see [`Reader::into_items`].

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use crate::model::{About, Detail, Items, Meta, ReadError, Record};

use super::Reader;

/// A record file of which a second thread reads on while the items are looked
/// at. Small ones are read as they are.
#[derive(Clone, Debug)]
pub struct ReadAhead(pub Reader<Arc<File>>);

impl Record for ReadAhead {
    fn meta(&self) -> &Meta {
        self.0.meta()
    }

    fn about(&self) -> About {
        self.0.about()
    }

    fn items(&mut self) -> Result<Items<'_>, ReadError> {
        self.items_with(Detail::All)
    }

    fn items_with(&mut self, detail: Detail) -> Result<Items<'_>, ReadError> {
        Ok(self.0.clone().into_items(None, detail))
    }

    fn items_in(&mut self, time: Range<u64>) -> Result<Items<'_>, ReadError> {
        Ok(self.0.clone().into_items(Some(time), Detail::All))
    }
}
