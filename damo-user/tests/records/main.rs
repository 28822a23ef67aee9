//! Records in every format: read, reported, converted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../convert_common/mod.rs"]
mod convert_common;
#[path = "../duckdb/mod.rs"]
mod duckdb;
#[path = "../export_common/mod.rs"]
mod export_common;
#[path = "../json_common/mod.rs"]
mod json_common;
#[path = "../peer_common/mod.rs"]
mod peer_common;
#[path = "../report_common/mod.rs"]
mod report_common;
#[path = "../store_sample/mod.rs"]
mod store_sample;

mod convert_cli;
mod convert_refused;
mod export_duckdb;
mod export_extremes;
mod export_json;
mod export_tables;
mod import_json;
mod import_open;
mod import_perf_data;
mod import_wrapped;
mod names_on_terminals;
mod peer_roundtrip;
mod record_filters;
mod record_info_cli;
mod report_access;
mod report_errors;
mod report_gaps;
mod report_golden;
mod report_heatmap;
mod report_heats;
mod report_numbers;
mod report_summary;
mod report_text;
mod report_units;
