//! Helpers shared by the tests of the `damo` binary.

pub mod counted;
pub mod usage;
pub mod workload;
