//! Service levels: turns what a contract promises of the age of its data (ODCS, section "SLA") into checks.

use super::{Check, Measure, Place, column};
use terrane_manifest::{Dataset, Expectation, Field, LogicalType, Product, RuleSeverity, Sla};
use terrane_sql::Sql;

/// Freshness (or latency) and retention of a dataset's fields: how old the newest and the oldest value may be. What is late
/// is flagged; it would be no fresher for not being published.
pub fn service_levels(product: &Product, dataset: &Dataset, place: &Place) -> Vec<Check> {
    let Some(contract) = product.contract_of(dataset) else { return Vec::new() };
    contract.sla.iter().filter_map(|sla| check(dataset, sla, place)).collect()
}

fn check(dataset: &Dataset, sla: &Sla, place: &Place) -> Option<Check> {
    let (table, name) = sla.element.as_deref()?.split_once('.')?;
    let field = dataset.field(name).filter(|field| table == dataset.name && is_time(field))?;
    let oldest = match sla.property.as_str() {
        "freshness" | "latency" => false,
        "retention" => true,
        _ => return None,
    };
    let mut sql = Sql::lit("SELECT extract(epoch FROM clock_timestamp() - ");
    sql.push(if oldest { "min(" } else { "max(" }).append(&column(&field.column)).push(")::timestamptz) FROM ");
    sql.append(&place.table(dataset)).push(" AS t");
    Some(Check {
        rule: format!("{}.sla.{}.{}", dataset.name, sla.property, field.name),
        dataset: dataset.name.clone(),
        field: Some(field.name.clone()),
        severity: RuleSeverity::Warning,
        dimension: Some("timeliness".to_owned()),
        measure: Measure::Value(sql),
        expected: Expectation::LessOrEqual(seconds(sla)?),
    })
}

fn is_time(field: &Field) -> bool {
    matches!(field.logical, LogicalType::Date | LogicalType::Timestamp)
}

/// The value of a service level that is a time.
pub fn seconds(sla: &Sla) -> Option<f64> {
    let value = sla.value.as_f64().or_else(|| sla.value.as_str()?.trim().parse().ok())?;
    let unit = match sla.unit.as_deref()?.to_ascii_lowercase().as_str() {
        "s" | "second" | "seconds" => 1.0,
        "min" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 7.0 * 86_400.0,
        "m" | "month" | "months" => 30.0 * 86_400.0,
        "y" | "yr" | "year" | "years" => 365.0 * 86_400.0,
        _ => return None,
    };
    Some(value * unit)
}
