//! `damo report sysinfo` and `damo version`.

use std::io::Write;

use clap::ValueEnum;

use super::Outcome;
use crate::control::Module;
use crate::control::features::{Group, Look};
use crate::render::{Section, Sysinfo};

/// What this machine's DAMON can do; nothing is changed to find out
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to print [default: versions, and the features that are available]
    #[arg(long, value_enum, num_args = 1.., value_name = "WHAT")]
    print: Vec<Print>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Print {
    /// Of damo, the kernel and its DAMON
    Versions,
    /// Where sysfs, tracefs and debugfs are
    FsInfo,
    SysfsFeatures,
    DebugfsFeatures,
    TraceFeatures,
    StatFeatures,
    LruSortFeatures,
    ReclaimFeatures,
    /// Ways to control DAMON
    Interfaces,
    /// What this kernel does not have, and since when others do
    UnavailableFeatures,
    All,
}

impl Print {
    fn sections(self) -> Vec<Section> {
        vec![match self {
            Print::Versions => Section::Versions,
            Print::FsInfo => Section::FileSystems,
            Print::SysfsFeatures => Section::Group(Group::Sysfs),
            Print::DebugfsFeatures => Section::Group(Group::Debugfs),
            Print::TraceFeatures => Section::Group(Group::Trace),
            Print::StatFeatures => Section::Group(Group::Module(Module::Stat)),
            Print::LruSortFeatures => Section::Group(Group::Module(Module::LruSort)),
            Print::ReclaimFeatures => Section::Group(Group::Module(Module::Reclaim)),
            Print::Interfaces => Section::Group(Group::Interface),
            Print::UnavailableFeatures => Section::Unavailable,
            Print::All => {
                return vec![
                    Section::Versions,
                    Section::FileSystems,
                    Section::Available,
                    Section::Unavailable,
                ];
            }
        }]
    }
}

/// Runs `damo report sysinfo`.
///
/// # Errors
/// `out` cannot be written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let sections: Vec<Section> = match args.print.as_slice() {
        [] => vec![Section::Versions, Section::Available],
        wanted if wanted.contains(&Print::All) => Print::All.sections(),
        wanted => wanted.iter().flat_map(|print| print.sections()).collect(),
    };
    Sysinfo::of(&Look::live()).write(out, &sections)?;
    Ok(Outcome::Done)
}

/// Runs `damo version`.
///
/// # Errors
/// `out` cannot be written.
pub fn version(out: &mut dyn Write) -> anyhow::Result<Outcome> {
    writeln!(out, "{}", env!("CARGO_PKG_VERSION"))?;
    Ok(Outcome::Done)
}
