//! The `lanboot` program.

fn main() {}
