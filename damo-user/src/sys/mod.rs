//! Every system call with a safety story.

pub mod caller;
pub mod child;
pub mod clock;
pub mod command_line;
pub mod deferred;
pub mod folder;
pub mod host;
pub mod input;
pub mod iomem;
pub mod output;
mod place;
pub mod process;
pub mod readiness;
mod shell;
pub mod tell;
mod users;
