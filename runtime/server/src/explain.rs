//! Explaining: turns an operation on a product folder into its SQL statement, where its values come from, and what Postgres
//! plans for it.

use crate::driver::bind_all;
use serde_json::{Map, Value, json};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use std::str::FromStr as _;
use std::sync::Arc;
use terrane_graphql::GraphqlError;
use terrane_manifest::Product;
use terrane_policy::{DEFAULT_MODEL, Policy, RoleSet};
use terrane_query::{Access, Bind, DataSchema, Source};

/// A statement must end within this when it is run to be explained.
const LIMITS: &str = "BEGIN READ ONLY; SET LOCAL statement_timeout = '30s'; SET LOCAL search_path = output";

/// What is to be explained, and for whom.
#[derive(Debug, Clone, Default)]
pub struct ExplainRequest {
    /// The operation's text.
    pub operation: String,
    /// Which operation of the document.
    pub name: Option<String>,
    /// Its variables.
    pub variables: Map<String, Value>,
    /// Roles of the caller; none is `anonymous`.
    pub roles: Vec<String>,
    /// Claims of the caller.
    pub claims: Map<String, Value>,
}

/// How an operation is answered.
#[derive(Debug, Clone)]
pub struct Explained {
    /// Root fields in order: response key, and who answers it.
    pub roots: Vec<(String, &'static str)>,
    /// The statement; none where no data field may be read or none is asked for.
    pub sql: Option<String>,
    /// Its parameters: the value, and where it comes from.
    pub params: Vec<(Value, String)>,
    binds: Vec<Bind>,
}

/// Explain without a database.
///
/// # Errors
/// What a client would be told; or what is wrong with the folder's policy or schema, under its own code.
pub fn explain(product: &Product, request: &ExplainRequest) -> Result<Explained, Vec<GraphqlError>> {
    let one = |code: &str, message: String| vec![GraphqlError::new(code, message)];
    let schema = DataSchema::build(product, &crate::ports_sdl())
        .map_err(|found| found.into_iter().map(|d| GraphqlError::new(d.code, d.message)).collect::<Vec<_>>())?;
    let policy = Policy::new(DEFAULT_MODEL, &product.policy_lines()).map_err(|e| one(e.code(), e.to_string()))?;
    let roles = match request.roles.is_empty() {
        true => RoleSet::new(["anonymous"]),
        false => RoleSet::new(request.roles.iter().map(String::as_str)),
    };
    let access = Arc::new(Access::compile(product, &policy, &roles));
    let prepared = Arc::new(schema).prepare(&request.operation, request.name.as_deref(), &access)?;
    let (plan, values) = prepared.plan(Some(&request.variables))?;
    let roots = plan.slots.iter().map(|slot| (slot.key.clone(), who(&slot.source))).collect();
    let Some((statement, sql)) = plan.statement.as_ref().and_then(|s| Some((s, s.sql()?.to_owned()))) else {
        return Ok(Explained { roots, sql: None, params: Vec::new(), binds: Vec::new() });
    };
    let binds = statement.bind(&values, &request.claims)?.binds;
    let params = binds.iter().map(shown).zip(statement.origins()).collect();
    Ok(Explained { roots, sql: Some(sql.to_string()), params, binds })
}

fn who(source: &Source) -> &'static str {
    match source {
        Source::Data => "the statement",
        Source::Ports => "the standard ports",
        Source::Introspection => "the schema",
        Source::Constant(_) => "a constant",
    }
}

fn shown(bind: &Bind) -> Value {
    match bind {
        Bind::Text(value) => json!(value),
        Bind::Int8(value) => json!(value),
        Bind::Float8(value) => json!(value),
        Bind::Bool(value) => json!(value),
        Bind::TextArray(values) => json!(values),
        Bind::Int8Array(values) => json!(values),
        Bind::Float8Array(values) => json!(values),
        Bind::BoolArray(values) => json!(values),
    }
}

impl Explained {
    /// What Postgres plans for the statement in the database at `url`; `analyze` runs it, reading only. As text, a line each.
    ///
    /// # Errors
    /// The database's own words.
    pub async fn postgres_plan(&self, url: &str, analyze: bool) -> Result<Vec<String>, sqlx::Error> {
        let Some(sql) = &self.sql else { return Ok(Vec::new()) };
        let mut connection: PgConnection = PgConnectOptions::from_str(url)?.connect().await?;
        connection.execute(LIMITS).await?;
        let how = if analyze { "EXPLAIN (ANALYZE, BUFFERS) " } else { "EXPLAIN " };
        // the statement is terrane-query's, whose values are binds
        let query = bind_all(sqlx::query(AssertSqlSafe(format!("{how}{sql}"))), &self.binds);
        let rows = query.fetch_all(&mut connection).await?;
        let lines = rows.iter().map(|row| sqlx::Row::try_get(row, 0)).collect::<Result<Vec<String>, _>>()?;
        connection.close().await?;
        Ok(lines)
    }
}
