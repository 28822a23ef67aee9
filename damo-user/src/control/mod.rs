//! DAMON's parameters: what is set, how it is written, and how it is put back.
//!
//! [`params::Params`] say what is wanted, [`params::plan_params`] turns them into
//! the ordered list of writes, [`Session`] does them and undoes them, [`ownership`]
//! tells the next damo what is ours. Everything reaches the kernel
//! through [`Files`], so that tests can put a kernel of their own behind it.

mod again;
mod checks;
pub mod debugfs;
mod error;
pub mod features;
mod files;
mod interface;
pub mod module;
pub mod others;
pub mod ownership;
pub mod params;
mod plan;
mod refresh;
pub mod results;
mod save;
mod session;
mod stop;
mod sysfs;
mod system;
mod targets;
mod tried;
mod tune;
mod undo;

pub use error::{ControlError, Leftover, NotRestored};
pub use files::{Entry, Files, Kind, LiveFiles};
pub use interface::{Choice, Interface, SavedBy};
pub use others::{Kdamond, Module, RunningModule};
pub use plan::Write;
pub use refresh::refresh;
pub use save::{Difference, Folder, RestoreError, Saved};
pub use session::{Options, Session};
pub use stop::Stop;
pub use sysfs::{FileError, Tree};
pub use system::System;
pub use tried::{Fresh, Tried, tried_regions};
pub use tune::{Commit, Tuning};
