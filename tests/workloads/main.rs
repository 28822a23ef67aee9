//! Programs whose memory accesses are known.
fn main() {}
