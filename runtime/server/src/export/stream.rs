//! Streams: turns a statement and a format into a body that is made while it is sent.

use super::cells::{Cell, Column};
use super::{Encoder, Format, encoder};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use serde_json::{Map, Value};
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgPool, PgRow};
use terrane_graphql::GraphqlError;
use terrane_manifest::{Dataset, Field};
use terrane_query::{Access, Bind, DataSchema, Reading};
use terrane_sql::Sql;
use tokio::sync::mpsc;

/// Bytes are sent in pieces of about this many.
const PIECE: usize = 64 * 1024;
/// Pieces that wait for a slow client; then Postgres waits too.
const WAITING: usize = 4;

/// A file to be sent.
#[derive(Debug)]
pub struct Export {
    columns: Vec<Column>,
    statement: String,
    binds: Vec<Bind>,
    format: Format,
}

/// The file of `dataset` as a caller with `access` and `claims` may see it: fields that the caller may not read are not
/// in it. `None` when no field is left.
///
/// # Errors
/// `FORBIDDEN` where the caller's rows cannot be told from others.
pub fn open(
    schema: &DataSchema,
    dataset: &Dataset,
    fields: &[&Field],
    access: &Access,
    claims: &Map<String, Value>,
    format: Format,
) -> Result<Option<Export>, Vec<GraphqlError>> {
    let visible = |f: &&Field| access.reading(&dataset.policy_object(f)) != Reading::Denied;
    let readable: Vec<&Field> = fields.iter().copied().filter(visible).collect();
    if readable.is_empty() {
        return Ok(None);
    }
    let columns: Vec<Column> = readable.iter().map(|f| Column::of(f)).collect();
    let mut sql = Sql::lit("SELECT ");
    let projection = schema.projection(access, dataset, &readable, "t", claims)?;
    for (i, (expr, column)) in projection.columns.iter().zip(&columns).enumerate() {
        sql.push(if i > 0 { ", (" } else { "(" }).append(expr).push(")").push(column.cast);
    }
    sql.push(" FROM ").qualified("output", &dataset.table).push(" AS t");
    if let Some(filter) = &projection.condition {
        sql.push(" WHERE ").append(filter);
    }
    for (i, expr) in projection.order.iter().enumerate() {
        sql.push(if i > 0 { ", " } else { " ORDER BY " }).append(expr);
    }
    Ok(Some(Export { columns, statement: sql.into_string(), binds: projection.binds, format }))
}

impl Export {
    /// The media type.
    pub fn content_type(&self) -> &'static str {
        self.format.content_type()
    }

    /// Start sending. A failure after the first byte breaks the body off, which the client sees.
    pub fn stream(self, pool: PgPool) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send {
        let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(WAITING);
        tokio::spawn(async move {
            if let Err(error) = self.send(&pool, &sender).await {
                tracing::error!(%error, "an export was broken off");
                let broken = std::io::Error::other("the export could not be finished");
                // the client may be gone as well
                let _ = sender.send(Err(broken)).await;
            }
        });
        futures_util::stream::unfold(
            receiver,
            |mut receiver| async move { receiver.recv().await.map(|p| (p, receiver)) },
        )
    }

    async fn send(self, pool: &PgPool, sender: &mpsc::Sender<Result<Bytes, std::io::Error>>) -> Result<(), String> {
        let Self { columns, statement, binds, format } = self;
        let mut encoder = encoder(format, columns.clone())?;
        let mut out = Vec::with_capacity(PIECE + 8192);
        encoder.begin(&mut out)?;
        let query = crate::driver::bind_all(sqlx::query(AssertSqlSafe(statement)), &binds);
        let mut rows = query.fetch(pool);
        while let Some(row) = rows.next().await {
            let row = row.map_err(|e| e.to_string())?;
            encode_row(&columns, &row, encoder.as_mut(), &mut out)?;
            if out.len() >= PIECE && !forward(&mut out, sender).await {
                return Ok(());
            }
        }
        encoder.end(&mut out)?;
        forward(&mut out, sender).await;
        Ok(())
    }
}

fn encode_row(columns: &[Column], row: &PgRow, encoder: &mut dyn Encoder, out: &mut Vec<u8>) -> Result<(), String> {
    let cells: Result<Vec<Cell>, sqlx::Error> = columns.iter().enumerate().map(|(i, c)| c.read(row, i)).collect();
    encoder.row(cells.map_err(|e| e.to_string())?, out)
}

/// Whether somebody still takes the pieces.
async fn forward(out: &mut Vec<u8>, sender: &mpsc::Sender<Result<Bytes, std::io::Error>>) -> bool {
    if out.is_empty() {
        return true;
    }
    let piece = std::mem::replace(out, Vec::with_capacity(PIECE + 8192));
    sender.send(Ok(Bytes::from(piece))).await.is_ok()
}
