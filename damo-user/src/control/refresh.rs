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
/// others' kdamonds, and nothing while another damo is at work.
///
/// # Errors
/// A kdamond ended meanwhile or a command failed; no other was sent to it.
pub fn refresh(system: &System, tried_regions: bool) -> Result<(), ControlError> {
    let Some(Whose::Ours(note)) = system.notes().map(|notes| notes.read()) else {
        return Ok(());
    };
    if matches!(note.saved, SavedBy::Debugfs(_)) {
        // Its files are always fresh.
        return Ok(());
    }
    let impatient = System {
        patience: Duration::ZERO,
        ..system.clone()
    };
    let Ok(_lock) = impatient.lock() else {
        return Ok(());
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
            commands.push("update_schemes_effective_quotas");
            if tried_regions {
                commands.push("update_schemes_tried_regions");
            }
        }
        for command in commands {
            command_to(&tree, claim.index, command)?;
        }
    }
    Ok(())
}
