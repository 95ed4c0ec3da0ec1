//! PayAid.
fn main() {}
