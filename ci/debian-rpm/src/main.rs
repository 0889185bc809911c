//! The generator of the test distribution.
fn main() {}
