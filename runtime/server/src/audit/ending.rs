//! Endings: turns the end of a stream or file, however it comes, into a record of how much went out.

use super::{Account, Audit};
use axum::BoxError;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Notes how much goes out, and puts it on record when it ends: as finished, or as broken off where it is dropped before.
pub(crate) struct Ending {
    audit: Arc<Audit>,
    account: Option<Arc<Account>>,
    rows: Arc<AtomicU64>,
    bytes: u64,
}

impl Ending {
    /// Of what the running request has begun; `rows` is counted by whoever reads them.
    pub(crate) fn of_current(audit: &Arc<Audit>, rows: Arc<AtomicU64>) -> Self {
        Self { audit: Arc::clone(audit), account: Account::current(), rows, bytes: 0 }
    }

    /// Some bytes go out.
    pub(crate) fn sends(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// A row goes out.
    pub(crate) fn counts(&mut self) {
        self.rows.fetch_add(1, Ordering::Relaxed);
    }

    /// All went out.
    pub(crate) fn finish(&mut self) {
        self.end(false);
    }

    /// The pieces of a body, whose end is put on record before it is told.
    pub(crate) fn over(
        self,
        pieces: BoxStream<'static, Result<Bytes, BoxError>>,
    ) -> impl Stream<Item = Result<Bytes, BoxError>> + Send + use<> {
        stream::unfold((pieces, self), |(mut pieces, mut ending)| async move {
            let piece = pieces.next().await;
            match &piece {
                Some(Ok(piece)) => ending.sends(piece.len()),
                Some(Err(_)) => ending.end(true),
                None => ending.finish(),
            }
            piece.map(|piece| (piece, (pieces, ending)))
        })
    }

    fn end(&mut self, broken: bool) {
        if let Some(account) = self.account.take() {
            self.audit.end(&account, self.rows.load(Ordering::Relaxed), self.bytes, broken);
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.end(true);
    }
}
