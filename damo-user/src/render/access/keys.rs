//! The keywords of formats, and what `damo help` says of them.

use super::template::Keyword;

/// Makes an enum of keywords.
macro_rules! keywords {
    ($(#[$doc:meta])* $name:ident: $($variant:ident = $word:literal $what:literal,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = $what] $variant,)*
        }

        impl Keyword for $name {
            const ALL: &'static [($name, &'static str, &'static str)] =
                &[$(($name::$variant, $word, $what),)*];
        }
    };
}

keywords! {
    /// In heads and tails of records.
    RecordKey:
    KdamondIndex = "<kdamond index>" "number of the kdamond",
    ContextIndex = "<context index>" "number of its context",
    SchemeIndex = "<scheme index>" "number of the scheme whose regions these are",
    TargetId = "<target id>" "DAMON's id of the target",
    AbsStartTime = "<abs start time>" "start of the first snapshot, by the record's clock",
    Duration = "<duration>" "from the first snapshot's start to the last one's end",
    Intervals = "<intervals>" "sampling and aggregation interval",
    IntervalsGoal = "<intervals goal>" "what DAMON tunes its intervals for",
    DataSource = "<data source>" "where the snapshots come from",
    FormatStrings = "<format strings>" "the formats that are in use",
}

keywords! {
    /// In heads and tails of snapshots.
    SnapshotKey:
    TotalBytes = "<total bytes>" "bytes of all regions",
    Duration = "<duration>" "length of the aggregation",
    StartTime = "<start time>" "its start, from the record's start on",
    EndTime = "<end time>" "its end, from the record's start on",
    AbsStartTime = "<abs start time>" "its start, by the record's clock",
    AbsEndTime = "<abs end time>" "its end, by the record's clock",
    NumberOfRegions = "<number of regions>" "how many regions it has",
    RegionBoxColors = "<region box colors>" "the colours of region boxes",
    RegionBoxDescription = "<region box description>" "what region boxes show",
    TemperatureHistogram = "<temperature-sz histogram>" "bytes by temperature",
    TemperaturePassedHistogram = "<temperature-df-passed-sz histogram>" "bytes that passed filters, by temperature",
    RecencyHistogram = "<recency-sz histogram>" "bytes by idle time",
    RecencyPassedHistogram = "<recency-df-passed-sz histogram>" "bytes that passed filters, by idle time",
    RecencyPercentiles = "<recency percentiles>" "idle time by percentiles of the bytes",
    RecencyPassedPercentiles = "<df-passed recency percentiles>" "idle time by percentiles of the bytes that passed filters",
    TemperaturePercentiles = "<temperature percentiles>" "temperature by percentiles of the bytes",
    TemperaturePassedPercentiles = "<df-passed temperature percentiles>" "temperature by percentiles of the bytes that passed filters",
    Heatmap = "<heatmap>" "all regions as one line of temperatures",
    PassedHeatmap = "<filters passed heatmap>" "the same of regions of which something passed filters",
    PassedType = "<filters passed type>" "the filters on pages",
    PassedBytes = "<filters passed bytes>" "bytes that passed filters",
    PositiveRatio = "<positive access samples ratio>" "how many of all checks found an access",
    Bandwidth = "<estimated memory bandwidth>" "bytes per second, if each check that found an access stands for its whole region",
    PassedBandwidth = "<filters passed estimated memory bandwidth>" "the same of bytes that passed filters",
    TuningStatus = "<intervals tuning status>" "how much was seen of what could be",
    DamosStats = "<damos stats>" "counters of the scheme whose regions these are",
    SnapshotIntervals = "<snapshot intervals>" "intervals in force, and the most that they can see",
}

keywords! {
    /// In lines of regions.
    RegionKey:
    Index = "<index>" "its place in the order shown",
    StartAddress = "<start address>" "its first address",
    EndAddress = "<end address>" "the first address behind it",
    Size = "<size>" "its size",
    AccessRate = "<access rate>" "how many checks found an access, in percent",
    AccessHz = "<access hz>" "how often a second it was found accessed",
    Age = "<age>" "for how long it has been like this",
    Temperature = "<temperature>" "how hot it is: see --temperature_weights",
    ProbeHits = "<probe hits>" "how often each probe hit",
    PassedBytes = "<filters passed bytes>" "how much of it passed filters",
    Box = "<box>" "a box by its age, rate and size: see --region_box_values",
}
