//! Checks: turns a contract into questions about a built table, and their answers into quality results.

mod across;
mod derive;
mod measure;
mod rules;
mod sla;

pub use across::references;
pub use measure::{Outcome, measure};
pub use sla::seconds;

use terrane_manifest::{Dataset, Expectation, Product, RuleSeverity};
use terrane_sql::Sql;

/// A question whose answer is a number.
#[derive(Debug, Clone)]
pub struct Check {
    /// Stable name: a rule's id, or `DATASET.FIELD.required` and the like for what the contract implies.
    pub rule: String,
    /// Dataset.
    pub dataset: String,
    /// Field, for checks of one.
    pub field: Option<String>,
    /// What a failure does.
    pub severity: RuleSeverity,
    /// ODCS dimension.
    pub dimension: Option<String>,
    /// What is measured.
    pub measure: Measure,
    /// What it must be.
    pub expected: Expectation,
}

/// How a check's number is got.
#[derive(Debug, Clone)]
pub enum Measure {
    /// Rows of a table for which a condition holds; those rows are sampled. `binds` are its text binds.
    Rows {
        /// The table, with the alias `t`.
        table: Sql,
        /// The condition over `t`.
        condition: Sql,
        /// `$1…` of the condition.
        binds: Vec<Bind>,
        /// Columns that name a row in the sample.
        key: Vec<String>,
        /// Whether the number is a percentage of the table's rows.
        percent: bool,
    },
    /// A statement that gives one number.
    Value(Sql),
}

/// A value of a check's condition.
#[derive(Debug, Clone)]
pub enum Bind {
    /// Text.
    Text(String),
    /// List of texts.
    Texts(Vec<String>),
}

pub(crate) use derive::composite_keys;

/// All checks of a dataset within the product: what its contract implies, its quality rules, its service levels.
pub fn checks(product: &Product, dataset: &Dataset, place: &Place) -> Vec<Check> {
    let mut checks = derive::derive(product, dataset, place);
    checks.extend(rules::rules(dataset, place));
    checks.extend(sla::service_levels(product, dataset, place));
    checks
}

/// Where the rows are that are checked.
#[derive(Debug, Clone)]
pub struct Place {
    schema: &'static str,
    changed: Option<String>,
}

impl Place {
    /// What a run has built.
    pub fn built() -> Self {
        Self { schema: "output_next", changed: None }
    }

    /// What is published.
    pub fn published() -> Self {
        Self { schema: "output", changed: None }
    }

    /// What is published, of which only the rows in this table of `pg_temp` are new.
    pub fn changed(rows: String) -> Self {
        Self { schema: "output", changed: Some(rows) }
    }

    /// The same, with every row looked at.
    fn whole(&self) -> Self {
        Self { schema: self.schema, changed: None }
    }

    /// The whole table of a dataset.
    fn table(&self, dataset: &Dataset) -> Sql {
        let mut sql = Sql::new();
        sql.qualified(self.schema, &dataset.table);
        sql
    }

    /// The rows of a dataset that are looked at, with the alias `t`.
    fn rows(&self, dataset: &Dataset) -> Sql {
        let mut sql = match &self.changed {
            None => self.table(dataset),
            Some(rows) => {
                let mut sql = Sql::new();
                sql.qualified("pg_temp", rows);
                sql
            }
        };
        sql.push(" AS t");
        sql
    }
}

/// One broken rule in words: what was expected, what was measured, which rows.
pub fn describe(outcome: &Outcome) -> String {
    let result = &outcome.result;
    let mut text = format!("{}: expected {}, measured {}", result.rule, result.expected, result.measured);
    if result.sample.as_array().is_some_and(|rows| !rows.is_empty()) {
        text.push_str(&format!(", for example {}", result.sample));
    }
    text
}

/// `t."column"`.
fn column(name: &str) -> Sql {
    let mut sql = Sql::lit("t.");
    sql.ident(name);
    sql
}

/// `EXISTS` another row with the same values: the condition for duplicates.
fn duplicated(dataset: &Dataset, columns: &[&str], place: &Place) -> Sql {
    let mut sql = Sql::lit("(");
    let list = |sql: &mut Sql, alias: &'static str| {
        for (i, name) in columns.iter().enumerate() {
            sql.push(if i > 0 { ", " } else { "" }).push(alias).ident(name);
        }
    };
    list(&mut sql, "t.");
    sql.push(") IN (SELECT ");
    list(&mut sql, "d.");
    sql.push(" FROM ").append(&place.table(dataset)).push(" AS d");
    if let Some(changed) = &place.changed {
        sql.push(" WHERE (");
        list(&mut sql, "d.");
        sql.push(") IN (SELECT ");
        list(&mut sql, "c.");
        sql.push(" FROM ").qualified("pg_temp", changed).push(" AS c)");
    }
    sql.push(" GROUP BY ");
    list(&mut sql, "d.");
    sql.push(" HAVING count(*) > 1)");
    sql
}

/// Columns that name a row: the primary key, or the first column where there is none.
fn naming_columns(dataset: &Dataset) -> Vec<String> {
    let key: Vec<String> = dataset.primary_key().iter().map(|f| f.column.clone()).collect();
    if key.is_empty() { dataset.fields.iter().take(1).map(|f| f.column.clone()).collect() } else { key }
}
