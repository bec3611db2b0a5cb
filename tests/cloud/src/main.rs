//! cloud.
fn main() {}
