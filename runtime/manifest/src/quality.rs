//! Quality: turns a contract's quality rules into checked ones with exactly one operator.

use crate::dataset::{Expectation, Metric, QualityRule, RuleCheck, RuleSeverity};
use crate::model::read_select;
use crate::yaml::Node;

const KEYS: &[&str] = &[
    "id",
    "name",
    "description",
    "type",
    "metric",
    "rule",
    "arguments",
    "query",
    "engine",
    "implementation",
    "mustBe",
    "mustNotBe",
    "mustBeGreaterThan",
    "mustBeGreaterOrEqualTo",
    "mustBeLessThan",
    "mustBeLessOrEqualTo",
    "mustBeBetween",
    "mustNotBeBetween",
    "unit",
    "dimension",
    "severity",
    "schedule",
    "scheduler",
    "method",
    "businessImpact",
    "tags",
    "authoritativeDefinitions",
    "customProperties",
];
const OPERATORS: &[&str] = &[
    "mustBe",
    "mustNotBe",
    "mustBeGreaterThan",
    "mustBeGreaterOrEqualTo",
    "mustBeLessThan",
    "mustBeLessOrEqualTo",
    "mustBeBetween",
    "mustNotBeBetween",
];
const DIMENSIONS: &[&str] =
    &["accuracy", "completeness", "conformity", "consistency", "coverage", "timeliness", "uniqueness"];

/// Read the `quality` list of `node`, which is the dataset `dataset` or its field `field`.
pub(crate) fn read_rules(node: &Node<'_>, dataset: &str, field: Option<&str>) -> Vec<QualityRule> {
    let place = field.map_or_else(|| dataset.to_owned(), |f| format!("{dataset}_{f}"));
    node.list("quality")
        .iter()
        .enumerate()
        .filter_map(|(i, rule)| read_rule(rule, field, &format!("{place}_rule_{}", i + 1)))
        .collect()
}

/// Read a rule that is not in a contract; it must have an id.
pub(crate) fn read_one_rule(node: &Node<'_>, field: Option<&str>) -> Option<QualityRule> {
    let id = node.require_text("id");
    read_rule(node, field, &id)
}

fn read_rule(rule: &Node<'_>, field: Option<&str>, default_id: &str) -> Option<QualityRule> {
    rule.expect_keys(KEYS);
    rule.check_custom();
    let dimension = rule.text("dimension");
    if let Some(word) = dimension.as_deref().filter(|d| !DIMENSIONS.contains(d)) {
        rule.error(
            "QUALITY_DIMENSION",
            format!("{} has the unknown dimension `{word}`", rule.path()),
            &format!("use one of {}", DIMENSIONS.join(", ")),
        );
    }
    let severity = match rule.text("severity").as_deref() {
        None | Some("error") => RuleSeverity::Error,
        Some("warning") => RuleSeverity::Warning,
        Some("info") => RuleSeverity::Info,
        Some(other) => {
            rule.error(
                "QUALITY_SEVERITY",
                format!("{} has the unknown severity `{other}`", rule.path()),
                "use error, warning or info",
            );
            RuleSeverity::Error
        }
    };
    let check = read_check(rule, field)?;
    Some(QualityRule {
        id: rule.text("id").unwrap_or_else(|| default_id.to_owned()),
        name: rule.text("name"),
        description: rule.text("description"),
        field: field.map(str::to_owned),
        severity: if check == RuleCheck::Text { RuleSeverity::Info } else { severity },
        check,
        dimension,
        business_impact: rule.text("businessImpact"),
        schedule: rule.text("schedule"),
    })
}

fn read_check(rule: &Node<'_>, field: Option<&str>) -> Option<RuleCheck> {
    match rule.text("type").as_deref().unwrap_or("library") {
        "text" => Some(RuleCheck::Text),
        "library" => Some(RuleCheck::Metric {
            metric: read_metric(rule, field)?,
            expected: read_expectation(rule)?,
            percent: rule.text("unit").is_some_and(|u| u == "percent"),
        }),
        "sql" => {
            let query = rule.require_text("query");
            let text = fill_placeholders(&query, "output.t", "c");
            for problem in read_select(&text).err().into_iter().flatten() {
                rule.error(
                    "QUALITY_SQL",
                    format!("the query of {} {}", rule.path(), problem.message()),
                    "write one SELECT that gives one number; `{object}` is the table, `{property}` the column",
                );
            }
            Some(RuleCheck::Sql { query, expected: read_expectation(rule)? })
        }
        other => {
            rule.error(
                "QUALITY_TYPE",
                format!("{} has the type `{other}`, which is not supported", rule.path()),
                "use text, library or sql",
            );
            None
        }
    }
}

/// Put `table` and `column` where a rule's query says `{object}`, `{property}`, `${table}` or `${column}`. Both must be
/// written as SQL (quoted identifiers).
pub fn fill_placeholders(query: &str, table: &str, column: &str) -> String {
    query
        .trim()
        .trim_end_matches(';')
        .replace("${table}", table)
        .replace("${object}", table)
        .replace("{object}", table)
        .replace("${column}", column)
        .replace("${property}", column)
        .replace("{property}", column)
}

fn read_metric(rule: &Node<'_>, field: Option<&str>) -> Option<Metric> {
    let Some(name) = rule.text("metric").or_else(|| rule.text("rule")) else {
        rule.error(
            "MANIFEST_MISSING_FIELD",
            format!("{} has no `metric`", rule.path()),
            "name a metric, or set `type: text` or `type: sql`",
        );
        return None;
    };
    let arguments = rule.get("arguments");
    let values = |key: &str| -> Vec<serde_json::Value> {
        arguments.as_ref().map_or_else(Vec::new, |a| a.list(key).iter().map(Node::as_json).collect())
    };
    let metric = match name.as_str() {
        "rowCount" => Metric::RowCount,
        "duplicateValues" => {
            let fields = arguments.as_ref().map_or_else(Vec::new, |a| a.texts("properties"));
            Metric::DuplicateValues(if fields.is_empty() {
                field.map(str::to_owned).into_iter().collect()
            } else {
                fields
            })
        }
        "nullValues" => Metric::NullValues,
        "missingValues" => Metric::MissingValues(values("missingValues")),
        "invalidValues" => Metric::InvalidValues {
            pattern: arguments.as_ref().and_then(|a| a.text("pattern")),
            valid_values: values("validValues"),
        },
        other => {
            rule.error(
                "QUALITY_METRIC",
                format!("{} has the unknown metric `{other}`", rule.path()),
                "use rowCount, nullValues, missingValues, invalidValues or duplicateValues",
            );
            return None;
        }
    };
    let on_dataset = matches!(metric, Metric::RowCount);
    let needs_field = matches!(metric, Metric::NullValues | Metric::MissingValues(_) | Metric::InvalidValues { .. });
    if (on_dataset && field.is_some()) || (needs_field && field.is_none()) || metric == Metric::DuplicateValues(vec![])
    {
        rule.error(
            "QUALITY_METRIC",
            format!("{}: `{name}` cannot be checked here", rule.path()),
            "rowCount belongs to a dataset, null/missing/invalidValues to a field, duplicateValues needs fields",
        );
        return None;
    }
    if matches!(&metric, Metric::InvalidValues { pattern: None, valid_values } if valid_values.is_empty()) {
        rule.error(
            "QUALITY_METRIC",
            format!("{} does not say which values are valid", rule.path()),
            "add `arguments: {pattern: …}` or `arguments: {validValues: […]}`",
        );
        return None;
    }
    Some(metric)
}

fn read_expectation(rule: &Node<'_>) -> Option<Expectation> {
    let given: Vec<&str> = OPERATORS.iter().copied().filter(|o| rule.has(o)).collect();
    let [operator] = given.as_slice() else {
        rule.error(
            "QUALITY_OPERATOR",
            format!("{} has {} operators instead of one", rule.path(), given.len()),
            &format!("use exactly one of {}", OPERATORS.join(", ")),
        );
        return None;
    };
    match *operator {
        "mustBe" => rule.json(operator).map(Expectation::Be),
        "mustNotBe" => rule.json(operator).map(Expectation::NotBe),
        "mustBeGreaterThan" => rule.number(operator).map(Expectation::GreaterThan),
        "mustBeGreaterOrEqualTo" => rule.number(operator).map(Expectation::GreaterOrEqual),
        "mustBeLessThan" => rule.number(operator).map(Expectation::LessThan),
        "mustBeLessOrEqualTo" => rule.number(operator).map(Expectation::LessOrEqual),
        between => {
            let bounds: Vec<f64> = rule.list(between).iter().filter_map(Node::as_number).collect();
            let &[low, high] = bounds.as_slice() else {
                rule.error(
                    "QUALITY_OPERATOR",
                    format!("`{between}` of {} needs two numbers", rule.path()),
                    "write the smaller number first: [1, 5]",
                );
                return None;
            };
            if low > high {
                rule.error(
                    "QUALITY_OPERATOR",
                    format!("{}: {low} is above {high}", rule.path()),
                    "smaller number first",
                );
            }
            Some(if between == "mustBeBetween" {
                Expectation::Between(low, high)
            } else {
                Expectation::NotBetween(low, high)
            })
        }
    }
}
