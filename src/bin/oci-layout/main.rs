//! The program `oci-layout`.
fn main() {}
