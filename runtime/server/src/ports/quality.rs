//! Quality results: turns what checks measured into what a caller may know of it.
//!
//! A number that was measured over a field tells something of its values: it is left out where the caller may not read
//! every field that the rule looks at. That a rule passed or failed is for everybody.

use super::records::QualityResult;
use terrane_manifest::{Dataset, Metric, Product, RuleCheck};
use terrane_pipeline::{BAD_ROWS, SOURCE_SCHEMA};
use terrane_query::Access;
use terrane_store as store;

/// The results as a caller with `access` may see them.
pub fn visible(product: &Product, access: &Access, results: Vec<store::QualityResult>) -> Vec<QualityResult> {
    let show = |result: store::QualityResult| {
        let known = may_know(product, access, &result);
        let mut shown = QualityResult::from(result);
        shown.measured = shown.measured.filter(|_| known);
        shown
    };
    results.into_iter().map(show).collect()
}

fn may_know(product: &Product, access: &Access, result: &store::QualityResult) -> bool {
    // what was noticed at a source speaks of columns and counts, not of values
    let noticed = [SOURCE_SCHEMA, BAD_ROWS].iter().any(|rule| result.rule.starts_with(rule)) && result.field.is_none();
    if noticed && !product.outputs().any(|d| d.quality.iter().any(|rule| rule.id == result.rule)) {
        return true;
    }
    let Some(dataset) = product.outputs().find(|d| d.name == result.dataset) else { return false };
    let reads = |name: &str| dataset.field(name).is_some_and(|f| access.allows(&dataset.policy_object(f), "read"));
    if result.field.as_deref().is_some_and(|name| !reads(name)) {
        return false;
    }
    let Some(rule) = dataset.quality.iter().find(|r| r.id == result.rule) else { return true };
    match &rule.check {
        RuleCheck::Sql { query, .. } => mentioned(dataset, query).into_iter().all(reads),
        RuleCheck::Metric { metric: Metric::DuplicateValues(names), .. } => names.iter().all(|name| reads(name)),
        RuleCheck::Metric { .. } | RuleCheck::Text => true,
    }
}

/// Fields whose column is a word of the query, and all of them where it selects whole rows.
fn mentioned<'a>(dataset: &'a Dataset, query: &str) -> Vec<&'a str> {
    let words: Vec<&str> = query.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let counts_only = query.replace("count(*)", "");
    let whole_rows = counts_only.contains(".*") || counts_only.to_lowercase().contains("select *");
    let is_named = |column: &str| whole_rows || words.iter().any(|word| word.eq_ignore_ascii_case(column));
    dataset.fields.iter().filter(|f| is_named(&f.column)).map(|f| f.name.as_str()).collect()
}
