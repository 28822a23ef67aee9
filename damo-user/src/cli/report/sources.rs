//! Several records as one: which of their targets are the same, and passes over all.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::opened_with_regions;
use crate::analyze::{Guide, Losses, TargetGuide};
use crate::cli::watch::Watch;
use crate::model::{Detail, Item, Known, Mapping, Meta, Origin, Record, Snapshot, TargetKey};

/// Records that are read one after the other.
pub struct Sources {
    records: Vec<(Watch, Meta)>,
    /// In order of first appearance; places are what [`Sources`] calls targets by.
    pub targets: Vec<Source>,
}

/// A target of one or more records.
pub struct Source {
    /// What the first record calls it.
    pub key: TargetKey,
    /// Where it comes from, as far as that is known.
    pub origin: Origin,
    /// Its process and that process's name.
    pub process: (Option<u32>, Option<String>),
    /// Tells kdamonds of one record apart that have no other name.
    nth_kdamond: usize,
}

/// What a pass comes by.
pub enum Seen<'a> {
    /// Of which target, by its place; may be changed.
    Snapshot(usize, &'a mut Snapshot),
    /// A mapping of a process.
    Mapping(&'a Mapping),
}

impl Sources {
    /// Opens records.
    pub fn open(paths: &[PathBuf]) -> anyhow::Result<Sources> {
        let records = paths.iter().map(|path| {
            let record = opened_with_regions(path)?;
            let meta = record.meta().clone();
            Ok((record, meta))
        });
        Ok(Sources {
            records: records.collect::<anyhow::Result<_>>()?,
            targets: Vec::new(),
        })
    }

    /// Gives every snapshot and mapping to `take`, and counts what is missing.
    pub fn pass(
        &mut self,
        detail: Detail,
        mut take: impl FnMut(Seen<'_>),
    ) -> anyhow::Result<Losses> {
        let mut losses = Losses::default();
        for (record, meta) in &mut self.records {
            let mut places: HashMap<TargetKey, usize> = HashMap::new();
            let mut kdamonds: Vec<u32> = Vec::new();
            let mut last = None;
            for item in record.items_with(detail)? {
                let mut item = item?;
                losses.add(&item);
                match &mut item {
                    Item::Snapshot(snapshot) => {
                        let key = snapshot.target;
                        let place = match last {
                            Some((known, place)) if known == key => place,
                            _ => *places.entry(key).or_insert_with(|| {
                                place_of(&mut self.targets, meta, key, &mut kdamonds)
                            }),
                        };
                        last = Some((key, place));
                        take(Seen::Snapshot(place, snapshot));
                    }
                    Item::Note(note) => {
                        if let Known::Mapping(mapping) = &note.what {
                            take(Seen::Mapping(mapping));
                        }
                    }
                    Item::Gap(_) => {}
                }
            }
            record.finish();
        }
        Ok(losses)
    }

    /// Where each target has data, the one with the most memory first; their keys'
    /// kdamonds are places.
    pub fn guides(&mut self) -> anyhow::Result<(Vec<TargetGuide>, Losses)> {
        self.guides_with(Detail::All)
    }

    /// As [`Sources::guides`], but ages and losses are not looked at, which is quicker.
    pub fn guides_without_ages(&mut self) -> anyhow::Result<Vec<TargetGuide>> {
        let (guides, _) = self.guides_with(Detail::Places)?;
        Ok(guides)
    }

    fn guides_with(&mut self, detail: Detail) -> anyhow::Result<(Vec<TargetGuide>, Losses)> {
        let mut guide = Guide::default();
        let losses = self.pass(detail, |seen| {
            if let Seen::Snapshot(place, snapshot) = seen {
                let key = TargetKey {
                    kdamond: place as u32,
                    ..snapshot.target
                };
                guide.add_as(key, snapshot);
            }
        })?;
        Ok((guide.finish(), losses))
    }

    /// The target that a guide is about.
    pub fn target_of(&self, guide: &TargetGuide) -> Option<&Source> {
        self.targets.get(guide.target.kdamond as usize)
    }

    /// The records' names, for a picture's title.
    pub fn names(paths: &[PathBuf]) -> String {
        let name = |path: &Path| {
            let name = path.file_name().unwrap_or(path.as_os_str());
            name.to_string_lossy().into_owned()
        };
        match paths {
            [one] => name(one),
            [first, rest @ ..] => format!("{} and {} more", name(first), rest.len()),
            [] => String::new(),
        }
    }
}

/// Finds a target among those that are known, or adds it.
fn place_of(
    targets: &mut Vec<Source>,
    meta: &Meta,
    key: TargetKey,
    kdamonds: &mut Vec<u32>,
) -> usize {
    let known = meta.known_targets();
    let info = known.get(key);
    let told = info.and_then(|info| info.origin.clone());
    let is_told = told.is_some();
    let mut origin = told.unwrap_or_default();
    // Of one kdamond there is nothing to tell apart.
    if !is_told && meta.kdamonds.len() > 1 {
        let place = meta.kdamonds.iter().position(|it| it.tid == key.kdamond);
        origin.kdamond_idx = place.and_then(|place| i32::try_from(place).ok());
    }
    let nth_kdamond = match is_told {
        true => 0,
        false => {
            let nth = kdamonds.iter().position(|it| *it == key.kdamond);
            nth.unwrap_or_else(|| {
                kdamonds.push(key.kdamond);
                kdamonds.len() - 1
            })
        }
    };
    let ids = |origin: &Origin| {
        (
            origin.kdamond_idx.unwrap_or(0),
            origin.context_idx.unwrap_or(0),
            origin.scheme_idx,
            origin.all_targets,
        )
    };
    let same = targets.iter().position(|target| {
        target.key.target_id == key.target_id
            && target.nth_kdamond == nth_kdamond
            && ids(&target.origin) == ids(&origin)
    });
    same.unwrap_or_else(|| {
        targets.push(Source {
            key,
            origin,
            process: info.map_or((None, None), |info| (info.pid, info.comm.clone())),
            nth_kdamond,
        });
        targets.len() - 1
    })
}

impl Source {
    /// What a picture's title calls it.
    pub fn title(&self) -> String {
        match &self.process {
            (Some(pid), Some(comm)) => format!("{comm} (process {pid})"),
            (Some(pid), None) => format!("process {pid}"),
            _ => format!("target {}", self.key.target_id),
        }
    }
}
