//! Quality rules: turns the `quality` entries of a contract (ODCS, section "Data quality") into checks.

use super::{Bind, Check, Measure, Place, column, duplicated, naming_columns};
use terrane_manifest::{Dataset, Expectation, Field, Metric, QualityRule, RuleCheck, fill_placeholders};
use terrane_sql::Sql;

/// The rules of a dataset that a machine can check; `text` rules are for people.
pub fn rules(dataset: &Dataset, place: &Place) -> Vec<Check> {
    dataset.quality.iter().filter_map(|rule| check(dataset, rule, place)).collect()
}

fn check(dataset: &Dataset, rule: &QualityRule, place: &Place) -> Option<Check> {
    let field = rule.field.as_deref().and_then(|name| dataset.field(name));
    let (measure, expected) = match &rule.check {
        RuleCheck::Text => return None,
        RuleCheck::Sql { query, expected } => (Measure::Value(fill(query, dataset, field, place)), expected.clone()),
        RuleCheck::Metric { metric: Metric::RowCount, expected, .. } => {
            let mut sql = Sql::lit("SELECT count(*) FROM ");
            sql.append(&place.table(dataset));
            (Measure::Value(sql), expected.clone())
        }
        RuleCheck::Metric { metric, expected, percent } => {
            // only where no row may break it do the new rows tell as much as all
            let none = !percent && matches!(expected, Expectation::Be(value) if value.as_f64() == Some(0.0));
            let place = if none { place.clone() } else { place.whole() };
            let (condition, binds) = condition(dataset, field, metric, &place)?;
            let (table, key) = (place.rows(dataset), naming_columns(dataset));
            (Measure::Rows { table, condition, binds, key, percent: *percent }, expected.clone())
        }
    };
    Some(Check {
        rule: rule.id.clone(),
        dataset: dataset.name.clone(),
        field: rule.field.clone(),
        severity: rule.severity,
        dimension: rule.dimension.clone(),
        measure,
        expected,
    })
}

/// A library metric as the condition of the rows it counts.
fn condition(dataset: &Dataset, field: Option<&Field>, metric: &Metric, place: &Place) -> Option<(Sql, Vec<Bind>)> {
    if let Metric::DuplicateValues(names) = metric {
        let mut columns: Vec<&str> =
            names.iter().filter_map(|name| dataset.field(name)).map(|f| f.column.as_str()).collect();
        if columns.is_empty() {
            columns.push(&field?.column);
        }
        return Some((duplicated(dataset, &columns, place), Vec::new()));
    }
    let value = column(&field?.column);
    let mut condition = Sql::lit("(");
    condition.append(&value);
    let mut binds = Vec::new();
    match metric {
        Metric::NullValues => {
            condition.push(" IS NULL");
        }
        Metric::MissingValues(words) => {
            condition.push(" IS NULL OR ").append(&value).push("::text = ANY ($1)");
            binds.push(Bind::Texts(words.iter().map(word).collect()));
        }
        Metric::InvalidValues { pattern, valid_values } => {
            condition.push(" IS NOT NULL AND (false");
            if let Some(pattern) = pattern {
                binds.push(Bind::Text(pattern.clone()));
                condition.push(" OR ").append(&value).push("::text !~ ").bind(binds.len());
            }
            if !valid_values.is_empty() {
                binds.push(Bind::Texts(valid_values.iter().map(word).collect()));
                condition.push(" OR ").append(&value).push("::text <> ALL (").bind(binds.len()).push(")");
            }
            condition.push(")");
        }
        Metric::DuplicateValues(_) | Metric::RowCount => return None,
    }
    condition.push(")");
    Some((condition, binds))
}

/// A value of a rule's arguments as Postgres's text form of it.
fn word(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The rule's query (one SELECT, checked by the manifest, run as the pipeline role) with the table and column in place
/// of its placeholders.
fn fill(query: &str, dataset: &Dataset, field: Option<&Field>, place: &Place) -> Sql {
    let (table, mut column) = (place.table(dataset), Sql::new());
    if let Some(field) = field {
        column.ident(&field.column);
    }
    Sql::from_checked_text(fill_placeholders(query, table.as_str(), column.as_str()))
}
