//! What is wrong with parameters.

use std::fmt;

/// A value that DAMON refuses, or takes for something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ParamError {
    /// Where it stands in the json form.
    pub path: String,
    /// The option that sets it.
    pub option: Option<&'static str>,
    /// The value.
    pub value: String,
    /// What is asked of it.
    pub rule: String,
}

impl fmt::Display for ParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ParamError {
            path, value, rule, ..
        } = self;
        match self.option {
            Some(option) => write!(f, "{option} {value}: {rule} ({path})"),
            None => write!(f, "{path} {value}: {rule}"),
        }
    }
}

/// A text that is not the parameters' form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Not json, or not of the parameters.
    #[error("json, at {path}: {message}")]
    Json {
        /// Where.
        path: String,
        /// What.
        message: String,
    },
    /// Not yaml, or not of the parameters.
    #[error("yaml, at {path}: {message}")]
    Yaml {
        /// Where.
        path: String,
        /// What.
        message: String,
    },
}
