//! Model tests: turns `tests/*.yaml` into input rows, and the rows that the models must make of them.

use crate::dataset::Layer;
use crate::model::TableRef;
use crate::product::Product;
use crate::yaml::{Node, Source};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use terrane_diagnostics::{Diagnostic, Location};

/// Rows of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// The table.
    pub table: TableRef,
    /// Values by column; of a column that is left out, nothing is said.
    pub rows: Vec<Map<String, Value>>,
}

impl Rows {
    /// The columns that any of the rows names, in the order of their names.
    pub fn columns(&self) -> BTreeSet<&str> {
        self.rows.iter().flat_map(|row| row.keys().map(String::as_str)).collect()
    }
}

/// Rows that come in, and those that must come out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelTest {
    /// Path relative to the product folder.
    pub file: String,
    /// What it shows.
    pub description: Option<String>,
    /// Rows of input tables; a table that is not here is empty.
    pub given: Vec<Rows>,
    /// Rows that models must have, in any order, and no others.
    pub expect: Vec<Rows>,
}

/// Rows of one table in a test at most: a test is for people to read.
const MOST_ROWS: usize = 1_000;

/// Read a test.
pub(crate) fn read_model_test(path: &str, text: &str, findings: &mut Vec<Diagnostic>) -> Option<ModelTest> {
    let source = Source::new(path, text);
    let read = source.parse().map(|value| {
        let root = source.root(&value);
        root.expect_keys(&["description", "given", "expect"]);
        let test = ModelTest {
            file: path.to_owned(),
            description: root.text("description"),
            given: tables(&root, "given", &[Layer::Input]),
            expect: tables(&root, "expect", &[Layer::Abstraction, Layer::Output]),
        };
        if test.expect.is_empty() {
            root.error("MODEL_TEST", "the test expects nothing", "add `expect: {output.x: [{…}]}`");
        }
        test
    });
    findings.extend(source.into_findings());
    read
}

fn tables(root: &Node<'_>, key: &str, layers: &[Layer]) -> Vec<Rows> {
    let mut found = Vec::new();
    for (name, node) in root.entries(key) {
        let table = name.split_once('.').and_then(|(layer, table)| {
            let layer = Layer::parse(layer).filter(|layer| layers.contains(layer))?;
            Some(TableRef { layer, table: table.to_owned() })
        });
        let Some(table) = table else {
            let names: Vec<&str> = layers.iter().map(|layer| layer.name()).collect();
            node.error(
                "MODEL_TEST",
                format!("`{name}` is no table that `{key}` can speak of"),
                &format!("name tables as `LAYER.TABLE`, of layer {}", names.join(" or ")),
            );
            continue;
        };
        let items = node.items();
        if items.len() > MOST_ROWS {
            node.error(
                "MODEL_TEST",
                format!("`{name}` has {} rows, and {MOST_ROWS} are the most", items.len()),
                "keep the rows that show something",
            );
            continue;
        }
        let mut rows = Vec::with_capacity(items.len());
        for item in &items {
            match item.as_json() {
                Value::Object(row) => rows.push(row),
                _ => item.error("MODEL_TEST", "a row is a mapping", "write `{column: value, …}`"),
            }
        }
        found.push(Rows { table, rows });
    }
    found
}

/// Tests speak of tables and columns that there are.
pub(crate) fn check_tests(product: &Product, findings: &mut Vec<Diagnostic>) {
    for test in &product.model_tests {
        for rows in test.given.iter().chain(&test.expect) {
            let known: Option<Vec<&str>> = match rows.table.layer {
                Layer::Input => {
                    let dataset = product.inputs().find(|d| d.table == rows.table.table);
                    dataset.map(|d| d.fields.iter().map(|f| f.column.as_str()).collect())
                }
                Layer::Abstraction => {
                    let model = product.models.iter().find(|m| m.table() == rows.table);
                    model.map(|m| m.columns.iter().map(|c| c.name.as_str()).collect())
                }
                Layer::Output => {
                    let dataset = product.outputs().find(|d| d.table == rows.table.table);
                    dataset.map(|d| d.fields.iter().map(|f| f.column.as_str()).collect())
                }
            };
            let name = format!("{}.{}", rows.table.layer.name(), rows.table.table);
            let mut refuse = |message: String, hint: &str| {
                let finding = Diagnostic::error("MODEL_TEST", message).at(Location::new(test.file.as_str(), 1, 1));
                findings.push(finding.with_hint(hint));
            };
            let Some(known) = known else {
                refuse(format!("`{name}` is no table of the product"), "name an input table or a model");
                continue;
            };
            for column in rows.columns().into_iter().filter(|column| !known.contains(column)) {
                refuse(format!("`{name}` has no column `{column}`"), "use the names of the table's columns");
            }
        }
    }
}
