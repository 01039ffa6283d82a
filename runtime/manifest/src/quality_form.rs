//! Forms of rules: turns a checked quality rule back into what the contract standard writes, for who changes it.

use crate::dataset::{Expectation, Metric, QualityRule, RuleCheck, RuleSeverity};
use serde_json::{Map, Value, json};

impl QualityRule {
    /// The rule as ODCS 3 writes it (`quality`). Read again, it is the same rule; what a rule says beside what is checked,
    /// such as tags, is not in it.
    pub fn form(&self) -> Value {
        let mut form = Map::new();
        let mut set = |key: &str, value: Value| form.insert(key.to_owned(), value);
        set("id", json!(self.id));
        let texts = [
            ("name", &self.name),
            ("description", &self.description),
            ("dimension", &self.dimension),
            ("businessImpact", &self.business_impact),
            ("schedule", &self.schedule),
        ];
        for (key, text) in texts {
            if let Some(text) = text {
                set(key, json!(text));
            }
        }
        let expected = match &self.check {
            RuleCheck::Text => {
                set("type", json!("text"));
                None
            }
            RuleCheck::Metric { metric, expected, percent } => {
                let (name, arguments) = metric_form(metric);
                set("metric", json!(name));
                if let Some(arguments) = arguments {
                    set("arguments", arguments);
                }
                if *percent {
                    set("unit", json!("percent"));
                }
                Some(expected)
            }
            RuleCheck::Sql { query, expected } => {
                set("type", json!("sql"));
                set("query", json!(query));
                Some(expected)
            }
        };
        if let Some((operator, value)) = expected.map(expectation_form) {
            set(operator, value);
            let severity = match self.severity {
                RuleSeverity::Error => "error",
                RuleSeverity::Warning => "warning",
                RuleSeverity::Info => "info",
            };
            set("severity", json!(severity));
        }
        Value::Object(form)
    }
}

fn metric_form(metric: &Metric) -> (&'static str, Option<Value>) {
    match metric {
        Metric::NullValues => ("nullValues", None),
        Metric::MissingValues(values) => ("missingValues", Some(json!({ "missingValues": values }))),
        Metric::InvalidValues { pattern, valid_values } => {
            let mut arguments = Map::new();
            if let Some(pattern) = pattern {
                arguments.insert("pattern".to_owned(), json!(pattern));
            }
            if !valid_values.is_empty() {
                arguments.insert("validValues".to_owned(), json!(valid_values));
            }
            ("invalidValues", Some(Value::Object(arguments)))
        }
        Metric::DuplicateValues(fields) => ("duplicateValues", Some(json!({ "properties": fields }))),
        Metric::RowCount => ("rowCount", None),
    }
}

fn expectation_form(expected: &Expectation) -> (&'static str, Value) {
    match expected {
        Expectation::Be(value) => ("mustBe", value.clone()),
        Expectation::NotBe(value) => ("mustNotBe", value.clone()),
        Expectation::GreaterThan(bound) => ("mustBeGreaterThan", json!(bound)),
        Expectation::GreaterOrEqual(bound) => ("mustBeGreaterOrEqualTo", json!(bound)),
        Expectation::LessThan(bound) => ("mustBeLessThan", json!(bound)),
        Expectation::LessOrEqual(bound) => ("mustBeLessOrEqualTo", json!(bound)),
        Expectation::Between(low, high) => ("mustBeBetween", json!([low, high])),
        Expectation::NotBetween(low, high) => ("mustNotBeBetween", json!([low, high])),
    }
}
