//! Helpers shared by the tests of the `damo` binary.

pub mod workload;

pub mod usage;
