//! The DATA frame: columns to snapshots and gaps. Nothing in here trusts a
//! number, even though the checksums held.

use std::ops::Range;

use crate::model::{Detail, Gap, Intervals, Item, LossCause, Region, Snapshot, TargetKey};

use super::column::{Columns, Corrupt, Values};
use super::extra::Extras;
use super::format::{FrameHeader, flag, limit};
use super::frame::{Last, col};
use super::varint::unzigzag;

/// A frame's items; the last snapshot may lack regions that follow in the
/// next frame.
#[derive(Default)]
pub(super) struct Decoded {
    pub items: Vec<Item>,
    /// How many regions the last snapshot lacks.
    pub lacking: u64,
    /// Of the first snapshot, when it continues an earlier frame's: the
    /// regions from there to its end.
    pub first_nr_regions: u64,
}

/// Takes a DATA frame's columns apart. Those which `detail` leaves out need not be
/// there.
pub(super) fn decode(
    header: &FrameHeader,
    columns: &Columns,
    detail: Detail,
) -> Result<Decoded, Corrupt> {
    let shift = u32::try_from(columns.values(col::SHIFT)?.next()?).unwrap_or(u32::MAX);
    let unit = 1u64.checked_shl(shift).ok_or(Corrupt("address unit"))?;
    let targets = read_targets(header, columns.values(col::TARGETS)?)?;
    let intervals = read_intervals(header, columns.values(col::INTERVALS)?)?;
    let mut gaps = read_gaps(header, columns, &targets)?.into_iter().peekable();

    let mut target = columns.values(col::TARGET)?;
    let mut start = columns.values(col::START)?;
    let mut duration = columns.values(col::DURATION)?;
    let mut interval = columns.values(col::INTERVAL)?;
    let mut nr_regions = columns.values(col::NR_REGIONS)?;
    let mut missing = columns.values(col::MISSING)?;
    let mut regions = RegionColumns::new(columns, unit)?;

    let mut extras = Extras::new(columns)?;

    let mut out = Decoded::default();
    let mut last = vec![Last::new(header.first_ns); targets.len()];
    let mut samples_left = u64::from(header.samples);
    for row in 0..u64::from(header.snapshots) {
        while let Some((_, gap)) = gaps.next_if(|(at, _)| *at <= row) {
            out.items.push(Item::Gap(gap));
        }
        let index = usize::try_from(target.next()?).map_err(|_| Corrupt("target"))?;
        let (Some(&key), Some(last)) = (targets.get(index), last.get_mut(index)) else {
            return Err(Corrupt("target"));
        };
        let start_ns = last.end_ns.wrapping_add(unzigzag(start.next()?));
        let end_ns = start_ns.wrapping_add(duration.next()?);
        last.end_ns = end_ns;
        let total = nr_regions.next()?;
        if total > limit::REGIONS || out.lacking > 0 {
            return Err(Corrupt("number of regions"));
        }
        let held = total.min(samples_left);
        samples_left -= held;
        out.lacking = total - held;
        if row == 0 {
            out.first_nr_regions = total;
        }
        out.items.push(Item::Snapshot(Snapshot {
            target: key,
            start_ns,
            end_ns,
            intervals: pick(&intervals, interval.next()?)?,
            missing: missing.next_u32()?,
            regions: match detail {
                Detail::All => regions.take::<true>(held as usize, last)?,
                Detail::Counts => regions.take::<false>(held as usize, last)?,
                Detail::Places => regions.take_places(held as usize, last)?,
            },
            extra: match &mut extras {
                // It is by region.
                Some(extras) => extras
                    .next(held as usize)?
                    .filter(|_| detail != Detail::Places),
                None => None,
            },
        }));
    }
    // After the last row; not after a part, of which the rest comes first.
    let rows = u64::from(header.snapshots);
    if gaps.peek().is_some() && out.lacking > 0 {
        return Err(Corrupt("gap"));
    }
    for (at, gap) in gaps {
        if at > rows {
            return Err(Corrupt("gap"));
        }
        out.items.push(Item::Gap(gap));
    }
    if samples_left > 0 || (out.lacking > 0) != header.has(flag::SPLIT) {
        return Err(Corrupt("number of samples"));
    }
    for values in [target, start, duration, interval, nr_regions, missing] {
        values.end()?;
    }
    if let Some(extras) = extras {
        extras.end()?;
    }
    regions.end()?;
    Ok(out)
}

struct RegionColumns<'a> {
    unit: u64,
    first: Values<'a>,
    hole: Values<'a>,
    length: Values<'a>,
    nr_accesses: Values<'a>,
    age: Values<'a>,
}

impl<'a> RegionColumns<'a> {
    fn new(columns: &'a Columns, unit: u64) -> Result<Self, Corrupt> {
        Ok(RegionColumns {
            unit,
            first: columns.values(col::FIRST)?,
            hole: columns.values(col::HOLE)?,
            length: columns.values(col::LENGTH)?,
            nr_accesses: columns.values(col::NR_ACCESSES)?,
            age: columns.values(col::AGE)?,
        })
    }

    /// The next `count` regions. The header's limit bounds `count`.
    fn take<const AGES: bool>(
        &mut self,
        count: usize,
        last: &mut Last,
    ) -> Result<Vec<Region>, Corrupt> {
        let mut regions = Vec::with_capacity(count);
        let mut end = 0u64;
        for i in 0..count {
            let begin = if i == 0 {
                last.first = last.first.wrapping_add(unzigzag(self.first.next()?));
                Some(last.first)
            } else {
                end.checked_add(self.hole.next()?)
            };
            // Ends are checked below; a start is never above its end.
            let start = begin.ok_or(Corrupt("address"))?;
            end = start
                .checked_add(self.length.next()?)
                .ok_or(Corrupt("address"))?;
            let last_byte = end.checked_mul(self.unit).ok_or(Corrupt("address"))?;
            let birth = match AGES {
                true => self.age.next()?.checked_sub(1).map(unzigzag),
                false => None,
            };
            let age = birth.map(|birth| u32::try_from(last.ordinal.wrapping_sub(birth)));
            regions.push(Region {
                start: start * self.unit,
                end: last_byte,
                nr_accesses: self.nr_accesses.next_u32()?,
                age: age.transpose().map_err(|_| Corrupt("age"))?,
            });
        }
        last.ordinal += 1;
        Ok(regions)
    }

    /// What the next `count` regions span, with the holes between them.
    fn take_places(&mut self, count: usize, last: &mut Last) -> Result<Vec<Region>, Corrupt> {
        let mut places: Vec<Region> = Vec::new();
        let mut place = 0..0u64;
        let unit = self.unit;
        let mut keep = |place: &Range<u64>| {
            // A start is never above its end.
            let end = place.end.checked_mul(unit).ok_or(Corrupt("address"))?;
            places.push(Region {
                start: place.start * unit,
                end,
                nr_accesses: 0,
                age: None,
            });
            Ok(())
        };
        for i in 0..count {
            if i == 0 {
                last.first = last.first.wrapping_add(unzigzag(self.first.next()?));
                place = last.first..last.first;
            } else {
                let hole = self.hole.next()?;
                if hole > 0 {
                    keep(&place)?;
                    let start = place.end.checked_add(hole).ok_or(Corrupt("address"))?;
                    place = start..start;
                }
            }
            let end = place.end.checked_add(self.length.next()?);
            place.end = end.ok_or(Corrupt("address"))?;
        }
        if count > 0 {
            keep(&place)?;
        }
        Ok(places)
    }

    fn end(&self) -> Result<(), Corrupt> {
        [
            &self.first,
            &self.hole,
            &self.length,
            &self.nr_accesses,
            &self.age,
        ]
        .iter()
        .try_for_each(|values| values.end())
    }
}

/// Entry `number` - 1 of a frame's table; `None` for 0.
fn pick<T: Copy>(table: &[T], number: u64) -> Result<Option<T>, Corrupt> {
    let Some(index) = number.checked_sub(1) else {
        return Ok(None);
    };
    let entry = usize::try_from(index)
        .ok()
        .and_then(|index| table.get(index));
    entry.copied().map(Some).ok_or(Corrupt("table index"))
}

/// Tables name nothing that no row uses, which bounds them.
fn bounded<T>(table: &[T], header: &FrameHeader) -> Result<(), Corrupt> {
    let rows = u64::from(header.snapshots) + u64::from(header.gaps);
    if table.len() as u64 <= rows {
        Ok(())
    } else {
        Err(Corrupt("table length"))
    }
}

fn read_targets(header: &FrameHeader, mut values: Values<'_>) -> Result<Vec<TargetKey>, Corrupt> {
    let mut targets = Vec::new();
    while !values.is_empty() {
        targets.push(TargetKey {
            kdamond: values.next_u32()?,
            target_id: values.next()?,
        });
        bounded(&targets, header)?;
    }
    Ok(targets)
}

fn read_intervals(header: &FrameHeader, mut values: Values<'_>) -> Result<Vec<Intervals>, Corrupt> {
    let mut intervals = Vec::new();
    while !values.is_empty() {
        intervals.push(Intervals {
            sample_us: values.next()?,
            aggr_us: values.next()?,
            update_us: values.next()?,
        });
        bounded(&intervals, header)?;
    }
    Ok(intervals)
}

/// The frame's gaps, each with the number of snapshots before it.
fn read_gaps(
    header: &FrameHeader,
    columns: &Columns,
    targets: &[TargetKey],
) -> Result<Vec<(u64, Gap)>, Corrupt> {
    let mut position = columns.values(col::GAP_AT)?;
    let mut target = columns.values(col::GAP_TARGET)?;
    let mut start = columns.values(col::GAP_START)?;
    let mut duration = columns.values(col::GAP_DURATION)?;
    let mut events = columns.values(col::GAP_EVENTS)?;
    let mut cause = columns.values(col::GAP_CAUSE)?;
    let mut gaps = Vec::with_capacity(header.gaps as usize);
    let mut at = 0u64;
    for _ in 0..header.gaps {
        at = at.checked_add(position.next()?).ok_or(Corrupt("gap"))?;
        let start_ns = header.first_ns.wrapping_add(unzigzag(start.next()?));
        let (count, cause) = (events.next()?, cause.next()?);
        let gap = Gap {
            target: pick(targets, target.next()?)?,
            start_ns,
            end_ns: start_ns.wrapping_add(duration.next()?),
            events: (cause & 1 == 1).then_some(count),
            cause: cause_of(cause >> 1),
        };
        gaps.push((at, gap));
    }
    for values in [position, target, start, duration, events, cause] {
        values.end()?;
    }
    Ok(gaps)
}

/// A later version's cause is shown as damage: the loss itself is known.
fn cause_of(number: u64) -> LossCause {
    match number {
        0 => LossCause::RingFull,
        1 => LossCause::Unseen,
        3 => LossCause::Unwritten,
        _ => LossCause::Damaged,
    }
}
