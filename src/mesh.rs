//! The mesh on this machine: turns a products folder and a state directory into paths, order and secrets.

use anyhow::{Context as _, Result, bail};
use rand::Rng as _;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use terrane_auth::{TokenRequest, issue};
use terrane_manifest::{Connector, Product};
use terrane_runtime::ProductService;

/// Ten years: service tokens of a mesh that runs on one machine are made anew at every start anyway.
const SERVICE_LIFETIME: u64 = 10 * 365 * 24 * 3600;

/// Every folder below `products` that holds a descriptor, checked, each after those it reads from.
pub fn load_products(products: &Path) -> Result<Vec<(PathBuf, Arc<Product>)>> {
    let entries = fs::read_dir(products).with_context(|| {
        format!("products folder {}: is this the root of a mesh? --products names another", products.display())
    })?;
    let mut folders: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("dataproduct.odps.yaml").is_file())
        .collect();
    folders.sort();
    if folders.is_empty() {
        bail!(
            "no product in {}: a product is a folder with a `dataproduct.odps.yaml`; `terrane new NAME` starts one",
            products.display()
        );
    }
    let mut loaded = Vec::new();
    for folder in folders {
        let (product, warnings) = ProductService::load(&folder)?;
        for warning in &warnings {
            eprint!("{}", terrane_diagnostics::render(warning));
        }
        loaded.push((folder, product));
    }
    in_order(loaded)
}

/// Products that a product reads from.
pub fn reads_from(product: &Product) -> BTreeSet<&str> {
    let sources = product.input_ports.iter().filter_map(|port| match &port.connector {
        Connector::Product { product, .. } => Some(product.as_str()),
        _ => None,
    });
    sources.collect()
}

/// Products that a product reads from or refers to.
pub fn looks_at(product: &Product) -> BTreeSet<&str> {
    let mut found = reads_from(product);
    let relationships = product.outputs().flat_map(|dataset| &dataset.relationships);
    found.extend(relationships.filter_map(|relationship| relationship.target.product.as_deref()));
    found
}

fn in_order(mut waiting: Vec<(PathBuf, Arc<Product>)>) -> Result<Vec<(PathBuf, Arc<Product>)>> {
    let mut done: Vec<(PathBuf, Arc<Product>)> = Vec::new();
    while !waiting.is_empty() {
        let here: BTreeSet<String> = waiting.iter().map(|(_, p)| p.id.clone()).collect();
        let (ready, rest): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(_, p)| reads_from(p).iter().all(|source| !here.contains(*source)));
        // of those, products that others refer to come first: what refers to them can be checked then
        let here: BTreeSet<String> = ready.iter().chain(&rest).map(|(_, p)| p.id.clone()).collect();
        let refers =
            |product: &Product| looks_at(product).iter().any(|other| here.contains(*other) && *other != product.id);
        let (first, later): (Vec<_>, Vec<_>) = ready.into_iter().partition(|(_, p)| !refers(p));
        let (ready, rest) = match first.is_empty() {
            true => (later, rest),
            false => (first, later.into_iter().chain(rest).collect()),
        };
        if ready.is_empty() {
            let names: Vec<&str> = rest.iter().map(|(_, p)| p.id.as_str()).collect();
            bail!("these products read from each other in a circle: {}", names.join(", "));
        }
        done.extend(ready);
        waiting = rest;
    }
    Ok(done)
}

/// The secret that tokens of the mesh on this machine are signed with; made at the first start.
pub fn token_secret(state: &Path) -> Result<String> {
    if let Ok(secret) = std::env::var("TERRANE_JWT_SECRET")
        && !secret.is_empty()
    {
        return Ok(secret);
    }
    let path = state.join("jwt.secret");
    if let Ok(text) = fs::read_to_string(&path)
        && text.trim().len() >= 32
    {
        return Ok(text.trim().to_owned());
    }
    fs::create_dir_all(state).with_context(|| format!("make {}", state.display()))?;
    let secret: String = rand::rng().sample_iter(rand::distr::Alphanumeric).take(48).map(char::from).collect();
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&path);
    let written = file
        .as_mut()
        .map_err(|e| std::io::Error::new(e.kind(), e.to_string()))
        .and_then(|f| f.write_all(secret.as_bytes()));
    written.with_context(|| format!("write {}", path.display()))?;
    Ok(secret)
}

/// A token with which a product reads its sources.
pub fn service_token(secret: &str, product: &str) -> Result<String> {
    let request = TokenRequest {
        subject: format!("product:{product}"),
        roles: vec!["analyst".to_owned()],
        lifetime_seconds: SERVICE_LIFETIME,
        ..TokenRequest::default()
    };
    Ok(issue(secret, &request)?)
}
