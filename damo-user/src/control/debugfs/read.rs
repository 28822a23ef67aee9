//! What the files say, as parameters.

use super::text::{self, SchemeStats};
use super::{Debugfs, at};
use crate::control::params::{Context, Kdamond, Params, Region, Scheme, Target};
use crate::control::sysfs::FileError;
use crate::model::Ops;
use crate::sys::process::Stat;

/// A context's targets.
pub(super) struct Targets {
    /// The physical address space, rather than processes.
    pub(super) paddr: bool,
    /// What `target_ids` reads.
    pub(super) ids: Vec<u32>,
    /// Each target's regions; none while the context runs.
    pub(super) regions: Vec<Vec<Region>>,
}

impl Debugfs {
    /// The parameters, a kdamond for each context. While a context runs, the
    /// kernel does not tell its regions: it has none then.
    ///
    /// # Errors
    /// A file cannot be read, or says something unknown.
    pub fn read(&self) -> Result<Params, FileError> {
        let contexts = self.contexts()?;
        let kdamonds = contexts.iter().map(|context| {
            Ok(Kdamond {
                refresh_ms: 0,
                contexts: vec![self.read_context(context)?],
            })
        });
        Ok(Params {
            kdamonds: kdamonds.collect::<Result<_, FileError>>()?,
        })
    }

    /// What each context's schemes have done, in the order of [`Debugfs::read`].
    ///
    /// # Errors
    /// A file cannot be read, or says something unknown.
    pub fn stats(&self) -> Result<Vec<Vec<SchemeStats>>, FileError> {
        let contexts = self.contexts()?;
        let stats = contexts.iter().map(|context| {
            let schemes = self.read_schemes(context)?;
            Ok(schemes.into_iter().map(|(_, stats)| stats).collect())
        });
        stats.collect()
    }

    fn read_context(&self, context: &str) -> Result<Context, FileError> {
        let path = at(context, "attrs");
        let value = self.tree.read(&path)?;
        let (intervals, nr_regions) =
            text::parse_attrs(&value).ok_or_else(|| self.odd(path, value, "five numbers"))?;
        let Targets {
            paddr,
            ids,
            regions,
        } = self.read_targets(context)?;
        let targets = ids.into_iter().zip(regions).map(|(pid, regions)| Target {
            // A process that this namespace cannot see reads 0.
            pid: Some(pid).filter(|pid| !paddr && *pid != 0),
            regions,
            obsolete: false,
        });
        let schemes = self.read_schemes(context)?;
        Ok(Context {
            ops: if paddr { Ops::Paddr } else { Ops::Vaddr },
            intervals,
            nr_regions,
            targets: targets.collect(),
            schemes: schemes.into_iter().map(|(scheme, _)| scheme).collect(),
            ..Context::default()
        })
    }

    pub(super) fn read_targets(&self, context: &str) -> Result<Targets, FileError> {
        let path = at(context, "target_ids");
        let value = self.tree.read(&path)?;
        let ids = text::parse_pids(&value).ok_or_else(|| self.odd(path, value, "process ids"))?;
        let path = at(context, "init_regions");
        let there = self.tree.exists(&path);
        let regions = if there && self.tid(context)?.is_none() {
            let value = self.tree.read(&path)?;
            text::parse_regions(&value, self.target_name, &ids)
                .ok_or_else(|| self.odd(path, value, "regions of the targets that there are"))?
        } else {
            vec![Vec::new(); ids.len()]
        };
        let paddr = there && ids == [text::PADDR_ID] && !self.is_process_42(&regions);
        Ok(Targets {
            paddr,
            ids,
            regions,
        })
    }

    /// Whether 42 may be a process: the physical address space reads the same,
    /// but needs regions. A thread of the kernel's has no addresses to watch.
    fn is_process_42(&self, regions: &[Vec<Region>]) -> bool {
        let stat = self.proc.read(format!("{}/stat", text::PADDR_ID));
        let stat = stat.ok().and_then(|text| Stat::parse(&text));
        regions.iter().all(Vec::is_empty) && stat.is_some_and(|stat| !stat.kernel_thread)
    }

    fn read_schemes(&self, context: &str) -> Result<Vec<(Scheme, SchemeStats)>, FileError> {
        let path = at(context, "schemes");
        if !self.tree.exists(&path) {
            return Ok(Vec::new());
        }
        let value = self.tree.read(&path)?;
        let schemes: Option<Vec<_>> = value.lines().map(text::parse_scheme).collect();
        schemes.ok_or_else(|| self.odd(path, value, "schemes of 20 or 23 numbers"))
    }
}
