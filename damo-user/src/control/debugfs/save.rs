//! DAMON's debugfs configuration, read so that it can be put back exactly.

use serde::{Deserialize, Serialize};

use super::error::{Lost, NotBack};
use super::read::Targets;
use super::{Debugfs, TargetName, at, text};
use crate::control::params::Region;
use crate::control::sysfs::{FileError, insist};

/// All contexts, as their files said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedDebugfs {
    /// The root folder's context first.
    pub contexts: Vec<SavedContext>,
}

/// A context's files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedContext {
    /// Its folder; empty for the root folder.
    pub name: String,
    /// `attrs`
    pub attrs: String,
    /// The physical address space, rather than processes.
    pub paddr: bool,
    /// `target_ids`
    pub pids: Vec<u32>,
    /// `init_regions`
    pub regions: Vec<SavedRegion>,
    /// `schemes`, without what they have done.
    pub schemes: Vec<String>,
}

/// Addresses `[start, end)` of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedRegion {
    /// The target's index.
    pub target: usize,
    /// First address.
    pub start: u64,
    /// One past the last address.
    pub end: u64,
}

impl Debugfs {
    /// Reads everything that can be set. Nothing may run: the regions of a
    /// context that does are not told.
    ///
    /// # Errors
    /// A file cannot be read, or says something unknown: what is not known
    /// cannot be put back.
    pub fn save(&self) -> Result<SavedDebugfs, FileError> {
        let contexts = self.contexts()?;
        let contexts = contexts.into_iter().map(|name| self.save_context(name));
        Ok(SavedDebugfs {
            contexts: contexts.collect::<Result<_, _>>()?,
        })
    }

    fn save_context(&self, name: String) -> Result<SavedContext, FileError> {
        let Targets {
            paddr,
            ids,
            regions,
        } = self.read_targets(&name)?;
        let regions = regions.into_iter().enumerate().flat_map(|(target, all)| {
            let saved = move |Region { start, end }| SavedRegion { target, start, end };
            all.into_iter().map(saved)
        });
        let path = at(&name, "schemes");
        let schemes = if self.tree.exists(&path) {
            self.tree.read(&path)?
        } else {
            String::new()
        };
        let fields = |line: &str| {
            let fields: Vec<&str> = line.split_ascii_whitespace().take(text::FIELDS).collect();
            fields.join(" ")
        };
        Ok(SavedContext {
            attrs: self.tree.read(at(&name, "attrs"))?,
            paddr,
            pids: if paddr { Vec::new() } else { ids },
            regions: regions.collect(),
            schemes: schemes.lines().map(fields).collect(),
            name,
        })
    }

    /// Makes the files say again what they said. Nothing may run. What schemes
    /// have done is lost where a scheme had to be written, and so are targets
    /// whose process has ended.
    ///
    /// # Errors
    /// Everything that could not be put back; the rest is.
    pub fn restore(&self, saved: &SavedDebugfs) -> Result<(), NotBack> {
        match insist(|| self.is_on()) {
            Ok(false) => {}
            Ok(true) => return Err(NotBack(vec![Lost::Running])),
            Err(error) => return Err(NotBack(vec![error.into()])),
        }
        let mut lost = match self.restore_folders(saved) {
            Ok(lost) => lost,
            Err(error) => vec![error.into()],
        };
        for context in &saved.contexts {
            match self.restore_context(context) {
                Ok(more) => lost.extend(more),
                Err(error) => lost.push(error.into()),
            }
        }
        if lost.is_empty() {
            Ok(())
        } else {
            Err(NotBack(lost))
        }
    }

    fn restore_folders(&self, saved: &SavedDebugfs) -> Result<Vec<Lost>, FileError> {
        let there = insist(|| self.contexts())?;
        let saved: Vec<&String> = saved.contexts.iter().map(|c| &c.name).collect();
        let extra = there.iter().filter(|name| !saved.contains(name));
        let missing = saved.iter().filter(|name| !there.contains(name));
        let writes = extra.map(|name| ("rm_contexts", name));
        let writes = writes.chain(missing.map(|name| ("mk_contexts", *name)));
        let tried = writes.map(|(file, name)| insist(|| self.tree.write_once(file, name)));
        Ok(tried.filter_map(Result::err).map(Lost::from).collect())
    }

    fn restore_context(&self, saved: &SavedContext) -> Result<Vec<Lost>, FileError> {
        let found = insist(|| self.save_context(saved.name.clone()))?;
        let (want, mut lost) = if found.same_targets(saved) {
            (saved.clone(), Vec::new())
        } else {
            self.without_ended(saved)
        };
        let mut writes = Vec::new();
        if found.attrs != want.attrs {
            writes.push(("attrs", want.attrs.clone()));
        }
        if !found.same_targets(&want) {
            // This empties init_regions as well.
            writes.push(("target_ids", want.target_ids()));
            if !want.regions.is_empty() {
                writes.push(("init_regions", want.init_regions(self.target_name)));
            }
        }
        if found.schemes != want.schemes {
            let lines = want.schemes.join("\n");
            writes.push(("schemes", or_nothing(lines)));
        }
        let before = lost.len();
        for (file, value) in writes {
            let path = at(&saved.name, file);
            if let Err(error) = insist(|| self.tree.write_once(&path, &value)) {
                lost.push(error.into());
            }
        }
        if lost.len() == before {
            let now = insist(|| self.save_context(saved.name.clone()))?;
            lost.extend(self.differences(&want, &now));
        }
        Ok(lost)
    }

    /// A context without targets that DAMON does not take any more, and which
    /// those are.
    fn without_ended(&self, saved: &SavedContext) -> (SavedContext, Vec<Lost>) {
        let mut want = SavedContext {
            pids: Vec::new(),
            regions: Vec::new(),
            ..saved.clone()
        };
        let mut lost = Vec::new();
        for (index, &pid) in saved.pids.iter().enumerate() {
            if !self.proc.exists(pid.to_string()) {
                let file = at(&saved.name, "target_ids");
                lost.push(Lost::Ended { file, pid });
                continue;
            }
            let target = want.pids.len();
            let regions = saved.regions.iter().filter(|r| r.target == index);
            want.regions
                .extend(regions.map(|r| SavedRegion { target, ..*r }));
            want.pids.push(pid);
        }
        if saved.paddr {
            want.regions.clone_from(&saved.regions);
        }
        (want, lost)
    }

    fn differences(&self, want: &SavedContext, now: &SavedContext) -> Vec<Lost> {
        let texts = |context: &SavedContext| {
            [
                ("attrs", context.attrs.clone()),
                ("target_ids", context.target_ids()),
                ("init_regions", context.init_regions(TargetName::Index)),
                ("schemes", context.schemes.join("\n")),
            ]
        };
        texts(want)
            .into_iter()
            .zip(texts(now))
            .filter(|((_, saved), (_, found))| saved != found)
            .map(|((file, saved), (_, found))| Lost::Differs {
                file: at(&want.name, file),
                saved,
                found,
            })
            .collect()
    }
}

impl SavedContext {
    fn same_targets(&self, other: &SavedContext) -> bool {
        (self.paddr, &self.pids, &self.regions) == (other.paddr, &other.pids, &other.regions)
    }

    fn target_ids(&self) -> String {
        if self.paddr {
            return text::PADDR.to_owned();
        }
        or_nothing(text::pids(&self.pids))
    }

    fn init_regions(&self, name: TargetName) -> String {
        let mut lines = String::new();
        for SavedRegion { target, start, end } in &self.regions {
            let name = match name {
                TargetName::Index => target.to_string(),
                TargetName::Pid => {
                    let pid = self.pids.get(*target).copied();
                    pid.unwrap_or(text::PADDR_ID).to_string()
                }
            };
            lines.push_str(&format!("{name} {start} {end}\n"));
        }
        lines
    }
}

fn or_nothing(text: String) -> String {
    if text.is_empty() {
        text::NOTHING.to_owned()
    } else {
        text
    }
}
