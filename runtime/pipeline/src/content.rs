//! Content: turns what decides a version (contracts, models, the product's version) into hashes: one of all, one of each model.

use sha2::{Digest as _, Sha256};
use terrane_manifest::Product;
use terrane_store::ModelText;

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
    hexadecimal(hash)
}

/// The models and the hashes of their texts.
pub fn model_texts(product: &Product) -> Vec<ModelText> {
    let text = |model: &terrane_manifest::Model| ModelText {
        model: format!("{}.{}", model.layer.name(), model.name),
        sha256: text_hash(&model.sql),
    };
    product.models.iter().map(text).collect()
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// SHA-256 of a text, in hexadecimal.
pub(crate) fn text_hash(text: &str) -> String {
    hexadecimal(Sha256::new().chain_update(text))
}
