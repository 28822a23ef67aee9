//! The record file: docs/FORMAT.md, held to its word.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../../benches/samples/fixture.rs"]
mod fixture;
#[path = "../../benches/samples/noise.rs"]
mod noise;
#[path = "../second_reader/mod.rs"]
mod second_reader;
#[path = "../../benches/samples/simulate.rs"]
mod simulate;
#[path = "../store_sample/mod.rs"]
mod store_sample;

mod damage;
mod every_kind;
mod failing;
mod notes;
mod places;
mod power_cut;
mod roundtrip;
mod second_reader_agrees;
mod seek;
mod segments;
mod versions;
