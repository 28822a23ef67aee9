//! Summaries: what a record has of a target instead of its snapshots.

use super::TargetKey;

/// One number of a target's summary. All rows of a target with equal times are
/// one summary, of the time before; what has no row is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summed {
    /// Whose.
    pub target: TargetKey,
    /// What is counted.
    pub figure: Figure,
    /// Which step of it; 0 where there is only one.
    pub step: u32,
    /// How much.
    pub value: u64,
}

/// What a summary counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Figure {
    /// The time that it is about, in nanoseconds: it ends at the rows' time.
    Length,
    /// Whole snapshots.
    Snapshots,
    /// Regions.
    Regions,
    /// Pages of 4096 bytes, summed up over the snapshots, by access rate: `step`
    /// is in percent of an aggregation's checks, rounded up.
    Rate,
    /// Pages that were not accessed, summed up over the snapshots, by idle time:
    /// `step` is one of [`damo_ebpf::summary::IDLE`].
    Idle,
    /// Snapshots, by working set: `step` is one of [`damo_ebpf::summary::SIZES`].
    WorkingSet,
    /// What a later version knows.
    Other(u8),
}

impl Figure {
    const CODES: [Figure; 6] = [
        Figure::Length,
        Figure::Snapshots,
        Figure::Regions,
        Figure::Rate,
        Figure::Idle,
        Figure::WorkingSet,
    ];

    /// Its number in record files.
    pub fn code(self) -> u8 {
        match self {
            Figure::Length => 0,
            Figure::Snapshots => 1,
            Figure::Regions => 2,
            Figure::Rate => 3,
            Figure::Idle => 4,
            Figure::WorkingSet => 5,
            Figure::Other(code) => code,
        }
    }

    /// What has this number.
    pub fn of_code(code: u8) -> Figure {
        let known = Figure::CODES.get(usize::from(code));
        known.copied().unwrap_or(Figure::Other(code))
    }

    /// A word for it, with the unit of its values.
    pub fn name(self) -> &'static str {
        match self {
            Figure::Length => "length_ns",
            Figure::Snapshots => "snapshots",
            Figure::Regions => "regions",
            Figure::Rate => "pages_by_access_percent",
            Figure::Idle => "pages_by_idle_step",
            Figure::WorkingSet => "snapshots_by_wss_step",
            Figure::Other(_) => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_their_numbers() {
        for code in 0..=u8::MAX {
            let figure = Figure::of_code(code);
            assert_eq!(figure.code(), code);
            assert_eq!(matches!(figure, Figure::Other(_)), code > 5, "{code}");
        }
    }
}
