//! What only a real kernel can prove. Runs inside a guest, as root:
//! `cargo xtask guest --kernel all --tests -- guest`.
//!
//! One test at a time (`--test-threads=1`): there is one DAMON. The tests of
//! `timing` measure and want no second guest beside them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod access;
mod badinput;
mod children;
mod control;
mod counting;
mod damon_stat;
mod debugfs;
mod documents;
mod effects;
mod endings;
mod everything;
mod faults;
mod files;
mod follow;
mod kit;
mod lifecycle;
mod modules;
mod monitor;
mod ongoing;
mod others;
mod ownership;
mod process;
mod races;
mod recorder;
mod revival;
mod rotation;
mod service;
mod snapshots;
mod soak;
mod summary;
mod timing;
