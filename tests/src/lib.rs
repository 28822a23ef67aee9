//! Helpers shared by the tests of the `damo` binary.
