//! Measuring: turns a check into its number, a verdict and a sample of the rows that broke it.

use super::{Bind, Check, Measure};
use crate::PipelineError;
use crate::build::describe;
use serde_json::Value;
use sqlx::postgres::PgArguments;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, query::Query};
use terrane_manifest::{Expectation, RuleSeverity};
use terrane_sql::Sql;
use terrane_store::QualityResult;
use uuid::Uuid;

/// Rows that a sample names at most.
const SAMPLE: u64 = 5;

/// A measured check.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// For the records.
    pub result: QualityResult,
    /// Whether it stops the publish.
    pub blocks: bool,
}

/// Ask the tables over a connection of the pipeline's.
pub async fn measure(connection: &mut PgConnection, check: &Check, run: Uuid) -> Result<Outcome, PipelineError> {
    let failed = |error: sqlx::Error| {
        PipelineError::of_statement("measure a check", error, |error| {
            let (rule, dataset) = (&check.rule, &check.dataset);
            let message = format!("rule `{rule}` of `{dataset}` cannot be measured: {}", describe(error));
            PipelineError::Checks { rules: vec![rule.clone()], message }
        })
    };
    let (number, sample) = match &check.measure {
        Measure::Value(sql) => {
            let mut numeric = Sql::lit("SELECT (");
            numeric.append(sql).push(")::double precision");
            let value: Option<f64> = sqlx::query_scalar(AssertSqlSafe(numeric.into_string()))
                .fetch_one(&mut *connection)
                .await
                .map_err(failed)?;
            (value, Value::Array(Vec::new()))
        }
        Measure::Rows { table, condition, binds, key, percent } => {
            let mut sql = Sql::lit("SELECT count(*) FILTER (WHERE ");
            sql.append(condition).push(")::double precision, count(*)::double precision FROM ").append(table);
            let (broken, all): (f64, f64) = bind_all(sqlx::query_as(AssertSqlSafe(sql.into_string())), binds)
                .fetch_one(&mut *connection)
                .await
                .map_err(failed)?;
            let number = if *percent && all > 0.0 { broken * 100.0 / all } else { broken };
            let sample = if broken > 0.0 {
                let statement = sample_statement(table, condition, key);
                let rows = bind_query(sqlx::query(AssertSqlSafe(statement.into_string())), binds)
                    .fetch_one(&mut *connection)
                    .await
                    .map_err(failed)?;
                sqlx::Row::get::<Option<Value>, _>(&rows, 0).unwrap_or_else(|| Value::Array(Vec::new()))
            } else {
                Value::Array(Vec::new())
            };
            (Some(number), sample)
        }
    };
    let passed = number.is_some_and(|n| holds(&check.expected, n));
    let severity = match check.severity {
        RuleSeverity::Error => "error",
        RuleSeverity::Warning => "warning",
        RuleSeverity::Info => "info",
    };
    let result = QualityResult {
        run_id: run,
        rule: check.rule.clone(),
        dataset: check.dataset.clone(),
        field: check.field.clone(),
        severity: severity.to_owned(),
        dimension: check.dimension.clone(),
        status: if passed { "passed" } else { "failed" }.to_owned(),
        expected: say(&check.expected),
        measured: number.map_or_else(|| "no value".to_owned(), plain),
        sample,
    };
    Ok(Outcome { result, blocks: !passed && check.severity == RuleSeverity::Error })
}

/// The keys of a few rows that fulfil the condition, as a JSON array.
fn sample_statement(table: &Sql, condition: &Sql, key: &[String]) -> Sql {
    let mut sql = Sql::lit("SELECT jsonb_agg(s.k) FROM (SELECT jsonb_build_object(");
    for (i, name) in key.iter().enumerate() {
        sql.push(if i > 0 { ", " } else { "" }).string_literal(name).push(", t.").ident(name);
    }
    sql.push(") AS k FROM ").append(table).push(" WHERE ").append(condition);
    sql.push(" ORDER BY 1 LIMIT ").number(SAMPLE).push(") AS s");
    sql
}

type QueryAs<'q, O> = sqlx::query::QueryAs<'q, Postgres, O, PgArguments>;

fn bind_all<'q, O>(mut query: QueryAs<'q, O>, binds: &'q [Bind]) -> QueryAs<'q, O> {
    for bind in binds {
        query = match bind {
            Bind::Text(text) => query.bind(text),
            Bind::Texts(texts) => query.bind(texts),
        };
    }
    query
}

fn bind_query<'q>(mut query: Query<'q, Postgres, PgArguments>, binds: &'q [Bind]) -> Query<'q, Postgres, PgArguments> {
    for bind in binds {
        query = match bind {
            Bind::Text(text) => query.bind(text),
            Bind::Texts(texts) => query.bind(texts),
        };
    }
    query
}

/// Whether a measured number is as expected.
fn holds(expected: &Expectation, n: f64) -> bool {
    match expected {
        Expectation::Be(value) => value.as_f64() == Some(n),
        Expectation::NotBe(value) => value.as_f64() != Some(n),
        Expectation::GreaterThan(bound) => n > *bound,
        Expectation::GreaterOrEqual(bound) => n >= *bound,
        Expectation::LessThan(bound) => n < *bound,
        Expectation::LessOrEqual(bound) => n <= *bound,
        Expectation::Between(low, high) => n >= *low && n <= *high,
        Expectation::NotBetween(low, high) => n < *low || n > *high,
    }
}

/// The expectation in words.
fn say(expected: &Expectation) -> String {
    match expected {
        Expectation::Be(value) => format!("= {value}"),
        Expectation::NotBe(value) => format!("≠ {value}"),
        Expectation::GreaterThan(bound) => format!("> {}", plain(*bound)),
        Expectation::GreaterOrEqual(bound) => format!("≥ {}", plain(*bound)),
        Expectation::LessThan(bound) => format!("< {}", plain(*bound)),
        Expectation::LessOrEqual(bound) => format!("≤ {}", plain(*bound)),
        Expectation::Between(low, high) => format!("between {} and {}", plain(*low), plain(*high)),
        Expectation::NotBetween(low, high) => format!("not between {} and {}", plain(*low), plain(*high)),
    }
}

fn plain(n: f64) -> String {
    if n.fract() == 0.0 && n.abs() < 1e15 { format!("{n:.0}") } else { format!("{n:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_hold_at_their_bounds() {
        assert!(holds(&Expectation::Between(190.0, 260.0), 190.0));
        assert!(!holds(&Expectation::NotBetween(1.0, 2.0), 2.0));
        assert!(holds(&Expectation::Be(0.into()), 0.0));
        assert!(!holds(&Expectation::LessThan(5.0), 5.0));
        assert_eq!(say(&Expectation::LessThan(5.0)), "< 5");
        assert_eq!(plain(2.5), "2.500");
    }
}
