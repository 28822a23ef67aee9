//! DAMON's parameters, set up and put back, on fake trees and as text.
//!
//! None of these starts a process: until a child has become its program, it holds
//! the locks that others are waiting for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../debugfs_fake/mod.rs"]
mod debugfs_fake;
#[path = "../module_fake/mod.rs"]
mod module_fake;
#[path = "../params_common/mod.rs"]
mod params_common;

mod again;
mod debugfs_plan;
mod debugfs_refusals;
mod debugfs_restore;
mod leftovers;
mod live_files;
mod module_control;
mod ownership;
mod params_context;
mod params_forms;
mod params_peer;
mod params_roundtrip;
mod params_rules;
mod refusals;
mod results_read;
mod save;
mod session;
mod tried;
