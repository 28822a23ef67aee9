//! Every system call with a safety story.

pub mod caller;
pub mod cgroup;
pub mod child;
pub mod clock;
pub mod command_line;
pub mod deferred;
pub mod folder;
pub mod helper;
pub mod host;
pub mod input;
pub mod iomem;
pub mod memory;
pub mod notify;
pub mod output;
pub mod outside;
pub mod own;
pub mod pa_layout;
mod place;
pub mod privileges;
pub mod proc_maps;
pub mod process;
pub mod readiness;
mod shell;
pub mod tell;
pub mod tracefs;
mod users;
