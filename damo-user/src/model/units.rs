//! Sizes, times and numbers as people write them.
