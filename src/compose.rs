//! `terrane compose`: turns subgraphs or product folders into a supergraph file, or into diagnostics.

use crate::mesh::load_products;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use terrane_compose::{Composition, Subgraph, compose};
use terrane_diagnostics::{pretty, render_all};

/// Compose subgraphs.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["subgraphs", "products"]))]
pub struct ComposeArguments {
    /// A JSON list of {"name", "url", "sdl"}
    #[arg(long, value_name = "FILE.json")]
    subgraphs: Option<PathBuf>,
    /// A folder with one product folder each
    #[arg(long, value_name = "DIR")]
    products: Option<PathBuf>,
    /// Where the supergraph goes; standard output by default
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Diagnostics as JSON
    #[arg(long)]
    json: bool,
}

/// One entry of a subgraphs file.
#[derive(Debug, Clone, Deserialize)]
pub struct SubgraphEntry {
    /// Name.
    pub name: String,
    /// GraphQL endpoint.
    pub url: String,
    /// SDL; asked of the subgraph by a gateway where it is left out.
    #[serde(default)]
    pub sdl: Option<String>,
}

/// Read a subgraphs file.
pub fn read_subgraphs(path: &Path) -> Result<Vec<SubgraphEntry>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("subgraphs {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| {
        format!("subgraphs {}: expected a JSON list of {{\"name\", \"url\", \"sdl\"}}", path.display())
    })
}

/// The subgraphs that product folders are, at the addresses that `terrane dev` serves them at.
pub fn product_subgraphs(products: &Path) -> Result<Vec<Subgraph>> {
    let loaded = load_products(products)?;
    let mut subgraphs = Vec::new();
    for (folder, product) in &loaded {
        let sdl = terrane_runtime::data_sdl(product)
            .map_err(|found| anyhow::anyhow!("product folder {}:\n{}", folder.display(), render_all(&found)))?;
        let url = format!("http://127.0.0.1:4000/products/{}/graphql", product.id);
        subgraphs.push(Subgraph { name: product.id.clone(), url, sdl });
    }
    Ok(subgraphs)
}

/// Compose and write; diagnostics go to standard error.
pub fn run(arguments: &ComposeArguments) -> Result<()> {
    let subgraphs = match (&arguments.subgraphs, &arguments.products) {
        (Some(path), _) => {
            let mut subgraphs = Vec::new();
            for entry in read_subgraphs(path)? {
                let Some(sdl) = entry.sdl else {
                    bail!(
                        "subgraph `{}` has no \"sdl\" in {}; composing does not ask subgraphs",
                        entry.name,
                        path.display()
                    );
                };
                subgraphs.push(Subgraph { name: entry.name, url: entry.url, sdl });
            }
            subgraphs
        }
        (None, Some(products)) => product_subgraphs(products)?,
        (None, None) => bail!("give --subgraphs or --products"),
    };
    let composition = report(&subgraphs, compose(&subgraphs), arguments.json)?;
    match &arguments.output {
        Some(path) => std::fs::write(path, composition.supergraph).with_context(|| format!("write {}", path.display())),
        None => {
            use std::io::Write as _;
            std::io::stdout().write_all(composition.supergraph.as_bytes()).context("write the supergraph")
        }
    }
}

/// Print the diagnostics of a composition; an error where there is none.
pub fn report(
    subgraphs: &[Subgraph],
    result: Result<Composition, Vec<terrane_diagnostics::Diagnostic>>,
    json: bool,
) -> Result<Composition> {
    let (composition, found) = match result {
        Ok(mut composition) => {
            let hints = std::mem::take(&mut composition.hints);
            (Some(composition), hints)
        }
        Err(found) => (None, found),
    };
    if json {
        eprintln!("{}", serde_json::to_string_pretty(&found)?);
    } else if !found.is_empty() {
        let source = |name: &str| subgraphs.iter().find(|s| s.name == name).map(|s| s.sdl.as_str());
        eprint!("{}", pretty(&found, source, in_colour(&std::io::stderr())));
    }
    composition.context("the subgraphs do not compose")
}

/// Whether a stream takes colours: a terminal whose user did not turn them off (`NO_COLOR`).
pub fn in_colour(stream: &impl std::io::IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
