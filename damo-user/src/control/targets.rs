//! Targets that are added while DAMON runs.

use super::error::ControlError;
use super::interface::Interface;
use super::params::{Features, Params, Scope, plan_params};
use super::session::Session;
use super::tune::{check_namespace, check_running, command_to};

impl Session {
    /// Lets our kdamond `index` watch the targets that `params` say: those it has,
    /// in their order, and more behind them. The rest stays as it is.
    ///
    /// # Errors
    /// Through debugfs it cannot be done; a process has ended, or the kdamond
    /// has (which up to 6.13 it does by that).
    pub fn commit_targets(&mut self, index: usize, params: &Params) -> Result<(), ControlError> {
        let Interface::Sysfs(tree, release) = &self.interface else {
            return Err(ControlError::DebugfsTune);
        };
        check_namespace(params)?;
        check_running(&self.system, params, &[index])?;
        let tuned = params.kdamonds.get(index).is_some_and(|kdamond| {
            let mut contexts = kdamond.contexts.iter();
            contexts.any(|context| context.fixed_intervals().is_none())
        });
        if tuned {
            // A commit would set them back to what the files say.
            command_to(tree, index, "update_tuned_intervals")?;
        }
        let features = Features::read(tree, *release)?;
        let targets = format!("kdamonds/{index}/contexts/0/targets/");
        for write in plan_params(params, &features, Scope::Running)? {
            if write.path.starts_with(&targets) {
                tree.write(&write.path, &write.value)?;
            }
        }
        // Once more: a process that ends just now would end the kdamond up to 6.13.
        check_running(&self.system, params, &[index])?;
        if !self.interface.is_on(index)? {
            return Err(ControlError::EndedMeanwhile(index));
        }
        match command_to(tree, index, "commit") {
            // Just now it was on.
            Err(ControlError::EndedMeanwhile(_)) => return Err(ControlError::EndedByCommit(index)),
            committed => committed?,
        }
        if !self.interface.is_on(index)? {
            return Err(ControlError::EndedByCommit(index));
        }
        self.remember_again();
        Ok(())
    }
}
