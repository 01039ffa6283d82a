//! Quality: turns rules and the results of the latest checks into rows and one sentence.

use crate::measured::{found, result};
use crate::model::{Check, Status};
use crate::said::{DatasetInfo, ProductInfo, QualityResult, QualityRuleInfo};
use crate::text::{count, moment};

/// All checks in one sentence, and each rule with its result. Rules that follow from types and keys of the contract are
/// one row a dataset while they hold, and one row each where they don't.
pub(crate) fn quality(info: &ProductInfo) -> (Status, Vec<Check>) {
    let checks = info.datasets.iter().flat_map(|dataset| {
        let results: Vec<&QualityResult> = info.quality_results.iter().filter(|r| r.dataset == dataset.name).collect();
        let written = dataset.quality_rules.iter().map(|rule| written(dataset, rule, &results)).collect::<Vec<_>>();
        let derived = derived(dataset, &results);
        written.into_iter().chain(derived)
    });
    (summary(info), checks.collect())
}

fn summary(info: &ProductInfo) -> Status {
    let results = &info.quality_results;
    if results.is_empty() {
        return Status::new("not checked yet", "muted");
    }
    let missed = |severity: &str| results.iter().filter(|r| !r.passed && r.severity == severity).count() as i64;
    let passed = results.iter().filter(|r| r.passed).count() as i64;
    let (failed, warned) = (missed("error"), missed("warning"));
    let mut text = format!("{passed} of {} passed", count(results.len() as i64, "check", "checks"));
    for (number, one, many) in [(failed, "failure", "failures"), (warned, "warning", "warnings")] {
        if number > 0 {
            text.push_str(&format!(", {}", count(number, one, many)));
        }
    }
    let published = info.updated_at.as_deref().and_then(moment);
    let day = published.and_then(|m| m.text.split_once(',').map(|(day, _)| day.to_owned()));
    if let (Some(day), 0) = (day, failed) {
        text.push_str(&format!(", on {day}"));
    }
    Status::new(
        text,
        if failed > 0 {
            "bad"
        } else if warned > 0 {
            "warn"
        } else {
            "good"
        },
    )
}

fn consequence(severity: &str) -> String {
    match severity {
        "error" => "Not published",
        "warning" => "Flagged",
        _ => "Nothing",
    }
    .to_owned()
}

fn on(dataset: &str, field: Option<&str>) -> String {
    field.map_or_else(|| dataset.to_owned(), |field| format!("{dataset}.{field}"))
}

fn written(dataset: &DatasetInfo, rule: &QualityRuleInfo, results: &[&QualityResult]) -> Check {
    let measured = results.iter().find(|r| r.rule == rule.id && r.field == rule.field);
    let (status, found) = match measured {
        Some(measured) => (result(measured), found(measured)),
        None if rule.kind == "text" => (Status::new("for people", "muted"), String::new()),
        None => (Status::new("not checked", "muted"), String::new()),
    };
    Check {
        rule: rule.description.clone().unwrap_or_else(|| rule.id.clone()),
        on: on(&dataset.name, rule.field.as_deref()),
        dimension: rule.dimension.clone().unwrap_or_default(),
        consequence: consequence(&rule.severity),
        result: status,
        found,
    }
}

fn derived(dataset: &DatasetInfo, results: &[&QualityResult]) -> Vec<Check> {
    let is_written = |r: &QualityResult| dataset.quality_rules.iter().any(|q| q.id == r.rule && q.field == r.field);
    let (held, broken): (Vec<&QualityResult>, Vec<&QualityResult>) =
        results.iter().copied().filter(|r| !is_written(r)).partition(|r| r.passed);
    let mut rows: Vec<Check> = broken
        .into_iter()
        .map(|r| Check {
            rule: r.rule.clone(),
            on: on(&r.dataset, r.field.as_deref()),
            dimension: r.dimension.clone().unwrap_or_default(),
            consequence: consequence(&r.severity),
            result: result(r),
            found: found(r),
        })
        .collect();
    if !held.is_empty() {
        let number = count(held.len() as i64, "constraint", "constraints");
        rows.push(Check {
            rule: format!("{number} of the contract: required, unique, keys, patterns, references"),
            on: dataset.name.clone(),
            dimension: String::new(),
            consequence: consequence("error"),
            result: Status::new("passed", "good"),
            found: "0".to_owned(),
        });
    }
    rows
}
