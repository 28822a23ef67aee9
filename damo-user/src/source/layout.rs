//! Field offsets of `damon_aggregated`'s record, from tracefs's `format` text.
//!
//! The layout has been the same from 5.17 to 7.3, but nothing promises that it
//! stays so: whatever a kernel says of itself is believed over what we know.

use damo_ebpf::{RECORD_FROM, RECORD_TO};

/// Where one field lies in the copied bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// From the first copied byte.
    pub(super) offset: usize,
    /// 4 or 8.
    pub(super) size: usize,
}

impl Field {
    /// Finds a field of any event in the text of its `format`; `None` if the
    /// event has no such field.
    ///
    /// # Errors
    /// It is outside of what is read of a record, or of an odd size.
    pub fn find(format: &str, name: &'static str) -> Result<Option<Field>, LayoutError> {
        field(format, name, RECORD_TO)
    }

    /// As [`Field::find`], of an event of which the bytes up to `end` are read.
    pub(super) fn find_until(
        format: &str,
        name: &'static str,
        end: usize,
    ) -> Result<Option<Field>, LayoutError> {
        field(format, name, end)
    }
}

/// Where each field lies in [`damo_ebpf::RingEvent::record`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub(super) target_id: Field,
    pub(super) nr_regions: Field,
    pub(super) start: Field,
    pub(super) end: Field,
    pub(super) nr_accesses: Field,
    /// Missing before 5.17.
    pub(super) age: Option<Field>,
}

/// Why a kernel's events cannot be decoded.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The text does not describe a field that is needed.
    #[error(
        "the tracepoint's format has no field '{0}': this kernel's damon_aggregated is not known to damo"
    )]
    Missing(&'static str),
    /// A field lies outside of what the BPF program copies, or has an odd size.
    #[error(
        "the tracepoint's field '{name}' is at {offset}, {size} bytes long: that is not what damo reads"
    )]
    Unreadable {
        /// The field.
        name: &'static str,
        /// Its offset in the record.
        offset: usize,
        /// Its size in bytes.
        size: usize,
    },
    /// A field that the BPF program itself reads is elsewhere.
    #[error(
        "the tracepoint's field '{name}' is at {offset}, not at {expected}: this kernel needs a newer damo"
    )]
    Moved {
        /// The field.
        name: &'static str,
        /// Where it is.
        offset: usize,
        /// Where the BPF program looks for it.
        expected: usize,
    },
}

impl Layout {
    /// Reads the text of `events/damon/damon_aggregated/format`.
    ///
    /// # Errors
    /// A field is missing, or is where the BPF program cannot reach it.
    pub fn parse(format: &str) -> Result<Layout, LayoutError> {
        let layout = Layout::anywhere(format)?;
        // These three the BPF program reads at fixed offsets, to find where
        // one snapshot ends and the next begins.
        for (name, found, expected) in [
            ("target_id", layout.target_id, 8),
            ("nr_regions", layout.nr_regions, 16),
            ("start", layout.start, 24),
        ] {
            let offset = found.offset + RECORD_FROM;
            if offset != expected {
                return Err(LayoutError::Moved {
                    name,
                    offset,
                    expected,
                });
            }
        }
        Ok(layout)
    }

    /// As [`Layout::parse`], for events that came by another way than our BPF
    /// program: no field has to be at a certain place.
    ///
    /// # Errors
    /// A field is missing, or is not among the bytes that are read.
    pub fn anywhere(format: &str) -> Result<Layout, LayoutError> {
        let required = |name| field(format, name, RECORD_TO)?.ok_or(LayoutError::Missing(name));
        Ok(Layout {
            target_id: required("target_id")?,
            nr_regions: required("nr_regions")?,
            start: required("start")?,
            end: required("end")?,
            nr_accesses: required("nr_accesses")?,
            age: field(format, "age", RECORD_TO)?,
        })
    }
}

/// Finds a line like `field:unsigned long start; offset:24; size:8; signed:0;`.
fn field(format: &str, name: &'static str, end: usize) -> Result<Option<Field>, LayoutError> {
    for line in format.lines() {
        let Some(rest) = line.trim().strip_prefix("field:") else {
            continue;
        };
        let mut parts = rest.split(';').map(str::trim);
        let declared = parts.next().and_then(|d| d.split_whitespace().last());
        if declared != Some(name) {
            continue;
        }
        let mut number = |key: &str| {
            parts
                .next()
                .and_then(|part| part.strip_prefix(key))
                .and_then(|n| n.parse::<usize>().ok())
        };
        let (Some(offset), Some(size)) = (number("offset:"), number("size:")) else {
            return Ok(None);
        };
        let inside = offset >= RECORD_FROM && offset.checked_add(size).is_some_and(|to| to <= end);
        if !inside || !matches!(size, 4 | 8) {
            return Err(LayoutError::Unreadable { name, offset, size });
        }
        return Ok(Some(Field {
            offset: offset - RECORD_FROM,
            size,
        }));
    }
    Ok(None)
}

/// A number of 4 or 8 bytes in the machine's byte order.
pub(super) fn number(bytes: &[u8], offset: usize, size: usize) -> Option<u64> {
    let bytes = bytes.get(offset..offset.checked_add(size)?)?;
    match *bytes {
        [a, b, c, d] => Some(u32::from_ne_bytes([a, b, c, d]).into()),
        [a, b, c, d, e, f, g, h] => Some(u64::from_ne_bytes([a, b, c, d, e, f, g, h])),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As 5.17 to 7.3 print it.
    pub const FORMAT: &str = include_str!("damon_aggregated.format");

    #[test]
    fn reads_the_layout_of_today() {
        let layout = Layout::parse(FORMAT).unwrap();
        assert_eq!(
            layout.end,
            Field {
                offset: 24,
                size: 8
            }
        );
        assert_eq!(
            layout.age,
            Some(Field {
                offset: 36,
                size: 4
            })
        );
    }

    #[test]
    fn has_no_age_before_5_17() {
        let old: String = FORMAT
            .lines()
            .filter(|line| !line.contains(" age;"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(Layout::parse(&old).unwrap().age, None);
    }

    #[test]
    fn follows_a_field_that_moved_if_only_user_space_reads_it() {
        let moved = FORMAT
            .replace("nr_accesses;\toffset:40", "nr_accesses;\toffset:44")
            .replace("age;\toffset:44", "age;\toffset:40");
        let layout = Layout::parse(&moved).unwrap();
        assert_eq!(
            layout.nr_accesses,
            Field {
                offset: 36,
                size: 4
            }
        );
    }

    #[test]
    fn refuses_what_it_cannot_decode() {
        let gone = FORMAT.replace("nr_accesses", "nr_hits");
        assert_eq!(
            Layout::parse(&gone),
            Err(LayoutError::Missing("nr_accesses"))
        );
        let far = FORMAT.replace("offset:40", "offset:48");
        assert!(matches!(
            Layout::parse(&far),
            Err(LayoutError::Unreadable { offset: 48, .. })
        ));
        let moved = FORMAT.replace("nr_regions;\toffset:16", "nr_regions;\toffset:20");
        assert!(matches!(
            Layout::parse(&moved),
            Err(LayoutError::Moved { offset: 20, .. })
        ));
        let wide = FORMAT.replace("offset:40;\tsize:4", "offset:40;\tsize:2");
        assert!(matches!(
            Layout::parse(&wide),
            Err(LayoutError::Unreadable { size: 2, .. })
        ));
        assert_eq!(Layout::parse(""), Err(LayoutError::Missing("target_id")));
    }
}
