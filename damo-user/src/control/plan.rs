//! One write after another: what is to be done to DAMON's files.

use super::params::{Features, Params, Scope, plan_params};
use super::spec::Spec;

/// One write, by a path below DAMON's `admin` folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The file.
    pub path: String,
    /// Its value.
    pub value: String,
}

/// The writes for what the recorder asks for; see [`plan_params`].
pub fn plan(spec: &Spec) -> Vec<Write> {
    // A spec names nothing that a kernel with these files may lack.
    plan_params(&Params::from(spec), &Features::default(), Scope::Fresh).unwrap_or_default()
}
