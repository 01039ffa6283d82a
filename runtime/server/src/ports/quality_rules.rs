//! Quality rules: turns the rules that the next run checks into the forms in which they are put in.

use super::guard::{OBSERVE, require};
use super::models::refused_or_internal;
use async_graphql::{Context, Object, Result, SimpleObject};

/// A quality rule as it holds.
#[derive(SimpleObject, Debug, Clone)]
pub struct QualityRuleForm {
    /// Its output dataset.
    pub dataset: String,
    /// Its field; null is the dataset.
    pub field: Option<String>,
    /// Its id.
    pub id: String,
    /// The rule, as the contract standard writes it.
    pub rule: serde_json::Value,
    /// Whether it was put in at run time, and is not the contract's.
    pub is_put: bool,
}

/// The query for them.
#[derive(Debug, Clone, Copy, Default)]
pub struct QualityRulesQuery;

#[Object]
impl QualityRulesQuery {
    /// The quality rules that the next run checks, as they can be put in again; without those that follow from types, keys
    /// and relationships of the contract.
    async fn quality_rules(&self, ctx: &Context<'_>) -> Result<Vec<QualityRuleForm>> {
        let context = require(ctx, OBSERVE)?;
        let own = context.service.product();
        let product = context.service.pipeline().amended_product().await.map_err(refused_or_internal)?;
        let mut forms = Vec::new();
        for dataset in product.outputs() {
            let written = own.outputs().find(|d| d.name == dataset.name).map_or(&[][..], |d| &d.quality);
            forms.extend(dataset.quality.iter().map(|rule| QualityRuleForm {
                dataset: dataset.name.clone(),
                field: rule.field.clone(),
                id: rule.id.clone(),
                rule: rule.form(),
                is_put: !written.contains(rule),
            }));
        }
        Ok(forms)
    }
}
