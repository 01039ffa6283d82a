//! Content: turns what decides a version (contracts, models, the product's version) into one hash.

use sha2::{Digest as _, Sha256};
use terrane_manifest::Product;

/// Hash of everything in the product folder that decides what a run publishes, except the data: a start whose hash
/// equals the current version's has nothing to build.
pub fn content_hash(product: &Product) -> String {
    let mut hash = Sha256::new();
    let mut add = |name: &str, text: &str| {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    add("version", &product.version);
    for (path, text) in &product.sources {
        add(path, text);
    }
    for model in &product.models {
        add(&model.file, &model.sql);
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// SHA-256 of a text, in hexadecimal.
pub(crate) fn text_hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|b| format!("{b:02x}")).collect()
}
