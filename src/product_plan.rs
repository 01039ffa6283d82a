//! `terrane plan --product`: turns a product folder and an operation into its SQL, its parameters and Postgres' plan.

use crate::serve::runtime;
use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use terrane_postgres::running_url;
use terrane_runtime::{ExplainRequest, Explained, ProductService, explain};

const TEXT: &str = "a String takes any text";

/// The plan of a product.
#[derive(Args)]
pub struct ProductPlanArguments {
    /// A product folder: the plan is the SQL statement that its data port makes of the operation
    #[arg(long, value_name = "DIR")]
    product: Option<PathBuf>,
    /// Plan for this role (repeatable); for nobody by default
    #[arg(long = "role", value_name = "ROLE", requires = "product")]
    roles: Vec<String>,
    /// Claims of the caller, for row filters, as JSON
    #[arg(long, value_name = "JSON", requires = "product")]
    claims: Option<String>,
    /// Variables of the operation, as JSON
    #[arg(long, value_name = "JSON", requires = "product")]
    variables: Option<String>,
    /// Show what Postgres plans, in this database of the product
    #[arg(long, value_name = "URL", hide_env_values = true, conflicts_with = "state")]
    database_url: Option<String>,
    /// Show what Postgres plans, in the mesh that runs on this machine with this state directory
    #[arg(long, value_name = "DIR", requires = "product")]
    state: Option<PathBuf>,
    /// Run the statement, reading only, and show what it took
    #[arg(long, requires = "product")]
    analyze: bool,
}

impl ProductPlanArguments {
    /// The plan as text, or as JSON.
    pub fn plan(&self, operation: String, name: Option<String>, as_json: bool) -> Result<String> {
        let folder = self.product.as_ref().context("give --supergraph FILE or --product DIR")?;
        let (product, _) = ProductService::load(folder)?;
        let request = ExplainRequest {
            operation,
            name,
            variables: object("--variables", self.variables.as_deref())?,
            roles: self.roles.clone(),
            claims: object("--claims", self.claims.as_deref())?,
        };
        let explained = explain(&product, &request).map_err(|errors| {
            let errors: Vec<String> = errors.iter().map(|e| format!("{}: {}", e.code(), e.message)).collect();
            anyhow!("the operation is refused:\n{}", errors.join("\n"))
        })?;
        let lines = match self.database(&product.id)? {
            Some(url) if explained.sql.is_some() => {
                let lines = runtime()?.block_on(explained.postgres_plan(&url, self.analyze));
                Some(
                    lines
                        .context("the database does not explain the statement; is it the product's, and published?")?,
                )
            }
            _ => None,
        };
        if as_json {
            Ok(serde_json::to_string_pretty(&to_json(&explained, lines.as_deref()))?)
        } else {
            Ok(to_text(&explained, lines.as_deref()))
        }
    }
}

impl ProductPlanArguments {
    fn database(&self, product: &str) -> Result<Option<String>> {
        match (&self.database_url, &self.state) {
            (Some(url), _) => Ok(Some(url.clone())),
            (None, Some(state)) => {
                let url = running_url(state, &format!("terrane_{product}"));
                let none = || format!("no mesh with an embedded Postgres runs with the state {}", state.display());
                Ok(Some(url.with_context(none)?))
            }
            (None, None) if self.analyze => bail!("--analyze needs a database: give --database-url or --state"),
            (None, None) => Ok(None),
        }
    }
}

fn object(what: &str, text: Option<&str>) -> Result<Map<String, Value>> {
    match text.map(serde_json::from_str).transpose().with_context(|| format!("{what} is no JSON"))? {
        None => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map),
        Some(_) => bail!("{what} is no JSON object"),
    }
}

fn to_json(explained: &Explained, lines: Option<&[String]>) -> Value {
    let roots: Vec<Value> = explained.roots.iter().map(|(key, by)| json!({"key": key, "answeredBy": by})).collect();
    let params: Vec<Value> =
        explained.params.iter().map(|(value, from)| json!({"value": value, "from": from})).collect();
    json!({"roots": roots, "sql": explained.sql, "params": params, "explain": lines})
}

fn to_text(explained: &Explained, lines: Option<&[String]>) -> String {
    let mut out = String::new();
    for (key, by) in &explained.roots {
        writeln!(out, "{key}: {by}").expect(TEXT);
    }
    let Some(sql) = &explained.sql else { return out + "\nno statement\n" };
    writeln!(out, "\n{}", in_lines(sql)).expect(TEXT);
    if !explained.params.is_empty() {
        out.push('\n');
    }
    for (index, (value, from)) in explained.params.iter().enumerate() {
        writeln!(out, "${} = {value}    {from}", index + 1).expect(TEXT);
    }
    if let Some(lines) = lines {
        writeln!(out, "\n{}", lines.join("\n")).expect(TEXT);
    }
    out
}

/// For reading: a line for each clause.
fn in_lines(sql: &str) -> String {
    let mut text = sql.to_owned();
    for word in [" FROM ", " WHERE ", " ORDER BY ", " LIMIT ", " JOIN ", ", (SELECT "] {
        text = text.replace(word, &format!("\n{}", word.trim_start()));
    }
    text
}
