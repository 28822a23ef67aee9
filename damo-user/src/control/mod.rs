//! DAMON's parameters: what is set, how it is written, and how it is put back.
//!
//! [`Spec`] says what is wanted, [`plan`] turns it into the ordered list of
//! writes, [`Session`] does them and undoes them. Everything reaches the kernel
//! through [`Files`], so that tests can put a kernel of their own behind it.

pub mod debugfs;
mod error;
pub mod features;
mod files;
pub mod module;
pub mod others;
pub mod params;
mod plan;
mod save;
mod session;
mod spec;
mod sysfs;
mod system;

pub use error::{ControlError, Leftover, NotRestored};
pub use files::{Entry, Files, Kind, LiveFiles};
pub use others::{Kdamond, Module, RunningModule};
pub use plan::{Write, plan};
pub use save::{Difference, Folder, RestoreError, Saved};
pub use session::{Options, Session};
pub use spec::{Spec, TargetSpec};
pub use sysfs::{FileError, Tree};
pub use system::System;
