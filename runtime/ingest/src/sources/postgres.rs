//! Postgres: turns what a query of another database gives into a batch; with a cursor, what it has beyond the last one.

use super::{Pull, Pulled};
use crate::intake::Intake;
use crate::{IngestError, delimited};
use futures_util::TryStreamExt as _;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use std::str::FromStr as _;
use std::time::Duration;
use terrane_manifest::Dialect;
use terrane_manifest::without_secrets;
use terrane_sql::Sql;
use terrane_store::BatchMode;
use tokio_util::io::StreamReader;

const PATIENCE: Duration = Duration::from_secs(30);
/// What stands for NULL in the text that comes: no value of a source is that.
const NULL: &str = "\u{1}\u{e000}NULL";

pub(super) async fn pull(pull: &Pull<'_>, url: &str, query: &str, cursor: Option<&str>) -> Result<Pulled, IngestError> {
    let shown = without_secrets(url);
    let options = PgConnectOptions::from_str(&pull.expand(url)?)
        .map_err(|_| pull.failed(format!("`{shown}` is no address of a Postgres")))?
        .application_name("terrane ingest")
        .disable_statement_logging();
    // what the driver says of a connection may hold its address, with the password
    let connected = tokio::time::timeout(PATIENCE, options.connect()).await;
    let connected = connected.map_err(|_| pull.failed(format!("{shown} does not answer")))?;
    let mut source = connected.map_err(|_| pull.failed(format!("{shown} does not let us in")))?;
    let position = match cursor {
        Some(_) => pull.position(false).await?,
        None => None,
    };
    let last = position.as_ref().and_then(|p| p["cursor"].as_str());
    let failed = |e: sqlx::Error| pull.failed(describe(&shown, &e));
    // one snapshot for both questions
    source.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(failed)?;
    source.execute("SET LOCAL DateStyle = 'ISO'").await.map_err(failed)?;
    let greatest = match cursor {
        Some(cursor) => greatest(&mut source, query, cursor).await.map_err(failed)?,
        None => None,
    };
    if last.is_some() && (greatest.is_none() || greatest.as_deref() == last) {
        return Ok(Pulled::Unchanged);
    }
    let mode = if last.is_some() { BatchMode::Append } else { BatchMode::Replace };
    let statement = copy(query, cursor, last, greatest.as_deref());
    let mut intake = pull.intake(&shown, mode);
    read(&mut intake, &mut source, &statement, failed).await?;
    // it has only read; nothing hangs on how it is left
    let _ = source.close().await;
    pull.finish(intake, json!({ "cursor": greatest })).await
}

async fn greatest(source: &mut PgConnection, query: &str, cursor: &str) -> Result<Option<String>, sqlx::Error> {
    let mut sql = Sql::lit("SELECT max(source.");
    sql.ident(cursor).push(")::text FROM (").append(&Sql::from_checked_text(query)).push("\n) AS source");
    sqlx::query_scalar(AssertSqlSafe(sql.into_string())).fetch_one(source).await
}

/// The manifest has checked that the query is one SELECT.
fn copy(query: &str, cursor: Option<&str>, last: Option<&str>, greatest: Option<&str>) -> Sql {
    let mut sql = Sql::lit("COPY (SELECT * FROM (");
    sql.append(&Sql::from_checked_text(query)).push("\n) AS source");
    if let (Some(cursor), Some(greatest)) = (cursor, greatest) {
        sql.push(" WHERE source.").ident(cursor).push(" <= ").string_literal(greatest);
        if let Some(last) = last {
            sql.push(" AND source.").ident(cursor).push(" > ").string_literal(last);
        }
        sql.push(" ORDER BY source.").ident(cursor);
    }
    sql.push(") TO STDOUT WITH (FORMAT csv, HEADER true, ENCODING 'UTF8', NULL ").string_literal(NULL).push(")");
    sql
}

async fn read(
    intake: &mut Intake<'_>,
    source: &mut PgConnection,
    statement: &Sql,
    failed: impl Fn(sqlx::Error) -> IngestError,
) -> Result<(), IngestError> {
    let pieces = source.copy_out_raw(statement.as_str()).await.map_err(&failed)?;
    // an error of the source comes through the reader of the text: it is kept here until the text ends
    let mut broken = None;
    let pieces = pieces.map_err(|error| {
        broken = Some(error);
        std::io::Error::other("the source failed")
    });
    let dialect = Dialect { delimiter: Some(b','), nulls: vec![NULL.to_owned()], ..Dialect::default() };
    let done = delimited::read(intake, StreamReader::new(Box::pin(pieces)), &dialect).await;
    match (done, broken) {
        (Err(_), Some(error)) => Err(failed(error)),
        (done, _) => done,
    }
}

/// What the source says of our query; nothing of how it was reached.
fn describe(shown: &str, error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(inner) => format!("{shown}: {}", inner.message()),
        _ => format!("{shown}: the connection failed"),
    }
}
