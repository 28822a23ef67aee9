//! One write after another: what is to be done to DAMON's files.

/// One write, by a path below DAMON's `admin` folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The file.
    pub path: String,
    /// Its value.
    pub value: String,
}
