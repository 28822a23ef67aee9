//! Record and analyse data accesses with DAMON.
//!
//! Floors, top to bottom; an arrow goes down only:
//! `cli` (commands) → `recorder`, `render`, `import` → `watch` → `store`, `control`,
//! `source`, `analyze` → `sys`, `model`. See docs/DESIGN.md.

pub mod analyze;
pub mod cli;
pub mod control;
pub mod export;
pub mod import;
pub mod model;
pub mod recorder;
pub mod render;
pub mod source;
pub mod store;
pub mod sys;
pub mod watch;
