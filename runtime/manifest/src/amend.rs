//! Amending: turns a product and what was put in at run time (models, quality rules) into the product that runs.

use crate::dataset::QualityRule;
use crate::product::Product;
use crate::quality::read_one_rule;
use crate::yaml::Source;
use crate::{check, lineage, model};
use std::collections::BTreeMap;
use terrane_diagnostics::{Diagnostic, has_errors};

/// The largest model that may be put in, in bytes.
pub const LARGEST_MODEL: usize = 256 * 1024;

impl Product {
    /// The product with these models (text by path, as in the folder) in place of its own, or beside them. All that is
    /// checked of a folder's models is checked of them.
    ///
    /// # Errors
    /// Every diagnostic of a model, where one is an error.
    pub fn with_models(&self, put: &BTreeMap<String, String>) -> Result<Self, Vec<Diagnostic>> {
        let (product, findings) = self.try_models(put);
        product.ok_or(findings)
    }

    /// As [`Product::with_models`], with every diagnostic also where none is an error.
    pub fn try_models(&self, put: &BTreeMap<String, String>) -> (Option<Self>, Vec<Diagnostic>) {
        let mut findings = Vec::new();
        for (path, text) in put {
            if text.len() > LARGEST_MODEL {
                findings.push(
                    Diagnostic::error("MODEL_SQL", format!("`{path}` has more than {LARGEST_MODEL} bytes"))
                        .with_hint("split it into several models"),
                );
            }
        }
        if has_errors(&findings) {
            return (None, findings);
        }
        let mut files: BTreeMap<String, String> =
            self.models.iter().map(|model| (model.file.clone(), model.sql.clone())).collect();
        files.extend(put.iter().map(|(path, text)| (path.clone(), text.clone())));
        let mut product = self.clone();
        product.models = model::read_models(&files, &mut findings);
        check::check_models(&product, &mut findings);
        lineage::analyze(&mut product, &mut findings);
        findings.sort_by(|a, b| (&a.locations, a).cmp(&(&b.locations, b)));
        findings.dedup();
        ((!has_errors(&findings)).then_some(product), findings)
    }

    /// A quality rule for `dataset`, or its field `field`, read as a contract's: `text` is the rule as YAML or JSON.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read_rule(&self, dataset: &str, field: Option<&str>, text: &str) -> Result<QualityRule, Vec<Diagnostic>> {
        let unknown = |what: String, hint: &str| vec![Diagnostic::error("QUALITY_METRIC", what).with_hint(hint)];
        let Some(known) = self.outputs().find(|d| d.name == dataset) else {
            return Err(unknown(format!("there is no output dataset `{dataset}`"), "name an output dataset"));
        };
        if let Some(name) = field.filter(|name| known.field(name).is_none()) {
            return Err(unknown(format!("`{dataset}` has no field `{name}`"), "name a field of the contract"));
        }
        let source = Source::new("rule", text);
        let rule = source.parse().and_then(|value| read_one_rule(&source.root(&value), field));
        let mut findings = source.into_findings();
        if let Some(rule) = &rule {
            check::check_rule(known, rule, &mut findings);
        }
        match rule {
            Some(rule) if !has_errors(&findings) => Ok(rule),
            _ => Err(findings),
        }
    }

    /// The product with `rule` in place of the rule of that id of `dataset`, or beside the others.
    #[must_use]
    pub fn with_rule(mut self, dataset: &str, rule: QualityRule) -> Self {
        let datasets = self.contracts.iter_mut().flat_map(|contract| &mut contract.datasets);
        if let Some(dataset) = datasets.into_iter().find(|d| d.layer == crate::Layer::Output && d.name == dataset) {
            match dataset.quality.iter_mut().find(|known| known.id == rule.id) {
                Some(known) => *known = rule,
                None => dataset.quality.push(rule),
            }
        }
        self
    }
}
