//! What several test programs share; none uses all of it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic
)]

pub mod fake_kernel;
pub mod fake_layout;
pub mod fake_rules;
pub mod fixtures;
