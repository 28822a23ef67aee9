//! DAMON's parameters: what is set, how it is written, and how it is put back.
