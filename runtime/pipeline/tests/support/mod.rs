//! Turns a product folder into an open store and pipeline on a database of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use terrane_ingest::Upstreams;
use terrane_manifest::Product;
use terrane_pipeline::{Pipeline, RunRequest};
use terrane_store::{RunTrigger, Store, StoreOptions};
use terrane_testkit::fresh_database;

fn read(folder: &Path, below: &Path, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(folder, &path, files);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            files.insert(path.strip_prefix(folder).unwrap().to_string_lossy().into_owned(), text);
        }
    }
}

/// The checked product of a folder.
pub fn product(folder: &Path) -> Arc<Product> {
    let mut files = BTreeMap::new();
    read(folder, folder, &mut files);
    Arc::new(terrane_manifest::load(&files).unwrap_or_else(|d| panic!("{d:#?}")).product)
}

/// Open it on a new database.
pub async fn open(folder: &Path) -> (Store, Pipeline, Arc<Product>) {
    open_at(folder, &fresh_database().await).await
}

/// Open it on a database that may have been used before.
pub async fn open_at(folder: &Path, url: &str) -> (Store, Pipeline, Arc<Product>) {
    let product = product(folder);
    let store = Store::open(&StoreOptions::new(url), &product).await.unwrap();
    let pipeline = Pipeline::new(store.clone(), product.clone(), folder.to_path_buf(), Arc::new(Upstreams::new()));
    (store, pipeline, product)
}

/// A run with its pulls, as the tests ask for it.
pub fn request() -> RunRequest {
    RunRequest { trigger: RunTrigger::Manual, by: Some("test".into()), pull: true }
}
