//! The writes that make the files say what parameters say.

use super::error::PlanError;
use super::{Debugfs, PREFIX, TargetName, at, refuse, text};
use crate::control::params::{Context, Params};
use crate::control::plan::Write;
use crate::model::Ops;

impl Debugfs {
    /// The writes for `params`, in order: contexts of others are removed, since
    /// DAMON only starts all at once; then kdamond 0 is the root folder's
    /// context, and each further one gets a folder. Everything is written, as
    /// there is nothing to tell defaults from what was there.
    ///
    /// # Errors
    /// What DAMON, or its debugfs interface on this kernel, cannot do; or the
    /// contexts that there are cannot be listed.
    pub fn plan(&self, params: &Params) -> Result<Vec<Write>, PlanError> {
        params.validate()?;
        let params = params.resolved()?;
        refuse::check(&params, &self.limits())?;
        let mut writes = Vec::new();
        let mut put = |path: String, value: String| writes.push(Write { path, value });
        for other in self.contexts()?.into_iter().skip(1) {
            put("rm_contexts".to_owned(), other);
        }
        for (k, _, context) in params.contexts() {
            let folder = match k {
                0 => String::new(),
                k => format!("{PREFIX}{k}"),
            };
            if k > 0 {
                put("mk_contexts".to_owned(), folder.clone());
            }
            put(at(&folder, "attrs"), text::attrs(context));
            put(at(&folder, "target_ids"), target_ids(context));
            let regions = self.init_regions(context);
            if !regions.is_empty() {
                put(at(&folder, "init_regions"), regions);
            }
            if self.tree.exists("schemes") {
                put(at(&folder, "schemes"), schemes(context));
            }
        }
        Ok(writes)
    }

    /// What this kernel's files can hold.
    fn limits(&self) -> refuse::Limits {
        refuse::Limits {
            // These came together, in 5.16.
            regions: self.tree.exists("init_regions"),
            schemes: self.tree.exists("schemes"),
            contexts: self.tree.exists("mk_contexts"),
            target_name: self.target_name,
        }
    }

    fn init_regions(&self, context: &Context) -> String {
        let targets = (0..).zip(&context.targets).map(|(index, target)| {
            let name = match self.target_name {
                TargetName::Index => index,
                TargetName::Pid => target.pid.unwrap_or(text::PADDR_ID),
            };
            (name, target.regions.as_slice())
        });
        text::regions(targets)
    }
}

fn target_ids(context: &Context) -> String {
    if context.ops == Ops::Paddr {
        return text::PADDR.to_owned();
    }
    let pids: Vec<u32> = context.targets.iter().filter_map(|t| t.pid).collect();
    text::pids(&pids)
}

fn schemes(context: &Context) -> String {
    let lines: Vec<String> = context.schemes.iter().filter_map(text::scheme).collect();
    if lines.is_empty() {
        return text::NOTHING.to_owned();
    }
    lines.join("\n")
}
