//! `terrane new`: turns a name into a product folder that runs as it is.

use anyhow::{Context as _, Result, bail};
use clap::Args;
use std::fs;
use std::path::PathBuf;
use terrane_runtime::ProductService;

const FILES: [(&str, &str); 7] = [
    ("dataproduct.odps.yaml", include_str!("new/dataproduct.odps.yaml")),
    ("contracts/NAME-source.odcs.yaml", include_str!("new/source.odcs.yaml")),
    ("contracts/NAME.odcs.yaml", include_str!("new/output.odcs.yaml")),
    ("models/output/TABLE.sql", include_str!("new/output.sql")),
    ("policy.csv", include_str!("new/policy.csv")),
    ("data/NAME.csv", include_str!("new/data.csv")),
    ("data/SOURCE.md", include_str!("new/SOURCE.md")),
];

/// Start a product.
#[derive(Args)]
pub struct NewArguments {
    /// Its id: lower-case letters, digits and hyphens, a plural noun by convention
    #[arg(value_name = "NAME")]
    name: String,
    /// The folder that the product folder goes into
    #[arg(long, default_value = "products", value_name = "DIR")]
    products: PathBuf,
}

/// Write the folder; one that exists is left alone.
pub fn run(arguments: &NewArguments) -> Result<()> {
    let name = &arguments.name;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(plain) || name.len() > 40 {
        bail!("`{name}` is no product id: up to 40 lower-case letters, digits and hyphens, a letter first");
    }
    let folder = arguments.products.join(name);
    if folder.exists() {
        bail!("{} exists already", folder.display());
    }
    let table = name.replace('-', "_");
    let title: String = type_name(name);
    for (path, text) in FILES {
        let path = folder.join(path.replace("NAME", name).replace("TABLE", &table));
        let text = text.replace("{name}", name).replace("{table}", &table).replace("{Title}", &title);
        let parent = path.parent().context("every file is in a folder")?;
        fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    // what was just written is checked like any product: a template that is wrong shows here
    ProductService::load(&folder)?;
    eprintln!("{} is a product; `terrane check {}` checks it, `terrane` serves it", folder.display(), folder.display());
    Ok(())
}

/// `road-signs` → `RoadSign`.
fn type_name(name: &str) -> String {
    let words = name.split('-').filter(|w| !w.is_empty());
    let mut title: String = words.map(|w| format!("{}{}", w[..1].to_ascii_uppercase(), &w[1..])).collect();
    if title.len() > 2 && title.ends_with('s') && !title.ends_with("ss") {
        title.pop();
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_folder_is_a_product() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["road-signs", "x", "gas"] {
            run(&NewArguments { name: name.to_owned(), products: dir.path().to_path_buf() }).unwrap();
        }
        assert_eq!(type_name("road-signs"), "RoadSign");
        assert!(run(&NewArguments { name: "x".to_owned(), products: dir.path().to_path_buf() }).is_err());
        assert!(run(&NewArguments { name: "../x".to_owned(), products: dir.path().to_path_buf() }).is_err());
    }
}
