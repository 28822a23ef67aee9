//! The reports of numbers: `wss`, `nr_regions`, `mappings`, `footprints`, `times`,
//! their forms for programs, and `adjust` and `validate`.

// Clippy knows only functions marked #[test] as tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod adjust;
mod made;
mod mappings;
mod others;
#[path = "../report_common/mod.rs"]
mod report_common;
mod wss;
