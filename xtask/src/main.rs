//! Development tasks: turns `cargo xtask <task>` into checks of the workspace.
fn main() {}
