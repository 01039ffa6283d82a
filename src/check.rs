//! `terrane check`: turns product folders into a verdict: each is a product, its models do what its tests say, together they
//! compose, and clients of an earlier supergraph and consumers of earlier contracts are not broken.

use crate::changes;
use crate::compose::{product_subgraphs, report};
use crate::contracts;
use crate::mesh::load_products;
use crate::model_tests;
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
    /// A supergraph to check instead of products
    #[arg(long, value_name = "FILE", requires = "against", conflicts_with_all = ["products", "folder"])]
    supergraph: Option<PathBuf>,
    /// The supergraph that clients use now: report what changes for them, and fail where it breaks them
    #[arg(long, value_name = "FILE", conflicts_with = "folder")]
    against: Option<PathBuf>,
    /// The products folder that is in force: report what changes in the contracts, and fail where a version does not say so
    /// or another product uses what is taken away
    #[arg(long, value_name = "DIR", conflicts_with_all = ["folder", "supergraph"])]
    contracts_against: Option<PathBuf>,
    /// Operations that clients send: what none of them uses is safe to change
    #[arg(long, value_name = "PATH", requires = "against")]
    operations: Option<PathBuf>,
    /// Do not run the model tests (tests/*.yaml), which need a Postgres
    #[arg(long)]
    no_tests: bool,
    /// Diagnostics of composition (standard error) and changes (standard output) as JSON
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
        report(std::slice::from_ref(&alone), compose(std::slice::from_ref(&alone)), arguments.json)
            .context("the product's subgraph")?;
        eprintln!("{}: a product, version {}", product.id, product.version);
        return if arguments.no_tests { Ok(()) } else { model_tests::run([product.as_ref()]) };
    }
    if let (Some(new), Some(old)) = (&arguments.supergraph, &arguments.against) {
        let sdl = std::fs::read_to_string(new).with_context(|| format!("supergraph {}", new.display()))?;
        return changes::check(old, &sdl, arguments.operations.as_deref(), arguments.json);
    }
    if let Some(old) = &arguments.contracts_against {
        contracts::check(old, &arguments.products, arguments.json)?;
    }
    let subgraphs = product_subgraphs(&arguments.products)?;
    let composition = report(&subgraphs, compose(&subgraphs), arguments.json)?;
    let names: Vec<&str> = subgraphs.iter().map(|s| s.name.as_str()).collect();
    eprintln!("{} products, and they compose: {}", names.len(), names.join(", "));
    if !arguments.no_tests {
        let products = load_products(&arguments.products)?;
        model_tests::run(products.iter().map(|(_, product)| product.as_ref()))?;
    }
    match &arguments.against {
        Some(old) => changes::check(old, &composition.supergraph, arguments.operations.as_deref(), arguments.json),
        None => Ok(()),
    }
}
