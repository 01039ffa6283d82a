//! Rows: turns a bound statement into rows one after the other, on a connection that belongs to it alone.

use super::Cells;
use crate::driver::bind_all;
use futures_util::{Stream, StreamExt as _};
use sqlx::postgres::{PgConnection, PgPool, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};
use std::pin::Pin;
use terrane_query::Bind;
use terrane_telemetry::trace::{self, Span};

/// An export may take longer than an operation; how long it may stand still is the sender's matter.
const BEGIN: &str = "BEGIN READ ONLY; SET LOCAL statement_timeout = 0";

/// A connection of the query role, taken out of its pool: when an export ends early the rest of its rows is not worth
/// reading.
pub struct Session {
    connection: PgConnection,
    pool: PgPool,
    process: i32,
    /// Of the statement, from its connection to its last row.
    span: Span,
}

impl Session {
    /// Take a connection.
    pub async fn open(pool: &PgPool) -> Result<Self, sqlx::Error> {
        let mut span = trace::request("SELECT").1;
        span.set("db.system.name", "postgresql");
        span.set("db.operation.name", "SELECT");
        let mut connection = pool.acquire().await?.detach();
        connection.execute(BEGIN).await?;
        let process = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await?;
        Ok(Self { connection, pool: pool.clone(), process, span })
    }

    /// Run the statement.
    pub fn rows<'s>(
        &'s mut self,
        statement: &'s str,
        binds: &'s [Bind],
    ) -> Pin<Box<dyn Stream<Item = Result<PgRow, sqlx::Error>> + Send + 's>> {
        // compiled by terrane-query: values are binds
        let query = bind_all(sqlx::query(AssertSqlSafe(statement)).persistent(false), binds);
        query.fetch(&mut self.connection).boxed()
    }

    /// End it. A statement that still runs is cancelled: the server would sort and send on for nobody.
    pub async fn close(mut self, finished: bool) {
        if !finished {
            self.span.fail("not_finished");
        }
        self.span.ended();
        if finished {
            // nothing was changed, so nothing can be lost
            let _ = self.connection.close().await;
            return;
        }
        if let Err(error) = cancel(&self.pool, self.process).await {
            tracing::warn!(%error, "an export's statement could not be cancelled; closing its connection ends it later");
        }
        let _ = self.connection.close_hard().await;
    }
}

/// Cancel what `process` runs. Sessions belong to the login that opened them, so this one is that login for a moment.
async fn cancel(pool: &PgPool, process: i32) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?.detach();
    connection.execute("SET ROLE NONE").await?;
    sqlx::query("SELECT pg_cancel_backend($1)").bind(process).execute(&mut connection).await?;
    connection.close().await
}

impl Cells for PgRow {
    fn cell(&self, index: usize) -> Option<&[u8]> {
        // the columns are those of the statement, so each is there; what is not there reads as null
        self.try_get_raw(index).ok()?.as_bytes().ok()
    }
}
