//! Models: turns SQL files into checked SELECT statements with the tables they read, in dependency order.

use crate::dataset::Layer;
use crate::lineage::{ColumnLineage, Driver};
use crate::materialization::{Materialization, read_materialization};
use crate::names::is_sql_name;
use sqlparser::ast::{Expr, ObjectName, Query, Select, SetExpr, Statement, TableFactor, Visit, Visitor};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use terrane_diagnostics::{Diagnostic, Location};

/// One SQL file: the SELECT that fills `layer.name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Abstraction or output.
    pub layer: Layer,
    /// Table name: the file's name.
    pub name: String,
    /// Path relative to the product folder.
    pub file: String,
    /// Exactly one SELECT, without a semicolon at its end.
    pub sql: String,
    /// Tables it reads, sorted.
    pub depends_on: Vec<TableRef>,
    /// How its result is kept.
    pub materialization: Materialization,
    /// Its columns, and what each is made from.
    pub columns: Vec<ColumnLineage>,
    /// Of an incremental model: whose new rows say which of its rows are computed anew.
    pub driver: Option<Driver>,
    /// Whether it gives the same rows from the same rows: it calls neither `now()` nor `random()` nor the like.
    pub is_steady: bool,
    /// Whether it reads a table by TABLESAMPLE, which Postgres has for tables only.
    pub samples: bool,
}

impl Model {
    /// The table that it fills.
    pub fn table(&self) -> TableRef {
        TableRef { layer: self.layer, table: self.name.clone() }
    }
}

/// A table in a layer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableRef {
    /// Its schema.
    pub layer: Layer,
    /// Its name.
    pub table: String,
}

/// Functions that reach outside of the query: files, other servers, settings, locks, other statements.
const FORBIDDEN_PREFIXES: &[&str] =
    &["pg_", "lo_", "dblink", "query_to_", "table_to_", "schema_to_", "database_to_", "cursor_to_", "has_"];
const FORBIDDEN_FUNCTIONS: &[&str] = &[
    "set_config",
    "current_setting",
    "nextval",
    "setval",
    "txid_current",
    "xpath_table",
    "version",
    "inet_server_addr",
    "inet_client_addr",
    "ts_stat",
    "ts_rewrite",
    "crosstab",
    "connectby",
    "currval",
    "lastval",
    "current_query",
    "current_user",
    "session_user",
    "current_role",
    "current_database",
    "current_schemas",
];

/// Read every model of the folder. Returned in dependency order; every problem goes to `findings`.
pub(crate) fn read_models(files: &BTreeMap<String, String>, findings: &mut Vec<Diagnostic>) -> Vec<Model> {
    let mut models = Vec::new();
    for (path, text) in files {
        let Some(rest) = path.strip_prefix("models/") else { continue };
        let place = || Location::new(path.as_str(), 1, 1);
        let Some((layer, name)) = rest.strip_suffix(".sql").and_then(|r| r.split_once('/')) else {
            findings.push(
                Diagnostic::error("MODEL_FILE", format!("`{path}` is no model"))
                    .at(place())
                    .with_hint("models are `models/abstraction/NAME.sql` and `models/output/NAME.sql`"),
            );
            continue;
        };
        let layer = match Layer::parse(layer) {
            Some(layer @ (Layer::Abstraction | Layer::Output)) if is_sql_name(name) => layer,
            _ => {
                findings.push(
                    Diagnostic::error("MODEL_FILE", format!("`{path}` names no table of layer abstraction or output"))
                        .at(place())
                        .with_hint("use lower-case letters, digits and underscores"),
                );
                continue;
            }
        };
        match read_select(text) {
            Ok(depends_on) => {
                check_reads(path, layer, &depends_on, findings);
                models.push(Model {
                    layer,
                    name: name.to_owned(),
                    file: path.clone(),
                    sql: text.trim().trim_end_matches(';').trim_end().to_owned(),
                    depends_on: depends_on.into_iter().collect(),
                    materialization: read_materialization(path, layer, text, findings),
                    columns: Vec::new(),
                    driver: None,
                    is_steady: true,
                    samples: false,
                });
            }
            Err(problems) => findings.extend(problems.into_iter().map(|p| p.into_diagnostic(path))),
        }
    }
    order(models, findings)
}

/// What is wrong with a statement, and where in its text.
pub(crate) struct SqlProblem {
    message: String,
    place: Option<(u32, u32)>,
}

impl SqlProblem {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None }
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    fn into_diagnostic(self, path: &str) -> Diagnostic {
        let (line, column) = self.place.unwrap_or((1, 1));
        Diagnostic::error("MODEL_SQL", self.message)
            .at(Location::new(path, line, column))
            .with_hint("a model is one SELECT statement over tables named with their layer: `input.x`")
    }
}

/// Check that `sql` is exactly one SELECT without side effects, and return the layer tables it reads.
pub(crate) fn read_select(sql: &str) -> Result<BTreeSet<TableRef>, Vec<SqlProblem>> {
    let statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).map_err(|e| {
        let message = e.to_string();
        vec![SqlProblem { place: place_in(&message), message: format!("cannot be read: {message}") }]
    })?;
    let [statement] = statements.as_slice() else {
        return Err(vec![SqlProblem::new(format!("has {} statements instead of one", statements.len()))]);
    };
    if !matches!(statement, Statement::Query(_)) {
        return Err(vec![SqlProblem::new("is no SELECT statement")]);
    }
    let mut reader = Reader::default();
    let _ = statement.visit(&mut reader);
    reader.finish()
}

/// Whether `sql` is exactly one query, of whatever tables.
pub(crate) fn is_query(sql: &str) -> bool {
    let statements = Parser::parse_sql(&PostgreSqlDialect {}, sql);
    statements.is_ok_and(|statements| matches!(statements.as_slice(), [Statement::Query(_)]))
}

/// The parser writes places as text: `… at Line: 3, Column: 7`.
fn place_in(message: &str) -> Option<(u32, u32)> {
    let rest = message.rsplit_once("Line: ")?.1;
    let (line, column) = rest.split_once(", Column: ")?;
    let digits: String = column.chars().take_while(char::is_ascii_digit).collect();
    Some((line.parse().ok()?, digits.parse().ok()?))
}

#[derive(Default)]
struct Reader {
    tables: BTreeSet<TableRef>,
    unqualified: Vec<SqlProblem>,
    bare_names: Vec<String>,
    ctes: BTreeSet<String>,
    problems: Vec<SqlProblem>,
}

impl Reader {
    fn finish(mut self) -> Result<BTreeSet<TableRef>, Vec<SqlProblem>> {
        for (name, problem) in self.bare_names.iter().zip(self.unqualified) {
            if !self.ctes.contains(name) {
                self.problems.push(problem);
            }
        }
        if self.problems.is_empty() { Ok(self.tables) } else { Err(self.problems) }
    }

    fn refuse(&mut self, message: impl Into<String>) {
        self.problems.push(SqlProblem::new(message));
    }
}

impl Visitor for Reader {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(with) = &query.with {
            self.ctes.extend(with.cte_tables.iter().map(|cte| fold(&cte.alias.name)));
        }
        if !query.locks.is_empty() {
            self.refuse("locks rows (FOR UPDATE or FOR SHARE)");
        }
        let mut bodies = vec![query.body.as_ref()];
        while let Some(body) = bodies.pop() {
            match body {
                SetExpr::SetOperation { left, right, .. } => bodies.extend([left.as_ref(), right.as_ref()]),
                SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => {}
                _ => self.refuse("changes data or is no plain SELECT"),
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if select.into.is_some() {
            self.refuse("writes a table with SELECT INTO");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let parts: Vec<_> = relation.0.iter().filter_map(|p| p.as_ident()).collect();
        match parts.as_slice() {
            [schema, table] => match Layer::parse(&fold(schema)) {
                Some(layer) => {
                    self.tables.insert(TableRef { layer, table: fold(table) });
                }
                None => self.refuse(format!("reads `{relation}`, which is in no layer")),
            },
            [name] => {
                let start = name.span.start;
                self.bare_names.push(fold(name));
                self.unqualified.push(SqlProblem {
                    message: format!("reads `{name}` without its layer"),
                    place: Some((start.line as u32, start.column as u32)),
                });
            }
            _ => self.refuse(format!("reads `{relation}`; name tables as `layer.table`")),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        // a set-returning function in FROM is visited as a relation with arguments
        if let TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } = factor {
            self.check_function(name);
            if let [part] = name.0.as_slice()
                && let Some(ident) = part.as_ident()
            {
                self.ctes.insert(fold(ident));
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(call) = expr {
            self.check_function(&call.name);
        }
        ControlFlow::Continue(())
    }
}

impl Reader {
    fn check_function(&mut self, name: &ObjectName) {
        let Some(last) = name.0.last().and_then(|p| p.as_ident()) else { return };
        let folded = fold(last);
        if FORBIDDEN_PREFIXES.iter().any(|p| folded.starts_with(p)) || FORBIDDEN_FUNCTIONS.contains(&folded.as_str()) {
            self.refuse(format!("calls `{name}`, which reaches outside of the query"));
        }
    }
}

/// A name as Postgres folds it.
pub(crate) fn fold(ident: &sqlparser::ast::Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// Abstraction reads input and abstraction, output reads any layer.
fn check_reads(path: &str, layer: Layer, reads: &BTreeSet<TableRef>, findings: &mut Vec<Diagnostic>) {
    for table in reads {
        if layer == Layer::Abstraction && table.layer == Layer::Output {
            findings.push(
                Diagnostic::error(
                    "MODEL_LAYER",
                    format!("abstraction model `{path}` reads `output.{}`, a layer above its own", table.table),
                )
                .at(Location::new(path, 1, 1))
                .with_hint("read input or abstraction tables, or move the model to `models/output`"),
            );
        }
    }
}

/// Put models after those they read; models in a cycle become findings.
fn order(models: Vec<Model>, findings: &mut Vec<Diagnostic>) -> Vec<Model> {
    let mut waiting = models;
    let mut ordered: Vec<Model> = Vec::with_capacity(waiting.len());
    loop {
        let pending: BTreeSet<TableRef> = waiting.iter().map(Model::table).collect();
        let (ready, blocked): (Vec<Model>, Vec<Model>) =
            waiting.into_iter().partition(|m| !m.depends_on.iter().any(|d| pending.contains(d)));
        let stuck = ready.is_empty();
        ordered.extend(ready);
        waiting = blocked;
        if stuck || waiting.is_empty() {
            break;
        }
    }
    for model in &waiting {
        let reads: Vec<String> = model.depends_on.iter().map(|d| format!("{}.{}", d.layer.name(), d.table)).collect();
        findings.push(
            Diagnostic::error(
                "MODEL_CYCLE",
                format!("model `{}.{}` depends on itself through {}", model.layer.name(), model.name, reads.join(", ")),
            )
            .at(Location::new(model.file.as_str(), 1, 1))
            .with_hint("models must form a graph without cycles"),
        );
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(sql: &str) -> Vec<String> {
        read_select(sql).map_or_else(
            |problems| problems.into_iter().map(|p| format!("! {}", p.message)).collect(),
            |t| t.into_iter().map(|t| format!("{}.{}", t.layer.name(), t.table)).collect(),
        )
    }

    #[test]
    fn reads_tables_through_ctes_joins_and_subqueries() {
        let sql = "WITH x AS (SELECT * FROM input.a) SELECT * FROM x JOIN abstraction.b b ON true \
                   CROSS JOIN LATERAL unnest(b.langs) AS l WHERE EXISTS (SELECT 1 FROM output.c)";
        assert_eq!(tables(sql), ["input.a", "abstraction.b", "output.c"]);
        assert_eq!(tables("SELECT g FROM generate_series(1, 3) g"), Vec::<String>::new());
    }

    #[test]
    fn refuses_what_is_more_than_a_select() {
        for sql in [
            "DROP TABLE output.x",
            "SELECT 1; SELECT 2",
            "WITH x AS (DELETE FROM input.a RETURNING *) SELECT * FROM x",
            "SELECT * INTO output.x FROM input.a",
            "SELECT * FROM input.a FOR UPDATE",
            "SELECT * FROM a",
            "SELECT * FROM security.grants",
            "SELECT * FROM db.input.a",
            "SELECT pg_read_file('/etc/passwd')",
            "SELECT pg_sleep(100)",
            "SELECT pg_advisory_lock(1)",
            "SELECT dblink_connect('host=example.org')",
            "SELECT lo_import('/etc/passwd')",
            "SELECT pg_catalog.set_config('role', 'postgres', false)",
            "SELECT query_to_xml('DELETE FROM input.a', true, true, '')",
            "SELECT * FROM ts_stat('SELECT t FROM input.a')",
            "SELECT nextval('input.a__position_seq')",
            "COPY input.a TO PROGRAM 'cat'",
            "COPY (SELECT * FROM input.a) TO STDOUT",
            "EXPLAIN ANALYZE SELECT 1",
            "SET ROLE postgres",
            "DO $$ BEGIN END $$",
            "CALL x()",
            "TABLE input.a",
            "SELECT * FROM information_schema.tables",
            "SELECT * FROM pg_catalog.pg_class",
            "INSERT INTO output.x SELECT 1",
            "SELECT 1 FROM input.a; DROP TABLE input.a",
            "SELECT * FROM pg_ls_dir('.')",
            "SELECT FROM WHERE",
            "",
        ] {
            assert!(read_select(sql).is_err(), "{sql}");
        }
    }
}
