//! Matrix: every type, field and role, in every way of use that the schema has: what a role may not see is in no answer, no
//! error and no SQL, and decides nothing. Two fillings of the same tables differ in exactly that; their answers must be the
//! same bytes.
#![allow(clippy::unwrap_used)] // a test may panic

mod support;

use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use support::ways::{Guesses, Way, ways};
use support::{access, create, fetch, load, load_folder};
use terrane_manifest::{Dataset, DateUnit, Field, LogicalType, Mask, PgType, Product};
use terrane_query::{Access, DataSchema, ExportRequest, Prepared, Reading, RowSource as _};

const ROWS: usize = 8;
const SALT: &str = "0123456789abcdef0123456789abcdef";

/// Which of the two fillings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filling {
    A,
    B,
}

/// A value as SQL text, and what of it can be recognised in an answer.
struct Made {
    text: Option<String>,
    trace: Option<String>,
}

/// Values to try: a row's that is there, and secrets of filling A.
struct Secrets;

impl Guesses for Secrets {
    fn of(&self, scalar: &str) -> Vec<Value> {
        match scalar {
            "String" | "ID" => vec![json!("k1"), json!(secret_text(Filling::A, 1)), json!("%SECRET-A%")],
            "Int" => vec![json!(1), json!(31_201)],
            "BigInt" => vec![json!("1"), json!("736450001")],
            "Float" => vec![json!(1.5), json!(736_450_001.25)],
            "Decimal" => vec![json!("1.5"), json!("736450001.25")],
            "Boolean" => vec![json!(true), json!(false)],
            "Date" => vec![json!("2020-01-02"), json!("1777-01-11")],
            "DateTime" => vec![json!("2020-01-02T03:04:05Z"), json!("1777-01-11T07:07:07Z")],
            "Time" => vec![json!("10:00:01"), json!("17:17:01")],
            "UUID" => vec![json!(uuid("0000", 1)), json!(uuid("5ec0", 1))],
            "JSON" => vec![json!({"i": 1}), json!({"s": secret_text(Filling::A, 1)})],
            other => panic!("no guesses for {other}: a new scalar needs its secrets"),
        }
    }
}

fn secret_text(filling: Filling, n: usize) -> String {
    // of different lengths, as a mask must not tell the length either
    format!("SECRET-{filling:?}{}-{n}", if filling == Filling::A { "" } else { "-longer" })
}

fn uuid(start: &str, n: usize) -> String {
    format!("{start}0000-0000-4000-8000-{n:012}")
}

fn list_of(field: &Field, item: &str) -> String {
    if field.physical.array { format!("{{{}}}", serde_json::Value::from(item)) } else { item.to_owned() }
}

/// The JSON of a field that has a shape, with these texts and numbers in it; `None` for other fields.
fn shaped(field: &Field, text: &str, number: usize) -> Option<Value> {
    let nested = field.nested.as_ref()?;
    let member = |f: &Field| {
        let value = shaped(f, text, number).unwrap_or_else(|| match f.physical.base {
            PgType::Text if f.physical.array => json!([text]),
            PgType::Text => json!(text),
            PgType::Bool => json!(number.is_multiple_of(2)),
            PgType::Date => json!(format!("2020-01-{:02}", 1 + number % 28)),
            PgType::Time => json!(format!("10:00:{:02}", number % 60)),
            PgType::Timestamp | PgType::Timestamptz => json!(format!("2020-01-{:02}T00:00:00Z", 1 + number % 28)),
            PgType::Uuid => json!(uuid("0000", number)),
            PgType::Json | PgType::Jsonb => json!({ "text": text }),
            _ => json!(number),
        });
        (f.column.clone(), value)
    };
    let object = Value::Object(nested.fields.iter().map(member).collect());
    let list = field.logical == LogicalType::Array && !field.physical.array;
    Some(if list { json!([object]) } else { object })
}

/// What everybody who may read the field sees in row `n`: the same in both fillings.
fn open(field: &Field, n: usize) -> Made {
    let text = match field.physical.base {
        _ if !field.enumeration.is_empty() => field.enumeration[n % field.enumeration.len()].value.clone(),
        PgType::Text | PgType::Varchar | PgType::Char => format!("k{n}"),
        PgType::Int2 | PgType::Int4 | PgType::Int8 => n.to_string(),
        PgType::Float4 | PgType::Float8 | PgType::Numeric => format!("{n}.5"),
        PgType::Bool => n.is_multiple_of(2).to_string(),
        PgType::Date => format!("2020-01-{:02}", 1 + n),
        PgType::Time => format!("10:00:{n:02}"),
        PgType::Timestamp | PgType::Timestamptz => format!("2020-01-{:02}T03:04:05Z", 1 + n),
        PgType::Uuid => uuid("0000", n),
        PgType::Json | PgType::Jsonb => {
            shaped(field, &format!("k{n}"), n).unwrap_or_else(|| json!({ "i": n })).to_string()
        }
    };
    Made { text: Some(list_of(field, &text)), trace: None }
}

/// What a role may not see of row `n`. Under a mask the two fillings differ in what the mask hides.
fn hidden(field: &Field, n: usize, filling: Filling, mask: Option<&Mask>) -> Made {
    let b = usize::from(filling == Filling::B);
    let traced = |text: String| Made { trace: Some(text.clone()), text: Some(text) };
    match mask {
        Some(Mask::Partial { first, last }) => {
            let (first, last) = ("p".repeat(*first as usize), "q".repeat(*last as usize));
            let secret = secret_text(filling, n);
            return Made { text: Some(format!("{first}{secret}{last}")), trace: Some(secret) };
        }
        Some(Mask::Width(width)) => {
            let width = width.as_f64().unwrap();
            let inside = if b == 0 { width * 0.25 } else { width * 0.75 };
            let value = width * (10 + n) as f64 + inside;
            return traced(if field.physical.base == PgType::Numeric {
                format!("{value:.3}")
            } else {
                value.to_string()
            });
        }
        Some(Mask::Unit(unit)) => {
            let (text, trace) = match unit {
                DateUnit::Hour => (format!("2001-02-03T04:{}:57Z", 11 + b), format!(":{}:57", 11 + b)),
                DateUnit::Day => (format!("2001-02-03T{}:21:57Z", 13 + b), format!("{}:21", 13 + b)),
                DateUnit::Month => (format!("2001-02-1{b}"), format!("2001-02-1{b}")),
                DateUnit::Year => (format!("2001-1{b}-27"), format!("-1{b}-27")),
            };
            return Made { text: Some(text), trace: Some(trace) };
        }
        // a hash of two values is two hashes: that it is one of the value is another test's
        Some(Mask::Hash) if field.physical.base == PgType::Uuid => return traced(uuid("5ec0", n)),
        Some(Mask::Hash) => return traced(secret_text(Filling::A, n)),
        Some(Mask::Null) | None => {}
    }
    let quoted = |text: String| Made { text: Some(list_of(field, &text)), trace: Some(text) };
    match field.physical.base {
        _ if !field.enumeration.is_empty() => {
            Made { text: Some(field.enumeration[(n + b) % field.enumeration.len()].value.clone()), trace: None }
        }
        // absent in one and there in the other
        _ if !field.required && field.key_position.is_none() && n % 4 == 3 && b == 1 => {
            Made { text: None, trace: None }
        }
        PgType::Char => Made { text: Some(if b == 0 { "x" } else { "y" }.to_owned()), trace: None },
        PgType::Text | PgType::Varchar => quoted(secret_text(filling, n)),
        PgType::Int2 | PgType::Int4 => quoted((31_200 + 100 * b + n).to_string()),
        PgType::Int8 => quoted((736_450_000 + 1000 * b + n).to_string()),
        PgType::Float4 => quoted(format!("{}.25", 73_640 + 10 * b + n)),
        PgType::Float8 | PgType::Numeric => quoted(format!("{}.25", 736_450_000 + 1000 * b + n)),
        PgType::Bool => Made { text: Some((b == 0).to_string()), trace: None },
        PgType::Date => quoted(format!("1777-0{}-{:02}", 1 + b, 10 + n)),
        PgType::Time => quoted(format!("17:1{}:{n:02}", 7 + b)),
        PgType::Timestamp | PgType::Timestamptz => Made {
            text: Some(format!("1777-0{}-{:02}T07:07:07Z", 1 + b, 10 + n)),
            trace: Some(format!("1777-0{}-{:02}", 1 + b, 10 + n)),
        },
        PgType::Uuid => quoted(uuid(if b == 0 { "5ec0" } else { "5ec1" }, n)),
        PgType::Json | PgType::Jsonb => {
            let secret = secret_text(filling, n);
            let value = shaped(field, &secret, 31_200 + 100 * b + n).unwrap_or_else(|| json!({ "s": secret }));
            Made { text: Some(list_of(field, &value.to_string())), trace: Some(secret) }
        }
    }
}

struct Lab {
    /// One database for each filling.
    pools: [PgPool; 2],
    product: Product,
    schema: Arc<DataSchema>,
    ways: Vec<Way>,
}

const FILLINGS: [Filling; 2] = [Filling::A, Filling::B];

impl Lab {
    async fn new(product: Product) -> Self {
        let tables: String = product.outputs().map(create).collect();
        let mut pools = Vec::new();
        for _ in FILLINGS {
            let pool = PgPool::connect(&terrane_testkit::fresh_database().await).await.unwrap();
            let sql = format!("CREATE SCHEMA output; {tables}");
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
            pools.push(pool);
        }
        let schema = DataSchema::build(&product, support::PORTS).unwrap().with_mask_salt(SALT);
        let ways = ways(&schema.full_sdl(), &Secrets);
        Self { pools: pools.try_into().unwrap(), schema: Arc::new(schema), ways, product }
    }

    /// The row of the target that row `n` refers to by `field`; the row itself where it refers to none.
    fn row_of(&self, dataset: &Dataset, field: &Field, n: usize) -> usize {
        let refers = dataset.relationships.iter().any(|r| r.fields.contains(&field.name));
        let grouped = field.key_position.is_none() && dataset.second_keys.iter().all(|key| !key.contains(&field.name));
        if refers {
            (n * 3 + 1) % ROWS
        } else if grouped {
            n % 3
        } else {
            n
        }
    }

    /// Fill the tables for a role: what it may see is the same in both fillings, the rest is not.
    async fn fill(&self, role: &Access, filtered: bool, filling: Filling) -> BTreeSet<String> {
        let mut traces = BTreeSet::new();
        for dataset in self.product.outputs() {
            let has_tenant = filtered && dataset.field("tenant").is_some();
            // filling B has rows of others that A has not
            let rows = if has_tenant && filling == Filling::B { ROWS + 3 } else { ROWS };
            let mut values: Vec<Vec<Option<String>>> = vec![Vec::new(); dataset.fields.len()];
            for n in 0..rows {
                let foreign = has_tenant && (n % 2 == 1 || n >= ROWS);
                for (field, column) in dataset.fields.iter().zip(&mut values) {
                    let object = dataset.policy_object(field);
                    let made = match role.reading(&object) {
                        _ if field.name == "tenant" && filtered => {
                            Made { text: Some(if foreign { "t2" } else { "t1" }.to_owned()), trace: None }
                        }
                        _ if foreign => hidden(field, n, filling, None),
                        Reading::Clear => open(field, self.row_of(dataset, field, n)),
                        Reading::Masked(mask) => hidden(field, n, filling, Some(mask)),
                        Reading::Denied => hidden(field, n, filling, None),
                    };
                    traces.extend(made.trace);
                    column.push(made.text);
                }
            }
            Self::insert(&self.pools[filling as usize], dataset, values).await;
        }
        traces
    }

    async fn insert(pool: &PgPool, dataset: &Dataset, values: Vec<Vec<Option<String>>>) {
        let columns: Vec<String> =
            dataset.fields.iter().enumerate().map(|(i, f)| format!("c{i}::{}", f.physical)).collect();
        let arrays: Vec<String> = (1..=values.len()).map(|i| format!("${i}::text[]")).collect();
        let names: Vec<String> = (0..values.len()).map(|i| format!("c{i}")).collect();
        let table = format!("output.{}", dataset.table);
        sqlx::query(AssertSqlSafe(format!("TRUNCATE {table}"))).execute(pool).await.unwrap();
        let sql = format!(
            "INSERT INTO {table} SELECT {} FROM unnest({}) AS u({})",
            columns.join(", "),
            arrays.join(", "),
            names.join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for column in values {
            query = query.bind(column);
        }
        query.execute(pool).await.unwrap_or_else(|e| panic!("{}: {e}", dataset.name));
    }

    /// What a way gives in both fillings: SQL, data and errors.
    async fn answers(&self, prepared: &Prepared, way: &Way, claims: &Map<String, Value>) -> [String; 2] {
        let failed = |errors: Vec<terrane_graphql::GraphqlError>| {
            assert!(errors.iter().all(|e| !e.code().is_empty()), "{}: {errors:?}", way.label);
            let text = serde_json::to_string(&errors).unwrap();
            [text.clone(), text]
        };
        let (plan, values) = match prepared.plan(Some(&way.variables)) {
            Ok(planned) => planned,
            Err(errors) => return failed(errors),
        };
        let statement = plan.statement.as_ref().unwrap();
        let bound = match statement.bind(&values, claims) {
            Ok(bound) => bound,
            Err(errors) => return failed(errors),
        };
        let sql = statement.sql().map_or("SELECT WHERE FALSE", |text| text);
        let mut answers = [const { String::new() }; 2];
        for (pool, answer) in self.pools.iter().zip(&mut answers) {
            let mut rows = fetch(pool, sql, &bound.binds).await;
            let mut data = Vec::new();
            let errors = statement.write(&bound, &mut rows, &mut data).unwrap();
            let (data, errors) = (String::from_utf8(data).unwrap(), serde_json::to_string(&errors).unwrap());
            *answer = format!("{sql} {data} {errors}");
        }
        answers
    }

    /// Compare the two fillings for each role, and give how many answers differ for one who may see everything.
    async fn check(&self, roles: &[&str], everything: &str) {
        let claims = json!({"tenant": "t1"}).as_object().unwrap().clone();
        let names: Vec<&str> = self.product.outputs().map(|d| d.name.as_str()).collect();
        for role in roles {
            let access = access(&self.product, &[role]);
            let filtered = self.product.contracts.iter().flat_map(|c| &c.roles).any(|r| {
                let held = self.product.roles_of(role);
                r.row_filter.is_some() && held.contains(r.role.as_str())
            });
            let claims = if filtered { claims.clone() } else { Map::new() };
            let mut traces = BTreeSet::new();
            for filling in FILLINGS {
                traces.append(&mut self.fill(&access, filtered, filling).await);
            }
            let mut prepared: HashMap<&str, Prepared> = HashMap::new();
            for way in &self.ways {
                let prepared = prepared.entry(&way.text).or_insert_with(|| {
                    self.schema.prepare(&way.text, None, &access).unwrap_or_else(|e| panic!("{}: {e:?}", way.text))
                });
                let [a_text, b_text] = &self.answers(prepared, way, &claims).await;
                assert_eq!(
                    a_text, b_text,
                    "{role}: {} of {names:?} tells what {role} may not see\n{}",
                    way.label, way.text
                );
                assert_untraced(role, way, a_text, &traces);
                self.check_columns(&access, role, way, a_text);
            }
            self.check_files(&access, role, &claims, &traces).await;
            self.check_that_it_would_show(role, &access, everything).await;
        }
    }

    /// The same of files: all fields, each field, and each as an order and a filter.
    async fn check_files(&self, access: &Access, role: &str, claims: &Map<String, Value>, traces: &BTreeSet<String>) {
        for dataset in self.product.outputs().filter(|d| d.graphql_names.is_some()) {
            let whole = ExportRequest { dataset, fields: None, filter: None, order: None, limit: None };
            let mut answers = vec![(format!("file {}", dataset.name), self.file(access, claims, &whole).await)];
            for field in &dataset.fields {
                let (name, filter) = ([field.name.as_str()], json!({ &field.graphql_name: {"isNull": false} }));
                let order = format!("{} desc", field.name);
                for (what, request) in [
                    ("of", ExportRequest { fields: Some(&name), ..whole }),
                    ("by", ExportRequest { order: Some(&order), limit: Some(3), ..whole }),
                    ("where", ExportRequest { filter: Some(&filter), ..whole }),
                ] {
                    let label = format!("file {} {what} {}", dataset.name, field.name);
                    answers.push((label, self.file(access, claims, &request).await));
                }
            }
            for (label, [a, b]) in answers {
                assert_eq!(a, b, "{role}: {label} tells what {role} may not see");
                let way = Way { label, text: String::new(), variables: Map::new() };
                assert_untraced(role, &way, &a, traces);
                self.check_columns(access, role, &way, &a);
            }
        }
    }

    async fn file(&self, access: &Access, claims: &Map<String, Value>, request: &ExportRequest<'_>) -> [String; 2] {
        let export = match self.schema.export(access, claims, request) {
            Ok(export) => export,
            Err(errors) => return std::array::from_fn(|_| serde_json::to_string(&errors).unwrap()),
        };
        let text = format!("SELECT string_agg(f::text, E'\\n') FROM ({}) AS f", export.sql);
        let mut answers = [const { String::new() }; 2];
        for (pool, answer) in self.pools.iter().zip(&mut answers) {
            let mut rows = fetch(pool, &text, &export.binds).await;
            assert!(rows.advance());
            *answer = format!("{} {}", export.sql, String::from_utf8_lossy(rows.column(0).unwrap_or_default()));
        }
        answers
    }

    /// Columns that a role may not see are in no statement.
    fn check_columns(&self, access: &Access, role: &str, way: &Way, answer: &str) {
        let named = |column: &str, wanted: bool| {
            self.product
                .outputs()
                .flat_map(|d| d.fields.iter().map(move |f| (d, f)))
                .any(|(d, f)| f.column == column && (access.reading(&d.policy_object(f)) != Reading::Denied) == wanted)
        };
        for field in self.product.outputs().flat_map(|d| &d.fields) {
            let column = field.column.as_str();
            if named(column, false) && !named(column, true) {
                assert!(!answer.contains(&format!(".\"{column}\"")), "{role}: {} uses {column}\n{answer}", way.label);
            }
        }
    }

    /// The comparison is worth something only if a role that may see what this one may not gets different answers.
    async fn check_that_it_would_show(&self, role: &str, access: &Access, everything: &str) {
        let steward = support::access(&self.product, &[everything]);
        let claims = Map::new();
        for filling in FILLINGS {
            self.fill(access, false, filling).await;
        }
        for dataset in self.product.outputs() {
            let Some(names) = &dataset.graphql_names else { continue };
            for field in &dataset.fields {
                let object = dataset.policy_object(field);
                let text = format!("{{ {} {{ nodes {{ {} }} }} }}", names.many, selected(field));
                let operation = self.schema.prepare(&text, None, &steward).unwrap();
                let [a, b] = self
                    .answers(&operation, &Way { label: object.clone(), text, variables: Map::new() }, &claims)
                    .await;
                let hashed = matches!(access.reading(&object), Reading::Masked(Mask::Hash));
                let should = access.reading(&object) != Reading::Clear && !hashed;
                assert_eq!(a != b, should, "{role}: {object}");
            }
        }
    }
}

/// Nothing that can be recognised is in an answer or its cursors, unless the caller gave it.
fn assert_untraced(role: &str, way: &Way, answer: &str, traces: &BTreeSet<String>) {
    let shown = format!("{answer} {}", decoded(answer));
    let given = Value::Object(way.variables.clone()).to_string();
    for trace in traces.iter().filter(|t| !given.contains(t.as_str())) {
        assert!(!shown.contains(trace.as_str()), "{role}: {} shows {trace}\n{}\n{answer}", way.label, way.text);
    }
}

/// A field, with all that is in its objects.
fn selected(field: &Field) -> String {
    let members = field.nested.iter().flat_map(|n| &n.fields).map(selected).collect::<Vec<_>>();
    if members.is_empty() {
        field.graphql_name.clone()
    } else {
        format!("{} {{ {} }}", field.graphql_name, members.join(" "))
    }
}

/// What is in the cursors of an answer.
fn decoded(answer: &str) -> String {
    use base64::Engine as _;
    let words = answer.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').filter(|w| w.len() > 20);
    words
        .filter_map(|w| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(w).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect()
}

fn vault() -> Product {
    load_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/products/vault"))
}

#[tokio::test]
async fn nothing_of_the_vault_leaks_in_any_way_of_use() {
    let lab = Lab::new(vault()).await;
    assert!(lab.ways.len() > 1000, "only {} ways", lab.ways.len());
    lab.check(&["anonymous", "local", "analyst", "partner", "trainee"], "steward").await;
}

#[tokio::test]
async fn nothing_of_the_products_leaks_in_any_way_of_use() {
    for name in ["continents", "countries", "cities", "earthquakes", "geography"] {
        let lab = Lab::new(load(name)).await;
        lab.check(&["anonymous", "reader", "analyst"], "steward").await;
    }
}
