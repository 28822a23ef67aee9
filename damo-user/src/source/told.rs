//! What the kernel tells beside the regions: from bytes of the ring.

use std::mem::offset_of;

use damo_ebpf::{Context, RECORD_FROM, RingTold, TOLD_BYTES, told};

use super::layout::{Field, LayoutError, number};
use crate::model::{Intervals, Ops, Region};

/// The tracepoints that something is told by: which one, its group, the BPF
/// program for it, and the fields that are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tracepoint {
    pub group: &'static str,
    pub name: &'static str,
    pub program: &'static str,
    pub kind: u32,
    fields: &'static [&'static str],
    /// Where the program itself looks.
    fixed: &'static [(&'static str, usize)],
}

/// Most fields that are read of one tracepoint.
const FIELDS: usize = 9;

const TUNED: Tracepoint = Tracepoint {
    group: "damon",
    name: "damon_monitor_intervals_tune",
    program: "intervals_tuned",
    kind: told::TUNED,
    fields: &["sample_us"],
    fixed: &[],
};
const QUOTA: Tracepoint = Tracepoint {
    group: "damon",
    name: "damos_esz",
    program: "quota_changed",
    kind: told::QUOTA,
    fields: &["context_idx", "scheme_idx", "esz"],
    fixed: &[],
};
const SCHEME: Tracepoint = Tracepoint {
    group: "damon",
    name: "damos_stat_after_apply_interval",
    program: "scheme_counted",
    kind: told::SCHEME,
    fields: &[
        "context_idx",
        "scheme_idx",
        "nr_tried",
        "sz_tried",
        "nr_applied",
        "sz_applied",
        "sz_ops_filter_passed",
        "qt_exceeds",
        "nr_snapshots",
    ],
    fixed: &[],
};
const APPLIED: Tracepoint = Tracepoint {
    group: "damon",
    name: "damos_before_apply",
    program: "scheme_applies",
    kind: told::APPLIED,
    fields: &[
        "context_idx",
        "scheme_idx",
        "target_idx",
        "start",
        "end",
        "nr_accesses",
        "age",
    ],
    fixed: &[],
};
const FORK: Tracepoint = Tracepoint {
    group: "task",
    name: "task_newtask",
    program: "task_begun",
    kind: told::FORK,
    fields: &[],
    fixed: &[("pid", 8), ("clone_flags", 32)],
};
const EXIT: Tracepoint = Tracepoint {
    group: "sched",
    name: "sched_process_exit",
    program: "task_ended",
    kind: told::EXIT,
    fields: &[],
    fixed: &[],
};
const EXEC: Tracepoint = Tracepoint {
    group: "sched",
    name: "sched_process_exec",
    program: "program_begun",
    kind: told::EXEC,
    fields: &[],
    fixed: &[],
};

/// What is told of DAMON itself, always.
pub(super) const OF_DAMON: [Tracepoint; 3] = [TUNED, QUOTA, SCHEME];
/// Each region that a scheme is applied to.
pub(super) const OF_REGIONS: Tracepoint = APPLIED;
/// Children of followed processes, and the end of each.
pub(super) const OF_PROCESSES: [Tracepoint; 2] = [FORK, EXIT];
/// Programs of the followed name.
pub(super) const OF_EXECS: Tracepoint = EXEC;

/// Where the fields of a tracepoint lie in [`RingTold::record`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fields([Option<Field>; FIELDS]);

impl Tracepoint {
    /// Finds the fields in the text of its `format`.
    ///
    /// # Errors
    /// One is missing, or is where it cannot be read.
    pub fn fields(&self, format: &str) -> Result<Fields, LayoutError> {
        for &(name, expected) in self.fixed {
            let field = Field::find_until(format, name, usize::MAX)?;
            let field = field.ok_or(LayoutError::Missing(name))?;
            let offset = field.offset + RECORD_FROM;
            if offset != expected {
                return Err(LayoutError::Moved {
                    name,
                    offset,
                    expected,
                });
            }
        }
        let mut fields = Fields::default();
        for (place, &name) in fields.0.iter_mut().zip(self.fields) {
            let field = Field::find_until(format, name, RECORD_FROM + TOLD_BYTES)?;
            *place = Some(field.ok_or(LayoutError::Missing(name))?);
        }
        Ok(fields)
    }
}

/// The fields of all tracepoints that this kernel has, by kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Layouts([Fields; 5]);

impl Layouts {
    pub fn set(&mut self, tracepoint: &Tracepoint, fields: Fields) {
        if let Some(place) = self.0.get_mut(tracepoint.kind as usize) {
            *place = fields;
        }
    }

    fn numbers(&self, kind: u32, record: &[u8]) -> Option<[u64; FIELDS]> {
        let fields = self.0.get(kind as usize)?;
        let mut numbers = [0; FIELDS];
        for (number, field) in numbers
            .iter_mut()
            .zip(fields.0)
            .filter_map(|(n, f)| Some((n, f?)))
        {
            *number = field.read(record)?;
        }
        Some(numbers)
    }
}

/// Something that the kernel told, beside a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// When the program saw it: CLOCK_MONOTONIC, nanoseconds.
    pub time_ns: u64,
    /// Thread id of the kdamond; of forks and execs, the process's id.
    pub kdamond: u32,
    /// What it is.
    pub what: What,
}

/// What the kernel told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// DAMON has tuned its sampling interval, in microseconds; the next burst of
    /// regions was still counted with the one before.
    Tuned(u64),
    /// A scheme's quota.
    Quota {
        /// Index of the context.
        context: u32,
        /// Index of the scheme.
        scheme: u32,
        /// Bytes that it allows in each of its windows.
        bytes: u64,
    },
    /// A scheme's counters.
    Scheme {
        /// Index of the context.
        context: u32,
        /// Index of the scheme.
        scheme: u32,
        /// nr_tried, sz_tried, nr_applied, sz_applied, sz_ops_filter_passed,
        /// qt_exceeds, nr_snapshots.
        counters: [u64; 7],
    },
    /// A scheme is about to be applied to a region.
    Applied {
        /// Index of the context.
        context: u32,
        /// Index of the scheme.
        scheme: u32,
        /// DAMON's target id.
        target_id: u64,
        /// The region, in DAMON's address units.
        region: Region,
    },
    /// What the kernel's own structures say of the context, from now on.
    Context {
        /// Its intervals.
        intervals: Intervals,
        /// Fewest and most regions.
        nr_regions: (u64, u64),
        /// Operations set, if it is one that is known.
        ops: Option<Ops>,
        /// Bytes that one unit of an address means.
        addr_unit: u64,
    },
    /// The process of a target, from now on.
    Target {
        /// DAMON's target id.
        target_id: u64,
        /// Process id, in the initial pid namespace.
        pid: u32,
    },
    /// A followed process has begun another, of this id.
    Fork(u32),
    /// A process has the followed name.
    Exec,
    /// The first thread of a followed process has ended.
    Exit,
}

impl Told {
    /// Decodes one ring buffer item; `None` if it is none of these.
    pub(super) fn decode(layouts: &Layouts, bytes: &[u8]) -> Option<Told> {
        let kind = number(bytes, offset_of!(RingTold, kind), 4)? as u32;
        let record = bytes
            .get(offset_of!(RingTold, record)..)?
            .get(..TOLD_BYTES)?;
        let word = |index: usize| number(record, index * 8, 8);
        let fields = || layouts.numbers(kind, record);
        let what = match kind {
            told::TUNED => What::Tuned(fields()?[0]),
            told::QUOTA => {
                let [context, scheme, bytes, ..] = fields()?;
                What::Quota {
                    context: context as u32,
                    scheme: scheme as u32,
                    bytes,
                }
            }
            told::SCHEME => {
                let [context, scheme, counters @ ..] = fields()?;
                What::Scheme {
                    context: context as u32,
                    scheme: scheme as u32,
                    counters,
                }
            }
            told::APPLIED => {
                let [context, scheme, target_id, start, end, nr_accesses, age, ..] = fields()?;
                What::Applied {
                    context: context as u32,
                    scheme: scheme as u32,
                    target_id,
                    region: Region {
                        start,
                        end: end.max(start),
                        nr_accesses: nr_accesses as u32,
                        age: Some(age as u32),
                    },
                }
            }
            told::CONTEXT => context([
                word(0)?,
                word(1)?,
                word(2)?,
                word(3)?,
                word(4)?,
                word(5)?,
                word(6)?,
            ]),
            told::TARGET => What::Target {
                target_id: word(0)?,
                pid: word(1)? as u32,
            },
            told::FORK => What::Fork(word(0)? as u32),
            told::EXEC => What::Exec,
            told::EXIT => What::Exit,
            _ => return None,
        };
        Some(Told {
            time_ns: number(bytes, offset_of!(RingTold, time_ns), 8)?,
            kdamond: number(bytes, offset_of!(RingTold, kdamond), 4)? as u32,
            what,
        })
    }
}

/// A [`Context`], number by number.
fn context(numbers: [u64; size_of::<Context>() / 8]) -> What {
    let [sample_us, aggr_us, update_us, min, max, ops, addr_unit] = numbers;
    What::Context {
        intervals: Intervals {
            sample_us,
            aggr_us,
            update_us,
        },
        nr_regions: (min, max),
        ops: match ops {
            0 => Some(Ops::Vaddr),
            1 => Some(Ops::Fvaddr),
            2 => Some(Ops::Paddr),
            _ => None,
        },
        addr_unit: addr_unit.max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As 7.2 and 7.3 print it.
    const SCHEME_FORMAT: &str = "name: damos_stat_after_apply_interval
\tfield:unsigned int context_idx;\toffset:8;\tsize:4;\tsigned:0;
\tfield:unsigned int scheme_idx;\toffset:12;\tsize:4;\tsigned:0;
\tfield:unsigned long nr_tried;\toffset:16;\tsize:8;\tsigned:0;
\tfield:unsigned long sz_tried;\toffset:24;\tsize:8;\tsigned:0;
\tfield:unsigned long nr_applied;\toffset:32;\tsize:8;\tsigned:0;
\tfield:unsigned long sz_applied;\toffset:40;\tsize:8;\tsigned:0;
\tfield:unsigned long sz_ops_filter_passed;\toffset:48;\tsize:8;\tsigned:0;
\tfield:unsigned long qt_exceeds;\toffset:56;\tsize:8;\tsigned:0;
\tfield:unsigned long nr_snapshots;\toffset:64;\tsize:8;\tsigned:0;
";

    fn item(kind: u32, record: &[u8]) -> Vec<u8> {
        let mut bytes = 7u64.to_ne_bytes().to_vec();
        bytes.extend(42u32.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(record);
        bytes.resize(size_of::<RingTold>(), 0);
        bytes
    }

    #[test]
    fn reads_a_schemes_counters_by_the_kernels_format() {
        let mut layouts = Layouts::default();
        layouts.set(&SCHEME, SCHEME.fields(SCHEME_FORMAT).unwrap());
        let mut record = Vec::new();
        record.extend(1u32.to_ne_bytes());
        record.extend(2u32.to_ne_bytes());
        for counter in 11u64..18 {
            record.extend(counter.to_ne_bytes());
        }
        let told = Told::decode(&layouts, &item(told::SCHEME, &record)).unwrap();
        let what = What::Scheme {
            context: 1,
            scheme: 2,
            counters: [11, 12, 13, 14, 15, 16, 17],
        };
        assert_eq!((told.time_ns, told.kdamond, told.what), (7, 42, what));
    }

    #[test]
    fn a_field_beyond_what_is_copied_is_refused() {
        let far = SCHEME_FORMAT.replace("offset:64", "offset:72");
        assert!(matches!(
            SCHEME.fields(&far),
            Err(LayoutError::Unreadable { offset: 72, .. })
        ));
        let fork = "\tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;\n";
        assert!(matches!(
            FORK.fields(fork),
            Err(LayoutError::Moved { offset: 12, .. })
        ));
    }

    #[test]
    fn short_or_unknown_items_are_none() {
        let layouts = Layouts::default();
        let whole = item(told::FORK, &9u64.to_ne_bytes());
        assert!(Told::decode(&layouts, &whole).is_some());
        for len in 0..whole.len() {
            assert_eq!(Told::decode(&layouts, &whole[..len]), None);
        }
        assert_eq!(Told::decode(&layouts, &item(99, &[])), None);
    }
}
