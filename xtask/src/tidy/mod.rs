//! Tidy: turns the workspace's crates and source files into the list of broken house rules.

mod arrows;
mod source;

use anyhow::{Context as _, Result, bail};
use cargo_metadata::MetadataCommand;
use std::path::Path;

/// Check everything; prints each breach and fails if there is one.
pub fn run() -> Result<()> {
    let metadata = MetadataCommand::new().no_deps().exec().context("cargo metadata")?;
    let mut breaches = arrows::check(&arrows::read(&metadata));
    breaches.extend(source::check(Path::new(metadata.workspace_root.as_str()))?);
    for breach in &breaches {
        eprintln!("tidy: {breach}");
    }
    if !breaches.is_empty() {
        bail!("{} breaches of the house rules (ARCHITECTURE.md, CONTRIBUTING.md)", breaches.len());
    }
    eprintln!("tidy: the arrows and the house rules hold");
    Ok(())
}
