//! `damo` itself, asked about parameters and features.

mod features_found;
mod params_cli;
