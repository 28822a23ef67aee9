//! Bytes from the ring buffer → events. The only place that reads kernel bytes.

use std::mem::offset_of;

use damo_ebpf::{RECORD_BYTES, RingEvent};

use super::layout::{Field, Layout, number};

/// One region aggregate as the kernel reported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When the program saw it: CLOCK_MONOTONIC, nanoseconds.
    pub time_ns: u64,
    /// Thread id of the kdamond.
    pub kdamond: u32,
    /// Number of the snapshot it belongs to; see [`RingEvent::snapshot`].
    pub snapshot: u32,
    /// Events of this kdamond lost so far; see [`RingEvent::lost`].
    pub lost: u32,
    /// Regions of the snapshot still to come; see [`RingEvent::left`].
    pub left: u32,
    /// DAMON's target id.
    pub target_id: u64,
    /// Regions that the snapshot was announced to have.
    pub nr_regions: u32,
    /// First address of the region, in DAMON's address units.
    pub start: u64,
    /// One past its last address, in DAMON's address units.
    pub end: u64,
    /// Checks that found it accessed.
    pub nr_accesses: u32,
    /// Aggregation intervals for which it has been like this.
    pub age: Option<u32>,
}

/// What the kernel's own record of an aggregated region says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aggregated {
    /// DAMON's target id.
    pub target_id: u64,
    /// Regions that the snapshot was announced to have.
    pub nr_regions: u32,
    /// First address of the region, in DAMON's address units.
    pub start: u64,
    /// One past its last address, in DAMON's address units.
    pub end: u64,
    /// Checks that found it accessed.
    pub nr_accesses: u32,
    /// Aggregation intervals for which it has been like this.
    pub age: Option<u32>,
}

impl Aggregated {
    /// Decodes a record from byte [`RECORD_FROM`](damo_ebpf::RECORD_FROM) on;
    /// `None` if it is too short to be one.
    pub fn decode(layout: &Layout, record: &[u8]) -> Option<Aggregated> {
        let read = |field: Field| field.read(record);
        Some(Aggregated {
            target_id: read(layout.target_id)?,
            nr_regions: read(layout.nr_regions)? as u32,
            start: read(layout.start)?,
            end: read(layout.end)?,
            nr_accesses: read(layout.nr_accesses)? as u32,
            age: match layout.age {
                Some(field) => Some(read(field)? as u32),
                None => None,
            },
        })
    }
}

impl Field {
    /// The field's number in a record from byte
    /// [`RECORD_FROM`](damo_ebpf::RECORD_FROM) on, if it is that long.
    pub fn read(self, record: &[u8]) -> Option<u64> {
        number(record, self.offset, self.size)
    }
}

impl Event {
    /// Decodes one ring buffer item; `None` if it is too short to be one.
    pub fn decode(layout: &Layout, bytes: &[u8]) -> Option<Event> {
        let record = bytes
            .get(offset_of!(RingEvent, record)..)?
            .get(..RECORD_BYTES)?;
        let u64_at = |offset| number(bytes, offset, 8);
        let u32_at = |offset| number(bytes, offset, 4).map(|n| n as u32);
        let aggregated = Aggregated::decode(layout, record)?;
        Some(Event {
            time_ns: u64_at(offset_of!(RingEvent, time_ns))?,
            kdamond: u32_at(offset_of!(RingEvent, kdamond))?,
            snapshot: u32_at(offset_of!(RingEvent, snapshot))?,
            lost: u32_at(offset_of!(RingEvent, lost))?,
            left: u32_at(offset_of!(RingEvent, left))?,
            target_id: aggregated.target_id,
            nr_regions: aggregated.nr_regions,
            start: aggregated.start,
            end: aggregated.end,
            nr_accesses: aggregated.nr_accesses,
            age: aggregated.age,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::FORMAT;
    use super::*;

    fn item() -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(7_000_000_000u64.to_ne_bytes());
        for n in [42u32, 3, 5, 1] {
            bytes.extend(n.to_ne_bytes());
        }
        bytes.extend(2u64.to_ne_bytes()); // target_id
        bytes.extend(4u32.to_ne_bytes()); // nr_regions
        bytes.extend([0; 4]);
        bytes.extend(0x1000u64.to_ne_bytes());
        bytes.extend(0x3000u64.to_ne_bytes());
        bytes.extend(20u32.to_ne_bytes());
        bytes.extend(9u32.to_ne_bytes());
        bytes
    }

    #[test]
    fn decodes_every_field() {
        let layout = Layout::parse(FORMAT).unwrap();
        let event = Event::decode(&layout, &item()).unwrap();
        assert_eq!(
            event,
            Event {
                time_ns: 7_000_000_000,
                kdamond: 42,
                snapshot: 3,
                lost: 5,
                left: 1,
                target_id: 2,
                nr_regions: 4,
                start: 0x1000,
                end: 0x3000,
                nr_accesses: 20,
                age: Some(9),
            }
        );
        assert_eq!(size_of::<RingEvent>(), item().len());
    }

    #[test]
    fn refuses_a_short_item() {
        let layout = Layout::parse(FORMAT).unwrap();
        for len in 0..item().len() {
            assert_eq!(Event::decode(&layout, &item()[..len]), None);
        }
    }
}
