//! Quality results: turns what checks measured into what a caller may know of it.
//!
//! A number that was measured over a field tells something of its values, and so does a row that failed: both are left out
//! where the caller may not read every field that the rule looks at. Of a row, fields are shown that the caller may read.
//! That a rule passed or failed is for everybody.

use super::records::{PastQualityResult, QualityResult};
use serde_json::{Map, Value};
use terrane_manifest::{Dataset, Metric, Product, RuleCheck};
use terrane_pipeline::{BAD_ROWS, SOURCE_SCHEMA};
use terrane_query::Access;
use terrane_store as store;

/// The results as a caller with `access` may see them. `product` has the rules that were put in at run time.
pub fn visible(product: &Product, access: &Access, results: Vec<store::QualityResult>) -> Vec<QualityResult> {
    let show = |result: store::QualityResult| {
        let known = may_know(product, access, (&result.dataset, result.field.as_deref(), &result.rule));
        let sample = if known { shown_rows(product, access, &result.dataset, &result.sample) } else { Vec::new() };
        let mut shown = QualityResult { sample, ..QualityResult::from(result) };
        shown.measured = shown.measured.filter(|_| known);
        shown
    };
    results.into_iter().map(show).collect()
}

/// The same of results over time.
pub fn visible_past(product: &Product, access: &Access, results: Vec<store::PastResult>) -> Vec<PastQualityResult> {
    let show = |past: store::PastResult| {
        let (at, run_id, version) = (past.at, past.run_id.map(|id| id.to_string()), past.version);
        let result = store::QualityResult {
            run_id: past.run_id.unwrap_or_default(),
            rule: past.rule,
            dataset: past.dataset,
            field: past.field,
            severity: past.severity,
            dimension: past.dimension,
            status: past.status,
            expected: past.expected,
            measured: past.measured,
            sample: past.sample,
        };
        let result = visible(product, access, vec![result]).pop()?;
        Some(PastQualityResult { at, run_id, version, result })
    };
    results.into_iter().filter_map(show).collect()
}

/// Rows of a sample with the fields that may be read; none for who sees some rows only.
fn shown_rows(product: &Product, access: &Access, dataset: &str, sample: &Value) -> Vec<Value> {
    let Some(dataset) = product.outputs().find(|d| d.name == dataset) else { return Vec::new() };
    if access.filters_rows(&dataset.name) {
        return Vec::new();
    }
    let readable = |column: &str| {
        let field = dataset.fields.iter().find(|f| f.column == column);
        field.is_some_and(|field| access.allows(&dataset.policy_object(field), "read"))
    };
    let show = |row: &Value| {
        let row: Map<String, Value> = row
            .as_object()?
            .iter()
            .filter(|(column, _)| readable(column))
            .map(|(column, value)| (column.clone(), value.clone()))
            .collect();
        (!row.is_empty()).then_some(Value::Object(row))
    };
    sample.as_array().into_iter().flatten().filter_map(show).collect()
}

fn may_know(product: &Product, access: &Access, (dataset, field, rule): (&str, Option<&str>, &str)) -> bool {
    // what was noticed at a source speaks of columns and counts, not of values
    let noticed = [SOURCE_SCHEMA, BAD_ROWS].iter().any(|name| rule.starts_with(name)) && field.is_none();
    if noticed && !product.outputs().any(|d| d.quality.iter().any(|known| known.id == rule)) {
        return true;
    }
    let Some(dataset) = product.outputs().find(|d| d.name == dataset) else { return false };
    let reads = |name: &str| dataset.field(name).is_some_and(|f| access.allows(&dataset.policy_object(f), "read"));
    if field.is_some_and(|name| !reads(name)) {
        return false;
    }
    let Some(known) = dataset.quality.iter().find(|r| r.id == rule) else {
        return derived_from(dataset, rule).is_some_and(|names| names.into_iter().all(reads));
    };
    match &known.check {
        RuleCheck::Sql { query, .. } => mentioned(dataset, query).into_iter().all(reads),
        RuleCheck::Metric { metric: Metric::DuplicateValues(names), .. } => names.iter().all(|name| reads(name)),
        RuleCheck::Metric { .. } | RuleCheck::Text => true,
    }
}

/// The fields of a rule that the contract implies; none where it is another one, such as one that is not there any more.
fn derived_from<'a>(dataset: &'a Dataset, rule: &'a str) -> Option<Vec<&'a str>> {
    let rest = rule.strip_prefix(dataset.name.as_str())?.strip_prefix('.')?;
    let (first, names) = rest.split_once('.').unwrap_or((rest, ""));
    Some(match first {
        "primaryKey" => dataset.primary_key().iter().map(|f| f.name.as_str()).collect(),
        "key" | "relationship" if !names.is_empty() => names.split('+').collect(),
        "sla" => names.split('.').skip(1).collect(),
        field => vec![field],
    })
}

/// Fields whose column is a word of the query, and all of them where it selects whole rows.
fn mentioned<'a>(dataset: &'a Dataset, query: &str) -> Vec<&'a str> {
    let words: Vec<&str> = query.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let counts_only = query.replace("count(*)", "");
    let whole_rows = counts_only.contains(".*") || counts_only.to_lowercase().contains("select *");
    let is_named = |column: &str| whole_rows || words.iter().any(|word| word.eq_ignore_ascii_case(column));
    dataset.fields.iter().filter(|f| is_named(&f.column)).map(|f| f.name.as_str()).collect()
}
