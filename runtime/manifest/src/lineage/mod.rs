//! Lineage: turns the text of models into which column is made from which, and checks it against the contracts.
//!
//! Names are resolved as Postgres does it, scope by scope: through select lists, CTEs, subqueries, joins, set operations,
//! windows and functions. What a value is computed from is *direct*; what decides whether its row is there (conditions,
//! joins, groups) is *indirect*.

mod compare;
mod expression;
mod from;
mod local;
mod resolve;
mod scope;

pub use compare::Origins;
pub use local::Driver;

use crate::dataset::Layer;
use crate::materialization::Materialization;
use crate::model::{Model, TableRef};
use crate::product::Product;
use resolve::Resolver;
use scope::Derived;
use sqlparser::ast::{Query, Statement};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use terrane_diagnostics::{Diagnostic, Location};

/// A column of a table in a layer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnRef {
    /// Its table.
    pub table: TableRef,
    /// Its name.
    pub column: String,
}

impl fmt::Display for ColumnRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.table.layer.name(), self.table.table, self.column)
    }
}

/// A column of a model, and what its SELECT makes it from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnLineage {
    /// Its name.
    pub name: String,
    /// Columns that its value is computed from.
    pub direct: BTreeSet<ColumnRef>,
    /// Columns that decide which rows there are.
    pub indirect: BTreeSet<ColumnRef>,
}

/// The columns of the tables that a model may read, where they are known.
pub(crate) type Tables = BTreeMap<TableRef, Vec<String>>;

/// Columns that every input table has beside those of its contract.
const INPUT_COLUMNS: [&str; 2] = ["_batch", "_position"];

/// Give each model its columns, and each incremental one its driver; what cannot be so goes to `findings`.
pub(crate) fn analyze(product: &mut Product, findings: &mut Vec<Diagnostic>) {
    let mut tables = Tables::new();
    for dataset in product.inputs() {
        let columns = dataset.fields.iter().map(|f| f.column.clone());
        let columns = columns.chain(INPUT_COLUMNS.map(str::to_owned)).collect();
        tables.insert(TableRef { layer: Layer::Input, table: dataset.table.clone() }, columns);
    }
    let promised: Tables = product
        .outputs()
        .map(|d| {
            let columns = d.fields.iter().map(|f| f.column.clone()).collect();
            (TableRef { layer: Layer::Output, table: d.table.clone() }, columns)
        })
        .collect();
    let queries: Vec<Option<Query>> = product.models.iter().map(|model| parse(&model.sql)).collect();
    let mut views: BTreeMap<TableRef, &Query> = BTreeMap::new();
    for (model, query) in product.models.iter_mut().zip(&queries) {
        let (table, Some(query)) = (model.table(), query) else { continue };
        let mut resolver = Resolver::new(&tables);
        let derived = resolver.query(query, &[], None);
        report(model, &derived, &resolver, promised.get(&table), findings);
        model.columns = columns_of(&derived);
        model.is_steady = local::unsteady_calls(query).is_empty();
        model.samples = local::samples(query);
        if let Materialization::Incremental { key } = &model.materialization {
            match local::driver(query, key, &tables, &views) {
                Ok(driver) => model.driver = Some(driver),
                Err(reason) => findings.push(
                    Diagnostic::error("MODEL_INCREMENTAL", format!("`{}` cannot be incremental: {reason}", model.file))
                        .at(Location::new(model.file.as_str(), 1, 1))
                        .with_hint("docs/models.md says what an incremental model may do; or let it be a table"),
                ),
            }
        }
        if model.materialization == Materialization::View {
            views.insert(table.clone(), query);
        }
        let known = promised.get(&table).cloned();
        let own = || derived.columns.iter().map(|c| c.name.clone()).collect();
        if let Some(columns) = known.or_else(|| derived.open.is_none().then(own)) {
            tables.insert(table, columns);
        }
    }
    compare::compare(product, findings);
}

fn parse(sql: &str) -> Option<Query> {
    match Parser::parse_sql(&PostgreSqlDialect {}, sql).ok()?.pop()? {
        Statement::Query(query) => Some(*query),
        _ => None,
    }
}

fn columns_of(derived: &Derived) -> Vec<ColumnLineage> {
    let column = |column: &scope::Column| ColumnLineage {
        name: column.name.clone(),
        direct: column.sources.direct.clone(),
        indirect: column.sources.indirect.union(&derived.indirect).cloned().collect(),
    };
    derived.columns.iter().map(column).collect()
}

fn report(
    model: &Model,
    derived: &Derived,
    resolver: &Resolver<'_>,
    promised: Option<&Vec<String>>,
    findings: &mut Vec<Diagnostic>,
) {
    let place = || Location::new(model.file.as_str(), 1, 1);
    if resolver.is_exhausted() {
        findings.push(
            Diagnostic::error(
                "MODEL_SQL",
                format!("`{}` has more queries and columns than can be looked through", model.file),
            )
            .at(place())
            .with_hint("split it into several models, and name columns in place of `*`"),
        );
        return;
    }
    for name in &resolver.unknown {
        findings.push(
            Diagnostic::warning(
                "MODEL_COLUMN",
                format!("`{}` names `{name}`, which nothing has that it reads", model.file),
            )
            .at(place())
            .with_hint("correct the name, or put the relation's alias in front of it"),
        );
    }
    if derived.open.is_some() && resolver.unknown_stars {
        findings.push(
            Diagnostic::error(
                "MODEL_STAR",
                format!("`{}` selects `*` of what only a run knows the columns of", model.file),
            )
            .at(place())
            .with_hint("name the columns, or give the function in FROM an alias with columns: `AS t (a, b)`"),
        );
    }
    let missing = |name: &&String| derived.open.is_none() && !derived.columns.iter().any(|c| c.name == **name);
    for name in promised.into_iter().flatten().filter(missing) {
        findings.push(
            Diagnostic::error(
                "MODEL_COLUMN",
                format!("`{}` has no column `{name}`, which its contract promises", model.file),
            )
            .at(place())
            .with_hint("select it under that name, or change the contract"),
        );
    }
}

#[cfg(test)]
mod tests;
