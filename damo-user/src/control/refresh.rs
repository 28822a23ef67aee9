//! Fresh numbers in the files of kdamonds that are ours.

use std::time::Duration;

use super::error::ControlError;
use super::interface::SavedBy;
use super::ownership::Whose;
use super::params::{Context, read};
use super::system::System;
use super::tune::command_to;

/// Asks kdamonds that `damo start` began to bring their files up to date:
/// statistics, what quotas came to, tuned intervals, and if wanted the regions
/// that schemes try, which takes up to an apply interval. Nothing is asked of
/// others' kdamonds.
///
/// # Errors
/// A kdamond ended meanwhile or a command failed, and no other was sent to it;
/// or another damo is at work.
pub fn refresh(system: &System, tried_regions: bool) -> Result<(), ControlError> {
    let Some(Whose::Ours(note)) = system.notes().map(|notes| notes.read()) else {
        return Ok(());
    };
    if matches!(note.saved, SavedBy::Debugfs(_)) {
        // Its files are always fresh.
        return Ok(());
    }
    // A reader, which makes nobody wait for long.
    let impatient = System {
        patience: Duration::ZERO,
        ..system.clone()
    };
    let tree = system.damon()?;
    let params = read(&tree)?;
    for claim in note.running(system)? {
        let Some(kdamond) = params.kdamonds.get(claim.index) else {
            continue;
        };
        let any = |what: fn(&Context) -> bool| kdamond.contexts.iter().any(what);
        let mut commands = Vec::new();
        if any(|context| context.fixed_intervals().is_none()) {
            commands.push("update_tuned_intervals");
        }
        if any(|context| !context.schemes.is_empty()) {
            commands.push("update_schemes_stats");
            let scheme = format!("kdamonds/{}/contexts/0/schemes/0", claim.index);
            if tree.exists(format!("{scheme}/quotas/effective_bytes")) {
                commands.push("update_schemes_effective_quotas");
            }
            if tried_regions && tree.exists(format!("{scheme}/tried_regions")) {
                commands.push("update_schemes_tried_regions");
            }
        }
        for command in commands {
            let _lock = impatient.lock()?;
            command_to(&tree, claim.index, command)?;
        }
    }
    Ok(())
}
