//! Streams: turns a file that was asked for into pieces that are made while they are sent.

use super::column::Column;
use super::packing::{Packer, Packing};
use super::rows::Session;
use super::{Encoder, Format, encoder};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use sqlx::postgres::PgPool;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use terrane_query::Bind;
use terrane_telemetry::along;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// Bytes are sent in pieces of about this many.
const PIECE: usize = 64 * 1024;
/// Pieces that wait for a slow client; then Postgres waits too.
const WAITING: usize = 4;
/// A client that takes nothing for this long is gone. Until then its rows keep the next version from being published.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that makes the bytes of a file.
#[derive(Debug, Clone)]
pub struct Work {
    /// Columns of the statement.
    pub columns: Vec<Column>,
    /// Its text.
    pub statement: String,
    /// Its parameters.
    pub binds: Vec<Bind>,
    /// What is made of its rows.
    pub format: Format,
    /// How that is packed.
    pub packing: Packing,
    /// Whether a CSV starts with the mark of UTF-8.
    pub bom: bool,
}

/// Why a body ends early; the client sees a connection that breaks off.
#[derive(Debug, thiserror::Error)]
#[error("the export could not be finished")]
pub struct Broken;

/// A file whose first row is there: its table can't be replaced under it any more.
pub struct Opened {
    receiver: mpsc::Receiver<Result<Bytes, Broken>>,
    rows: Arc<AtomicU64>,
}

impl Opened {
    /// How many rows were read so far.
    pub fn rows(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.rows)
    }

    /// The pieces. An error among them is the last item.
    pub fn pieces(self) -> impl Stream<Item = Result<Bytes, Broken>> + Send + use<> {
        futures_util::stream::unfold(self.receiver, |mut receiver| async move {
            receiver.recv().await.map(|piece| (piece, receiver))
        })
    }
}

enum End {
    Finished,
    /// The client is gone, or takes nothing.
    Gone,
}

impl Work {
    /// Start: ready when the first row is there, or the statement failed. `permit` is given back at the end.
    ///
    /// # Errors
    /// What the database said; internal.
    pub async fn open(self, pool: PgPool, permit: OwnedSemaphorePermit) -> Result<Opened, String> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let (ready, started) = oneshot::channel();
        let rows = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&rows);
        tokio::spawn(along::with(along::current(), async move {
            let _permit = permit;
            let mut session = match Session::open(&pool).await {
                Ok(session) => session,
                Err(error) => {
                    let _ = ready.send(Err(error.to_string()));
                    return;
                }
            };
            let end = self.send(&mut session, &sender, ready, &count).await;
            if let Err(error) = &end {
                tracing::error!(%error, "an export was broken off");
                // the client may be gone as well
                let _ = sender.send_timeout(Err(Broken), PATIENCE).await;
            }
            drop(sender);
            session.close(matches!(end, Ok(End::Finished))).await;
        }));
        match started.await {
            Ok(Ok(())) => Ok(Opened { receiver, rows }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err("the export ended before it began".to_owned()),
        }
    }

    async fn send(
        &self,
        session: &mut Session,
        sender: &mpsc::Sender<Result<Bytes, Broken>>,
        ready: oneshot::Sender<Result<(), String>>,
        count: &AtomicU64,
    ) -> Result<End, String> {
        let mut encoder = encoder(self.format, self.columns.clone(), self.bom)?;
        let mut packer = Packer::new(self.packing);
        let mut out = Vec::with_capacity(PIECE + 8192);
        encoder.begin(&mut out)?;
        let mut rows = session.rows(&self.statement, &self.binds);
        let mut ready = Some(ready);
        loop {
            // the client may go while Postgres still sorts
            let row = tokio::select! {
                biased;
                row = rows.next() => row,
                () = sender.closed() => return Ok(End::Gone),
            };
            let row = row.transpose().map_err(|e| e.to_string());
            if let Some(ready) = ready.take() {
                let _ = ready.send(row.as_ref().map(|_| ()).map_err(Clone::clone));
            }
            let Some(row) = row? else { break };
            encoder.row(&row, &mut out)?;
            count.fetch_add(1, Ordering::Relaxed);
            if out.len() >= PIECE && !forward(&mut packer, &mut out, sender).await? {
                return Ok(End::Gone);
            }
        }
        finish(encoder.as_mut(), packer, out, sender).await
    }
}

/// Whether somebody still takes the pieces.
async fn forward(
    packer: &mut Packer,
    out: &mut Vec<u8>,
    sender: &mpsc::Sender<Result<Bytes, Broken>>,
) -> Result<bool, String> {
    packer.pack(out).await.map_err(|e| e.to_string())?;
    if out.is_empty() {
        return Ok(true);
    }
    let piece = std::mem::replace(out, Vec::with_capacity(PIECE + 8192));
    Ok(sender.send_timeout(Ok(Bytes::from(piece)), PATIENCE).await.is_ok())
}

async fn finish(
    encoder: &mut dyn Encoder,
    packer: Packer,
    mut out: Vec<u8>,
    sender: &mpsc::Sender<Result<Bytes, Broken>>,
) -> Result<End, String> {
    encoder.end(&mut out)?;
    packer.finish(&mut out).await.map_err(|e| e.to_string())?;
    let taken = out.is_empty() || sender.send_timeout(Ok(Bytes::from(out)), PATIENCE).await.is_ok();
    Ok(if taken { End::Finished } else { End::Gone })
}
