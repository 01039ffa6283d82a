//! Contracts: turns the product folders in force and new ones into a report of what breaks consumers, and whom.

use anyhow::{Context as _, Result, bail};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use terrane_diagnostics::render_all;
use terrane_manifest::{
    Bump, ContractChange, DESCRIPTOR, Layer, Product, Use, check_versions, contract_changes, reread, uses,
};

/// Compare the products of the folder `old` with those of `new`, and print what changed.
///
/// # Errors
/// Where a version does not rise enough, or something is taken away that another product of `new` uses.
pub fn check(old: &Path, new: &Path, json: bool) -> Result<()> {
    let (before, after) = (read_products(old)?, read_products(new)?);
    let used: Vec<Use> = after.values().flat_map(uses).collect();
    let mut report = Vec::new();
    let mut broken = 0;
    let mut findings = Vec::new();
    for (id, was) in &before {
        let Some(is) = after.get(id) else {
            let by = users(&used, id, |_| true);
            broken += usize::from(!by.is_empty());
            report.push(Line {
                product: id.clone(),
                bump: Bump::Major,
                code: "PRODUCT_REMOVED",
                message: format!("product `{id}` is gone"),
                by,
            });
            continue;
        };
        findings.extend(check_versions(was, is));
        for change in contract_changes(was, is) {
            let by = if change.bump == Bump::Major { broken_by(&used, id, &change) } else { Vec::new() };
            broken += usize::from(!by.is_empty());
            let ContractChange { code, bump, message, .. } = change;
            report.push(Line { product: id.clone(), bump, code, message, by });
        }
    }
    let text = if json { as_json(&report)? } else { as_text(&report) };
    std::io::stdout().write_all(text.as_bytes()).context("write the report")?;
    eprint!("{}", render_all(&findings));
    match (findings.len(), broken) {
        (0, 0) => Ok(()),
        (0, n) => bail!("{n} changes break products of {}", new.display()),
        (n, 0) => bail!("{n} versions do not say what has changed since {}", old.display()),
        (n, m) => {
            bail!("{n} versions do not say what has changed, and {m} changes break products of {}", new.display())
        }
    }
}

/// One change of the report.
struct Line {
    product: String,
    bump: Bump,
    code: &'static str,
    message: String,
    by: Vec<String>,
}

/// Who uses what a change of an output contract takes away: its field, or any of its dataset where it is about all of it.
fn broken_by(used: &[Use], product: &str, change: &ContractChange) -> Vec<String> {
    // an optional value, a wider column or another GraphQL name does not stop those who read by the contract's names
    let gone = ["CONTRACT_REMOVED", "DATASET_REMOVED", "FIELD_REMOVED", "FIELD_RETYPED", "KEY_CHANGED"];
    if change.layer != Layer::Output || !gone.contains(&change.code) {
        return Vec::new();
    }
    users(used, product, |one| {
        change.dataset.as_ref().is_none_or(|dataset| *dataset == one.dataset)
            && change.field.as_ref().is_none_or(|field| *field == one.field)
    })
}

fn users(used: &[Use], product: &str, is: impl Fn(&Use) -> bool) -> Vec<String> {
    let mut by: Vec<String> = used.iter().filter(|u| u.product == product && is(u)).map(|u| u.by.clone()).collect();
    by.sort();
    by.dedup();
    by
}

/// Products by id, as they were accepted: what is wrong with a folder is said elsewhere.
fn read_products(folder: &Path) -> Result<BTreeMap<String, Product>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("products folder {}", folder.display()))?;
    let mut products = BTreeMap::new();
    for entry in entries {
        let path = entry?.path();
        if !path.join(DESCRIPTOR).is_file() {
            continue;
        }
        let files =
            terrane_runtime::read_folder(&path).with_context(|| format!("product folder {}", path.display()))?;
        let product = reread(&files).with_context(|| format!("product folder {} has no descriptor", path.display()))?;
        products.insert(product.id.clone(), product);
    }
    if products.is_empty() {
        bail!("no product in {}", folder.display());
    }
    Ok(products)
}

fn word(bump: Bump) -> &'static str {
    match bump {
        Bump::Major => "breaking",
        Bump::Minor | Bump::Patch => "additive",
    }
}

fn as_json(report: &[Line]) -> Result<String> {
    let changes: Vec<serde_json::Value> = report
        .iter()
        .map(|line| {
            serde_json::json!({
                "product": line.product,
                "needs": line.bump.word(),
                "code": line.code,
                "message": line.message,
                "usedBy": line.by,
            })
        })
        .collect();
    Ok(serde_json::to_string_pretty(&serde_json::json!({ "changes": changes }))? + "\n")
}

fn as_text(report: &[Line]) -> String {
    let mut text = String::new();
    for line in report {
        text.push_str(&format!("{}[{}] {}: {}\n", word(line.bump), line.code, line.product, line.message));
        if !line.by.is_empty() {
            text.push_str(&format!("  = used by: {}\n", line.by.join(", ")));
        }
    }
    let count = |bump| report.iter().filter(|line| line.bump == bump).count();
    text.push_str(&format!("{} breaking, {} additive\n", count(Bump::Major), count(Bump::Minor)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use terrane_testkit::{copy_folder, repository};

    fn change(folder: &Path, file: &str, from: &str, to: &str) {
        let path = folder.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        std::fs::write(&path, text.replace(from, to)).unwrap();
    }

    #[test]
    fn what_another_product_uses_is_not_taken_away_and_versions_rise() {
        let old = repository().join("products");
        let scratch = tempfile::tempdir().unwrap();
        let new = scratch.path().join("products");
        copy_folder(&old, &new).unwrap();
        assert!(check(&old, &new, true).is_ok());
        // a field that comes under another name, with the old version, and that `geography` reads
        let (file, name) = ("countries/contracts/countries.odcs.yaml", "        name: area_km2\n");
        change(&new, file, name, "        name: surface_km2\n");
        let error = format!("{:#}", check(&old, &new, true).unwrap_err());
        assert!(error.contains("2 versions do not say what has changed, and 1 changes break"), "{error}");
    }
}
