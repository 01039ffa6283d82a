//! `terrane check`: turns product folders into a verdict: each is a product, and together they compose.

use crate::compose::{product_subgraphs, report};
use anyhow::{Context as _, Result};
use clap::Args;
use std::path::PathBuf;
use terrane_compose::{Subgraph, compose};
use terrane_runtime::ProductService;

/// Check products.
#[derive(Args)]
pub struct CheckArguments {
    /// A folder with one product folder each
    #[arg(long, default_value = "products", value_name = "DIR")]
    products: PathBuf,
    /// Check only this product folder, by itself
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Diagnostics of composition as JSON
    #[arg(long)]
    json: bool,
}

/// Check and say so.
pub fn run(arguments: &CheckArguments) -> Result<()> {
    if let Some(folder) = &arguments.folder {
        let (product, warnings) = ProductService::load(folder)?;
        for warning in &warnings {
            eprint!("{}", terrane_diagnostics::render(warning));
        }
        let sdl = terrane_runtime::data_sdl(&product)
            .map_err(|found| anyhow::anyhow!("{}", terrane_diagnostics::render_all(&found)))?;
        let alone = Subgraph { name: product.id.clone(), url: String::new(), sdl };
        report(compose(&[alone]), arguments.json).context("the product's subgraph")?;
        eprintln!("{}: a product, version {}", product.id, product.version);
        return Ok(());
    }
    let subgraphs = product_subgraphs(&arguments.products)?;
    report(compose(&subgraphs), arguments.json)?;
    let names: Vec<&str> = subgraphs.iter().map(|s| s.name.as_str()).collect();
    eprintln!("{} products, and they compose: {}", names.len(), names.join(", "));
    Ok(())
}
