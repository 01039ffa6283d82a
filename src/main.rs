//! The `terrane` command: one subcommand per file.
fn main() {}
