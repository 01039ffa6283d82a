//! Support: turns product folders into tables of a real Postgres, and compiled statements into answers from it.
#![allow(dead_code, clippy::unwrap_used)] // each test binary uses a part of it; a test may panic

pub mod lab;
pub mod naive;
pub mod random;
pub mod ways;

use async_compression::tokio::bufread::GzipDecoder;
use serde_json::{Map, Value};
use sqlx::postgres::{PgArguments, PgPool, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres, Row as _};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use terrane_manifest::{Connector, Dataset, InputPort, Layer, Product};
use terrane_policy::{DEFAULT_MODEL, Policy, RoleSet};
use terrane_query::{Access, Bind, DataSchema, RowSource, Source};
use tokio::io::AsyncReadExt as _;

/// A schema of ports as small as one can be.
pub const PORTS: &str =
    "type Query { product: ProductInfo } type ProductInfo { name: String! version(of: String): String }";

pub fn load(name: &str) -> Product {
    load_folder(&terrane_testkit::product_folder(name))
}

pub fn load_folder(folder: &Path) -> Product {
    let mut files = BTreeMap::new();
    read(folder, folder, &mut files);
    terrane_manifest::load(&files).unwrap_or_else(|e| panic!("{}", terrane_diagnostics::render_all(&e))).product
}

pub fn read(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(root, &path, files);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            files.insert(path.strip_prefix(root).unwrap().to_string_lossy().into_owned(), text);
        }
    }
}

pub fn schema(product: &Product) -> Arc<DataSchema> {
    Arc::new(DataSchema::build(product, PORTS).unwrap_or_else(|e| panic!("{}", terrane_diagnostics::render_all(&e))))
}

pub fn access(product: &Product, roles: &[&str]) -> Arc<Access> {
    let policy = Policy::new(DEFAULT_MODEL, &product.policy_lines()).unwrap();
    Arc::new(Access::compile(product, &policy, &RoleSet::new(roles.iter().copied())))
}

/// Rows that sqlx fetched.
pub struct Fetched {
    rows: Vec<PgRow>,
    next: usize,
}

impl RowSource for Fetched {
    fn advance(&mut self) -> bool {
        self.next += 1;
        self.next <= self.rows.len()
    }

    fn column(&self, index: usize) -> Option<&[u8]> {
        let value = self.rows[self.next - 1].try_get_raw(index).unwrap();
        value.as_bytes().ok()
    }
}

fn bind_all<'q>(mut query: Query<'q, Postgres, PgArguments>, binds: &[Bind]) -> Query<'q, Postgres, PgArguments> {
    for bind in binds.iter().cloned() {
        query = match bind {
            Bind::Text(v) => query.bind(v),
            Bind::Int8(v) => query.bind(v),
            Bind::Float8(v) => query.bind(v),
            Bind::Bool(v) => query.bind(v),
            Bind::TextArray(v) => query.bind(v),
            Bind::Int8Array(v) => query.bind(v),
            Bind::Float8Array(v) => query.bind(v),
            Bind::BoolArray(v) => query.bind(v),
        };
    }
    query
}

pub async fn fetch(pool: &PgPool, sql: &str, binds: &[Bind]) -> Fetched {
    let rows = bind_all(sqlx::query(AssertSqlSafe(sql.to_owned())), binds).fetch_all(pool).await;
    Fetched { rows: rows.unwrap_or_else(|e| panic!("{e}\n{sql}")), next: 0 }
}

/// Run an operation: its SQL, and its response (of the data port's fields).
pub async fn run(
    pool: Option<&PgPool>,
    schema: &Arc<DataSchema>,
    access: &Arc<Access>,
    text: &str,
    variables: &Map<String, Value>,
    claims: &Map<String, Value>,
) -> (String, Option<String>) {
    let failed = |errors: Vec<terrane_graphql::GraphqlError>| {
        Some(format!("{{\"errors\":{}}}", serde_json::to_string(&errors).unwrap()))
    };
    let planned = schema.prepare(text, None, access).and_then(|p| p.plan(Some(variables)));
    let (plan, values) = match planned {
        Ok(planned) => planned,
        Err(errors) => return ("-- no statement: the request is refused\n".to_owned(), failed(errors)),
    };
    let Some(statement) = &plan.statement else { return ("-- no statement\n".to_owned(), None) };
    let sql = statement.sql().map_or("-- no statement: nothing may be read", |text| text).to_owned();
    let bound = match statement.bind(&values, claims) {
        Ok(bound) => bound,
        Err(errors) => return (readable(&sql), failed(errors)),
    };
    let Some(pool) = pool else { return (readable(&sql), None) };
    let mut rows = match statement.sql() {
        Some(sql) => fetch(pool, sql, &bound.binds).await,
        None => Fetched { rows: Vec::new(), next: 0 },
    };
    let mut out = Vec::new();
    let errors = statement.write(&bound, &mut rows, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let data: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    for slot in plan.slots.iter().filter(|s| s.source == Source::Data) {
        assert!(data.get(&slot.key).is_some(), "{} is missing", slot.key);
    }
    let errors = if errors.is_empty() {
        String::new()
    } else {
        format!(",\"errors\":{}", serde_json::to_string(&errors).unwrap())
    };
    let response = format!("{{\"data\":{text}{errors}}}");
    (readable(&sql), Some(response))
}

/// Indent JSON without changing the order of its members.
pub fn indent(json: &str) -> String {
    let (mut out, mut depth, mut quoted, mut escaped) = (String::new(), 0usize, false, false);
    for (i, c) in json.char_indices() {
        if quoted {
            out.push(c);
            quoted = c != '"' || escaped;
            escaped = c == '\\' && !escaped;
            continue;
        }
        let closes = json[i + c.len_utf8()..].starts_with(['}', ']']);
        match c {
            '{' | '[' if !closes => {
                depth += 1;
                out.push(c);
                out.push('\n');
                out.push_str(&"  ".repeat(depth));
            }
            '}' | ']' => {
                if !json[..i].ends_with(['{', '[']) {
                    depth -= 1;
                    out.push('\n');
                    out.push_str(&"  ".repeat(depth));
                }
                out.push(c);
            }
            ',' => {
                out.push_str(",\n");
                out.push_str(&"  ".repeat(depth));
            }
            ':' => out.push_str(": "),
            '"' => {
                quoted = true;
                out.push(c);
            }
            other => out.push(other),
        }
    }
    out + "\n"
}

/// Break a statement into lines, for people who read snapshots.
fn readable(sql: &str) -> String {
    let mut text = sql.to_owned();
    for word in [" FROM ", " WHERE ", " GROUP BY ", " HAVING ", " ORDER BY ", " LIMIT ", " JOIN ", ", (SELECT "] {
        text = text.replace(word, &format!("\n{}", word.trim_start()));
    }
    text.replace(" LEFT\nJOIN ", "\nLEFT JOIN ") + "\n"
}

/// Fill `output` of a database with what a product's models make of its sample data.
pub async fn publish(pool: &PgPool, product: &Product) {
    let mut sql = String::from(
        "DROP SCHEMA IF EXISTS input, abstraction CASCADE; CREATE SCHEMA input; CREATE SCHEMA abstraction; CREATE SCHEMA IF NOT EXISTS output;",
    );
    for dataset in product.datasets() {
        sql.push_str(&create(dataset));
    }
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap();
    for port in &product.input_ports {
        let table = &product.dataset(Layer::Input, &port.dataset).unwrap().table;
        match &port.connector {
            Connector::File { path, .. } => {
                let mut bytes = std::fs::read(terrane_testkit::product_folder(&product.id).join(path)).unwrap();
                if path.ends_with(".gz") {
                    let mut unpacked = Vec::new();
                    GzipDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked).await.unwrap();
                    bytes = unpacked;
                }
                let header: String = String::from_utf8_lossy(&bytes).lines().next().unwrap().to_lowercase();
                let copy = format!("COPY input.{table} ({header}) FROM STDIN (FORMAT csv, HEADER)");
                let mut connection = pool.acquire().await.unwrap();
                let mut sink = connection.copy_in_raw(&copy).await.unwrap();
                sink.send(bytes).await.unwrap();
                sink.finish().await.unwrap();
            }
            Connector::Product { dataset, .. } => {
                let columns: Vec<String> = product
                    .dataset(Layer::Input, &port.dataset)
                    .unwrap()
                    .fields
                    .iter()
                    .map(|f| f.column.clone())
                    .collect();
                let columns = columns.join(", ");
                let sql = format!("INSERT INTO input.{table} ({columns}) SELECT {columns} FROM output.{dataset}");
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap();
            }
            _ => replay(pool, product, port).await,
        }
    }
    for model in &product.models {
        let start = match model.layer {
            Layer::Output => format!("INSERT INTO output.{} ", model.name),
            layer => format!("CREATE TABLE {}.{} AS ", layer.name(), model.name),
        };
        sqlx::raw_sql(AssertSqlSafe(format!("{start}{}", model.sql)))
            .execute(pool)
            .await
            .unwrap_or_else(|e| panic!("{}: {e}", model.file));
    }
}

/// The sample events of a port as rows of its table.
async fn replay(pool: &PgPool, product: &Product, port: &InputPort) {
    let Some((rules, path)) = port.events.as_ref().and_then(|rules| Some((rules, rules.replay.as_ref()?))) else {
        return;
    };
    let bytes = std::fs::read(terrane_testkit::product_folder(&product.id).join(path)).unwrap();
    let mut text = String::new();
    GzipDecoder::new(bytes.as_slice()).read_to_string(&mut text).await.unwrap();
    let row = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        let mut row = event["data"].clone();
        for (attribute, field) in &rules.attributes {
            row[field] = event[attribute.word()].clone();
        }
        row
    };
    let rows = Value::Array(text.lines().map(row).collect()).to_string();
    let dataset = product.dataset(Layer::Input, &port.dataset).unwrap();
    let table = &dataset.table;
    let sql =
        format!("INSERT INTO input.{table} SELECT * FROM jsonb_populate_recordset(NULL::input.{table}, $1::jsonb)");
    sqlx::query(AssertSqlSafe(sql)).bind(rows).execute(pool).await.unwrap();
}

pub fn create(dataset: &Dataset) -> String {
    let output = dataset.layer == Layer::Output;
    let columns = dataset
        .fields
        .iter()
        .map(|f| format!("\"{}\" {}{}", f.column, f.physical, if f.required && output { " NOT NULL" } else { "" }));
    let mut parts: Vec<String> = columns.collect();
    if output {
        let key: Vec<&str> = dataset.primary_key().iter().map(|f| f.column.as_str()).collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    format!("CREATE TABLE {}.{} ({});", dataset.layer.name(), dataset.table, parts.join(", "))
}
