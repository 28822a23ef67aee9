//! What the samples of each event consist of: `perf_event_attr`.

use std::collections::HashMap;

use bytes::Buf;

use super::tracing::Formats;

const TYPE_SOFTWARE: u32 = 1;
const TYPE_TRACEPOINT: u32 = 2;
/// An event that only brings what else happens into the record.
const SOFTWARE_DUMMY: u64 = 9;

/// Bits of `sample_type`.
mod has {
    pub const IP: u64 = 1 << 0;
    pub const TID: u64 = 1 << 1;
    pub const TIME: u64 = 1 << 2;
    pub const ADDR: u64 = 1 << 3;
    pub const READ: u64 = 1 << 4;
    pub const CALLCHAIN: u64 = 1 << 5;
    pub const ID: u64 = 1 << 6;
    pub const CPU: u64 = 1 << 7;
    pub const PERIOD: u64 = 1 << 8;
    pub const STREAM_ID: u64 = 1 << 9;
    pub const RAW: u64 = 1 << 10;
    pub const IDENTIFIER: u64 = 1 << 16;
}

/// Bits of `read_format`.
mod reads {
    pub const TIMES: u64 = 1 << 0 | 1 << 1;
    pub const ID: u64 = 1 << 2;
    pub const GROUP: u64 = 1 << 3;
    pub const LOST: u64 = 1 << 4;
}

/// Bit of the flags: all records say when they are from.
const SAMPLE_ID_ALL: u64 = 1 << 18;

/// What is needed of a `perf_event_attr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr {
    kind: u32,
    config: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
}

impl Attr {
    /// Reads one; and its length, as it says itself.
    pub fn parse(mut bytes: &[u8]) -> Option<(Attr, usize)> {
        let kind = bytes.try_get_u32_ne().ok()?;
        let size = bytes.try_get_u32_ne().ok()?;
        let config = bytes.try_get_u64_ne().ok()?;
        let _period = bytes.try_get_u64_ne().ok()?;
        let attr = Attr {
            kind,
            config,
            sample_type: bytes.try_get_u64_ne().ok()?,
            read_format: bytes.try_get_u64_ne().ok()?,
            flags: bytes.try_get_u64_ne().ok()?,
        };
        // The first version, that did not say it, had 64 bytes.
        let size = if size == 0 { 64 } else { size as usize };
        (size >= 64).then_some((attr, size))
    }

    fn sample<'a>(&self, mut body: &'a [u8]) -> Option<Sample<'a>> {
        let mut sample = Sample::default();
        let mut id = None;
        let with = |bit| self.sample_type & bit != 0;
        let mut word = |bit| match with(bit) {
            true => body.try_get_u64_ne().ok().map(Some),
            false => Some(None),
        };
        id = word(has::IDENTIFIER)?.or(id);
        word(has::IP)?;
        // Two numbers of four bytes.
        let ids = word(has::TID)?.map(u64::to_ne_bytes);
        sample.time_ns = word(has::TIME)?.unwrap_or(0);
        word(has::ADDR)?;
        id = word(has::ID)?.or(id);
        word(has::STREAM_ID)?;
        word(has::CPU)?;
        word(has::PERIOD)?;
        if let Some([_, _, _, _, tid @ ..]) = ids {
            sample.tid = u32::from_ne_bytes(tid);
        }
        if with(has::READ) {
            self.skip_counts(&mut body)?;
        }
        if with(has::CALLCHAIN) {
            let len = body.try_get_u64_ne().ok()?.checked_mul(8)?;
            body = body.get(usize::try_from(len).ok()?..)?;
        }
        if with(has::RAW) {
            let len = body.try_get_u32_ne().ok()?;
            sample.raw = body.get(..usize::try_from(len).ok()?)?;
        }
        sample.id = id;
        Some(sample)
    }

    fn skip_counts(&self, body: &mut &[u8]) -> Option<()> {
        let with = |bits: u64| u64::from((self.read_format & bits).count_ones());
        let each = 1 + with(reads::ID) + with(reads::LOST);
        let words = match with(reads::GROUP) {
            0 => with(reads::TIMES) + each,
            _ => {
                let count = body.try_get_u64_ne().ok()?;
                count.checked_mul(each)?.checked_add(with(reads::TIMES))?
            }
        };
        let len = usize::try_from(words.checked_mul(8)?).ok()?;
        *body = body.get(len..)?;
        Some(())
    }

    /// When a record that is no sample is from: it is told at its end.
    fn time_of_other(&self, body: &[u8]) -> Option<u64> {
        if self.flags & SAMPLE_ID_ALL == 0 || self.sample_type & has::TIME == 0 {
            return None;
        }
        let after = has::TIME | has::ID | has::STREAM_ID | has::CPU | has::IDENTIFIER;
        let words = (self.sample_type & after).count_ones() as usize;
        let at = body.len().checked_sub(8 * words)?;
        body.get(at..)?.try_get_u64_ne().ok()
    }

    fn role(&self, formats: &Formats) -> Role {
        let is = |id: Option<u64>| self.kind == TYPE_TRACEPOINT && id == Some(self.config);
        if is(formats.aggregated.as_ref().map(|(id, _)| *id)) {
            Role::Aggregated
        } else if is(formats.tuned.as_ref().map(|(id, _)| *id)) {
            Role::Tuned
        } else if (self.kind, self.config) == (TYPE_SOFTWARE, SOFTWARE_DUMMY) {
            Role::Dummy
        } else {
            Role::Other
        }
    }
}

/// What is needed of a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample<'a> {
    id: Option<u64>,
    /// Whose.
    pub tid: u32,
    /// When.
    pub time_ns: u64,
    /// The tracepoint's record.
    pub raw: &'a [u8],
}

/// What an event is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `damon_aggregated`.
    Aggregated,
    /// `damon_monitor_intervals_tune`.
    Tuned,
    /// None that is lost.
    Dummy,
    /// Somebody else's.
    Other,
}

/// All events of a record.
#[derive(Debug)]
pub struct Attrs {
    list: Vec<(Attr, Role)>,
    by_id: HashMap<u64, usize>,
}

impl Attrs {
    /// Events with the ids that their samples have.
    ///
    /// # Errors
    /// What keeps `damon_aggregated`'s samples from being read.
    pub fn new(attrs: Vec<(Attr, Vec<u64>)>, formats: &Formats) -> Result<Self, &'static str> {
        let mut list = Vec::new();
        let mut by_id = HashMap::new();
        for (attr, ids) in attrs {
            by_id.extend(ids.into_iter().map(|id| (id, list.len())));
            list.push((attr, attr.role(formats)));
        }
        let attrs = Self { list, by_id };
        let mut ours = attrs
            .list
            .iter()
            .filter(|(_, role)| *role == Role::Aggregated)
            .peekable();
        if ours.peek().is_none() {
            return Err("damon:damon_aggregated was not recorded");
        }
        if !ours
            .all(|(attr, _)| attr.sample_type & has::RAW != 0 && attr.sample_type & has::TIME != 0)
        {
            return Err(
                "its samples have no time, or not what the event says (perf's --raw-samples)",
            );
        }
        if !attrs.all_identified() && !attrs.all_alike() {
            return Err("its samples do not say of which event they are");
        }
        Ok(attrs)
    }

    fn all_identified(&self) -> bool {
        self.list
            .iter()
            .all(|(attr, _)| attr.sample_type & has::IDENTIFIER != 0)
    }

    fn all_alike(&self) -> bool {
        let form = |attr: &Attr| (attr.sample_type, attr.read_format);
        let first = self.list.first().map(|(attr, _)| form(attr));
        let told = |attr: &Attr| attr.sample_type & has::ID != 0 || self.list.len() == 1;
        self.list
            .iter()
            .all(|(attr, _)| Some(form(attr)) == first && told(attr))
    }

    /// Reads a sample; `None` if it cannot be read or is of no known event.
    pub fn sample<'a>(&self, body: &'a [u8]) -> Option<(Sample<'a>, Role)> {
        let (first, role) = self.list.first()?;
        if self.list.len() == 1 {
            return Some((first.sample(body)?, *role));
        }
        let id = match first.sample_type & has::IDENTIFIER {
            0 => first.sample(body)?.id?,
            _ => (&mut &*body).try_get_u64_ne().ok()?,
        };
        let (attr, role) = self.list.get(*self.by_id.get(&id)?)?;
        // Of events that do not matter nothing has to be right.
        match role {
            Role::Dummy | Role::Other => Some((Sample::default(), *role)),
            Role::Aggregated | Role::Tuned => Some((attr.sample(body)?, *role)),
        }
    }

    /// Of a record that is no sample: its time, and its event.
    pub fn of_other(&self, body: &[u8]) -> (Option<u64>, Option<Role>) {
        let Some((first, role)) = self.list.first() else {
            return (None, None);
        };
        let time = first.time_of_other(body);
        if self.list.len() == 1 {
            return (time, Some(*role));
        }
        let last = body.len().checked_sub(8).and_then(|at| body.get(at..));
        let id = last.and_then(|mut last| last.try_get_u64_ne().ok());
        let index = id.and_then(|id| self.by_id.get(&id));
        let role = index
            .and_then(|index| self.list.get(*index))
            .map(|(_, role)| *role);
        (time, role)
    }

    /// Whether all that can be lost is ours.
    pub fn only_aggregated(&self) -> bool {
        self.list
            .iter()
            .all(|(_, role)| matches!(role, Role::Aggregated | Role::Dummy))
    }
}
