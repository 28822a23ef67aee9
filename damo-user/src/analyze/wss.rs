//! Distribution of working set sizes.

use super::mappings::{Mappings, Place};
use super::series::{Room, Series, SeriesSpec, SortBy};
use super::{Group, Grouping, InUse, Moments, PerTarget, WarmUp, working_set_of};
use crate::model::{Figure, Item, Known, Snapshot, Summed, TargetKey};

/// What counts as working set, and how sizes are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WssSpec {
    /// Length of a unit of work; see [`Grouping`].
    pub work_time_ns: u64,
    /// Which regions are in use.
    pub in_use: InUse,
    /// How sizes are kept.
    pub series: SeriesSpec,
}

/// What sizes are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A target.
    Target(TargetKey),
    /// All targets together.
    All,
    /// A mapping.
    Mapping(Place),
}

/// Working set sizes of a target, of all of them, or of a mapping.
#[derive(Clone, Debug)]
pub struct WssOf {
    /// Whose they are.
    pub whose: Whose,
    /// Bytes; none if every snapshot was left out.
    pub sizes: Series,
}

/// Folds snapshots into working set sizes.
#[derive(Debug)]
pub struct Wss {
    spec: WssSpec,
    warm_up: WarmUp,
    room: Room,
    targets: PerTarget<Target>,
    kind: Kind,
    unknown: u64,
}

/// What becomes of a target's sizes.
#[derive(Debug)]
enum Kind {
    PerTarget,
    Simultaneous(Box<Moments>, Box<Series>),
    ByMapping(Box<ByMapping>),
}

#[derive(Debug)]
struct Target {
    grouping: Grouping,
    sizes: Series,
}

#[derive(Debug)]
struct ByMapping {
    mappings: Mappings,
    sizes: Vec<Series>,
    /// Of the group at hand, by place.
    now: Vec<u64>,
}

impl Wss {
    /// Of each target.
    pub fn new(spec: WssSpec, warm_up: WarmUp) -> Wss {
        Wss {
            spec,
            warm_up,
            room: Room::default(),
            targets: PerTarget::default(),
            kind: Kind::PerTarget,
            unknown: 0,
        }
    }

    /// Of all targets at the same moments.
    pub fn simultaneous(spec: WssSpec, warm_up: WarmUp) -> Wss {
        Wss {
            kind: Kind::Simultaneous(Box::default(), Box::new(Series::new(spec.series))),
            ..Wss::new(spec, warm_up)
        }
    }

    /// Of each mapping.
    pub fn by_mapping(spec: WssSpec, warm_up: WarmUp, mappings: Mappings) -> Wss {
        Wss {
            kind: Kind::ByMapping(Box::new(ByMapping {
                mappings,
                sizes: Vec::new(),
                now: Vec::new(),
            })),
            ..Wss::new(spec, warm_up)
        }
    }

    /// Takes an item in.
    pub fn add(&mut self, item: &Item) {
        match item {
            Item::Snapshot(snapshot) => self.snapshot(snapshot),
            Item::Gap(_) => {}
            Item::Note(note) => match (&mut self.kind, &note.what) {
                (_, Known::Summed(summed)) => self.summed(summed),
                (Kind::Simultaneous(moments, _), Known::Happened(happened)) => {
                    moments.happened(note.time_ns, happened);
                }
                (Kind::ByMapping(by), _) => by.mappings.note(note),
                _ => {}
            },
        }
    }

    /// Takes a snapshot in.
    pub fn snapshot(&mut self, snapshot: &Snapshot) {
        let (spec, key) = (self.spec, snapshot.target);
        let left_out = self.warm_up.leaves_out(key);
        let target = self.targets.entry(key, || Target {
            grouping: Grouping::new(spec.work_time_ns),
            sizes: Series::new(spec.series),
        });
        if left_out {
            return;
        }
        let (room, kind, unknown) = (&mut self.room, &mut self.kind, &mut self.unknown);
        target.grouping.add(snapshot, |group| {
            let Some(in_use) = spec.in_use.of(&group) else {
                *unknown += 1;
                return;
            };
            if let Kind::ByMapping(by) = kind {
                return by.group(
                    key,
                    &group,
                    in_use.map(|r| r.start..r.end),
                    spec.series,
                    room,
                );
            }
            let size = in_use.fold(0, |sum: u64, region| sum.saturating_add(region.len()));
            match kind {
                Kind::Simultaneous(moments, sizes) => {
                    if let Some((sum, ns)) = moments.add(key, group.start_ns, group.end_ns, size) {
                        sizes.push(sum, ns, room);
                    }
                }
                _ => target.sizes.push(size, group.duration_ns(), room),
            }
        });
    }

    /// Takes a number of a summary in: sizes of all snapshots, to within a step,
    /// whatever else is wanted.
    fn summed(&mut self, summed: &Summed) {
        let spec = self.spec;
        if summed.figure == Figure::WorkingSet
            && let Some(size) = working_set_of(summed.step as usize)
        {
            let target = self.targets.entry(summed.target, || Target {
                grouping: Grouping::new(spec.work_time_ns),
                sizes: Series::new(spec.series),
            });
            target.sizes.push_times(size, summed.value);
        }
    }

    /// Groups of which the threshold could not be told, for lack of intervals.
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Which snapshots were left out.
    pub fn warm_up(&self) -> &WarmUp {
        &self.warm_up
    }

    /// Sizes of each target in order of first appearance, of all, or of each mapping.
    pub fn finish(self) -> Vec<WssOf> {
        let Wss {
            mut room,
            targets,
            kind,
            ..
        } = self;
        let mut all: Vec<WssOf> = match kind {
            Kind::PerTarget => (targets.into_vec().into_iter())
                .map(|(key, target)| WssOf {
                    whose: Whose::Target(key),
                    sizes: target.sizes,
                })
                .collect(),
            Kind::Simultaneous(mut moments, mut sizes) => {
                if let Some((sum, ns)) = moments.end() {
                    sizes.push(sum, ns, &mut room);
                }
                vec![WssOf {
                    whose: Whose::All,
                    sizes: *sizes,
                }]
            }
            Kind::ByMapping(by) => (by.mappings.into_places().into_iter())
                .zip(by.sizes)
                .map(|(place, sizes)| WssOf {
                    whose: Whose::Mapping(place),
                    sizes,
                })
                .collect(),
        };
        all.iter_mut().for_each(|it| it.sizes.finish());
        all
    }
}

impl ByMapping {
    /// Adds a size for each of the process's mappings, be it zero.
    fn group(
        &mut self,
        key: TargetKey,
        group: &Group<'_>,
        in_use: impl Iterator<Item = std::ops::Range<u64>>,
        spec: SeriesSpec,
        room: &mut Room,
    ) {
        let view = self.mappings.at(key, group.end_ns);
        self.now.resize(view.count, 0);
        self.sizes.resize_with(view.count, || Series::new(spec));
        for region in in_use {
            view.split(region, |place, bytes| {
                if let Some(now) = self.now.get_mut(place) {
                    *now = now.saturating_add(bytes);
                }
            });
        }
        for place in view.places {
            let both = self.sizes.get_mut(*place).zip(self.now.get_mut(*place));
            if let Some((sizes, now)) = both {
                sizes.push(std::mem::take(now), group.duration_ns(), room);
            }
        }
    }
}

/// The targets as one: the sum of their first sizes, of their second ones and
/// so on, each in its own order. Ordered by size these are no sums of one
/// moment, but what damo 3 prints. The target is 0 in every case.
pub fn collapse(targets: &[WssOf]) -> WssOf {
    let mut sizes: Vec<u64> = Vec::new();
    for target in targets {
        let count = usize::try_from(target.sizes.count()).unwrap_or(usize::MAX);
        if sizes.len() < count {
            sizes.resize(count, 0);
        }
        for (sum, size) in sizes.iter_mut().zip(target.sizes.iter()) {
            *sum = sum.saturating_add(size);
        }
    }
    // They stay in this order, even if some targets have fewer sizes.
    let spec = SeriesSpec {
        sort_by: SortBy::Time,
        by_time: false,
        all: true,
    };
    WssOf {
        whose: Whose::Target(TargetKey {
            kdamond: 0,
            target_id: 0,
        }),
        sizes: Series::of(spec, sizes),
    }
}
