//! Checks: turns a contract into questions about a built table, and their answers into quality results.

mod derive;
mod measure;
mod rules;

pub use measure::{Outcome, measure};

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

/// All checks of a dataset: what its contract implies, then its quality rules.
pub fn checks(product: &Product, dataset: &Dataset) -> Vec<Check> {
    let mut checks = derive::derive(product, dataset);
    checks.extend(rules::rules(dataset));
    checks
}

/// The built table of a dataset, with the alias `t`.
fn table_of(dataset: &Dataset) -> Sql {
    let mut sql = Sql::new();
    sql.qualified("output_next", &dataset.table).push(" AS t");
    sql
}

/// `t."column"`.
fn column(name: &str) -> Sql {
    let mut sql = Sql::lit("t.");
    sql.ident(name);
    sql
}

/// `EXISTS` another row with the same values: the condition for duplicates.
fn duplicated(dataset: &Dataset, columns: &[&str]) -> Sql {
    let mut sql = Sql::lit("(");
    let list = |sql: &mut Sql, alias: &'static str| {
        for (i, name) in columns.iter().enumerate() {
            sql.push(if i > 0 { ", " } else { "" }).push(alias).ident(name);
        }
    };
    list(&mut sql, "t.");
    sql.push(") IN (SELECT ");
    list(&mut sql, "d.");
    sql.push(" FROM ").qualified("output_next", &dataset.table).push(" AS d GROUP BY ");
    list(&mut sql, "d.");
    sql.push(" HAVING count(*) > 1)");
    sql
}

/// Columns that name a row: the primary key, or the first column where there is none.
fn naming_columns(dataset: &Dataset) -> Vec<String> {
    let key: Vec<String> = dataset.primary_key().iter().map(|f| f.column.clone()).collect();
    if key.is_empty() { dataset.fields.iter().take(1).map(|f| f.column.clone()).collect() } else { key }
}
