//! Support: turns settings into a running product and a running gateway over it.

use std::path::Path;
use tempfile::TempDir;
use terrane_testkit::{Answer, Mesh, fresh_database, product_folder, state_directory};

pub const BINARY: &str = env!("CARGO_BIN_EXE_terrane");

/// A query that the product answers with one statement.
pub const QUERY: &str =
    r#"{"query":"query Names { continents(first: 3) { nodes { name } } }","operationName":"Names"}"#;

/// The product `continents`, with variables of the environment.
pub async fn product(folder: &Path, environment: &[(&str, &str)]) -> Mesh {
    let (product, database) = (product_folder("continents"), fresh_database().await);
    let arguments = ["product", product.to_str().unwrap(), "--listen", "127.0.0.1:{port}", "--database-url", &database];
    Mesh::start_in(Path::new(BINARY), &arguments, &folder.join("continents.log"), environment).await
}

/// A gateway over a subgraph.
pub async fn gateway(folder: &Path, subgraph: &str, settings: &str) -> Mesh {
    let config = folder.join("gateway.yaml");
    let text = format!("subgraphs: [{{name: continents, url: \"{subgraph}/graphql\"}}]\n{settings}");
    std::fs::write(&config, text).unwrap();
    let arguments = ["gateway", "--listen", "127.0.0.1:{port}", "--config", config.to_str().unwrap()];
    Mesh::start(Path::new(BINARY), &arguments, &folder.join("gateway.log")).await
}

/// A product and a gateway over it.
pub struct Pair {
    pub product: Mesh,
    pub gateway: Mesh,
    _folder: TempDir,
}

impl Pair {
    pub async fn start(environment: &[(&str, &str)], settings: &str) -> Self {
        let folder = state_directory();
        let product = product(folder.path(), environment).await;
        let gateway = gateway(folder.path(), &product.base(), settings).await;
        Self { product, gateway, _folder: folder }
    }

    /// Ask the gateway, with these headers.
    pub async fn ask(&self, headers: &[(&str, &str)]) -> Answer {
        ask(&self.gateway, headers).await
    }
}

/// Ask a gateway or the product, with these headers.
pub async fn ask(mesh: &Mesh, headers: &[(&str, &str)]) -> Answer {
    let mut all = vec![("content-type", "application/json")];
    all.extend_from_slice(headers);
    let answer = mesh.client().send(http::Method::POST, "/graphql", &all, QUERY).await;
    assert_eq!(answer.json()["data"]["continents"]["nodes"].as_array().map(Vec::len), Some(3), "{}", answer.text());
    answer
}

/// The value of a metric with its labels, as it is in the text of a scrape.
pub fn value(scrape: &str, series: &str) -> f64 {
    let line = scrape.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no `{series}` in:\n{scrape}")).parse().unwrap()
}
