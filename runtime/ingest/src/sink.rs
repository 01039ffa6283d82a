//! The row sink: turns given values, row by row, into COPY data of a batch; sets aside the rows that do not fit.
//!
//! Every format ends here. A reader gives each row's values between [`Sink::begin`] and [`Sink::end`], and calls
//! [`Sink::flush`] now and then.

use crate::encode::encode;
use crate::header::{Drift, Mapping};
use crate::intake::{Taken, Target};
use crate::{Given, IngestError};
use serde_json::Value;
use std::sync::Arc;
use terrane_manifest::{BadRows, Field};
use terrane_store::{BatchWriter, Closing, Reject, StoreError};
use uuid::Uuid;

/// Rows are handed to Postgres in pieces of about this many bytes.
const PIECE: usize = 512 * 1024;
/// A row may not be longer.
const LONGEST_ROW: usize = 64 * 1024 * 1024;
/// What is wrong with one row, at most.
const MOST_OF_A_ROW: usize = 8;
/// What is wrong with rows of one batch, at most; more bad rows are counted only.
const MOST_REJECTS: usize = 10_000;

/// An open batch.
pub struct Sink<'a> {
    target: Target<'a>,
    writer: Option<BatchWriter>,
    batch: [u8; 16],
    part: Option<String>,
    /// Columns of the source, one by one; none is passed over.
    columns: Vec<Option<&'a Field>>,
    filled: i16,
    drift: Vec<Drift>,
    buffer: Vec<u8>,
    /// Where the current row starts in the buffer.
    start: usize,
    next: usize,
    row: u64,
    good: u64,
    bad: Vec<Reject>,
    bad_of_row: usize,
    bad_count: u64,
    /// Of the rows with these columns, those that are bad.
    bad_rows: Vec<u64>,
}

impl<'a> Sink<'a> {
    pub(crate) fn new(target: Target<'a>, writer: BatchWriter) -> Self {
        Self {
            target,
            batch: *writer.id().as_bytes(),
            writer: Some(writer),
            part: None,
            columns: Vec::new(),
            filled: 0,
            drift: Vec::new(),
            buffer: Vec::with_capacity(PIECE + PIECE / 4),
            start: 0,
            next: 0,
            row: 0,
            good: 0,
            bad: Vec::new(),
            bad_of_row: 0,
            bad_count: 0,
            bad_rows: Vec::new(),
        }
    }

    /// The rows that follow have the columns of `mapping`, and are of the part with that name.
    pub(crate) async fn start(&mut self, mapping: Mapping<'a>, part: Option<String>) -> Result<(), IngestError> {
        self.send().await?;
        let fields = mapping.fields();
        let columns: Vec<&str> = fields.iter().map(|f| f.column.as_str()).collect();
        self.filled = i16::try_from(columns.len() + 1).expect("Postgres has at most 1600 columns");
        self.columns = mapping.columns;
        mapping.drift.into_iter().for_each(|drift| self.note(drift));
        (self.row, self.part) = (0, part);
        self.bad_rows.clear();
        let Some(writer) = &mut self.writer else { return Ok(()) };
        match writer.start(&columns).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.placed(error).await),
        }
    }

    /// Columns of a row.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// The field of each column.
    pub fn columns(&self) -> &[Option<&'a Field>] {
        &self.columns
    }

    /// The number of the current row, from 1.
    pub fn row(&self) -> u64 {
        self.row
    }

    /// Note how the source differs from the contract.
    pub fn note(&mut self, drift: Drift) {
        if self.drift.len() < MOST_REJECTS && !self.drift.contains(&drift) {
            self.drift.push(drift);
        }
    }

    /// The next row begins.
    pub fn begin(&mut self) {
        self.row += 1;
        self.next = 0;
        self.bad_of_row = 0;
        self.start = self.buffer.len();
        self.buffer.extend_from_slice(&self.filled.to_be_bytes());
    }

    /// The value of the row's next column.
    pub fn put(&mut self, value: &Given<'_>) {
        let column = self.columns.get(self.next).copied().flatten();
        self.next += 1;
        let Some(field) = column else { return };
        if let Err(reason) = encode(field, value, &mut self.buffer) {
            self.spoil(Some(&field.name), value.shown(), reason);
        }
    }

    /// Something is wrong with the row as a whole, or with what has no column.
    pub fn spoil(&mut self, column: Option<&str>, value: Option<String>, reason: impl Into<String>) {
        if self.bad_of_row < MOST_OF_A_ROW && self.bad.len() < MOST_REJECTS {
            let part = self.part.clone();
            self.bad.push(Reject { part, ..Reject::new(self.row, column, value, reason) });
        }
        self.bad_of_row += 1;
    }

    /// The row is complete.
    pub fn end(&mut self) {
        if self.bad_of_row == 0 && self.buffer.len() - self.start > LONGEST_ROW {
            self.spoil(None, None, format!("is longer than {LONGEST_ROW} bytes"));
        }
        if self.bad_of_row > 0 {
            self.buffer.truncate(self.start);
            self.bad_rows.push(self.row);
            self.bad_count += 1;
            return;
        }
        self.buffer.extend_from_slice(&16i32.to_be_bytes());
        self.buffer.extend_from_slice(&self.batch);
        self.good += 1;
    }

    /// Whether [`Sink::flush`] has something to do.
    pub fn is_due(&self) -> bool {
        self.buffer.len() >= PIECE || self.has_too_many()
    }

    /// Hand over what has gathered, or refuse the batch, where it is due.
    ///
    /// # Errors
    /// [`IngestError::BadRows`] when there are more bad rows than the contract allows; [`IngestError::Store`].
    pub async fn flush(&mut self) -> Result<(), IngestError> {
        if self.has_too_many() {
            return Err(self.refuse(true).await);
        }
        if self.buffer.len() < PIECE {
            return Ok(());
        }
        self.send().await
    }

    fn has_too_many(&self) -> bool {
        self.bad_count > u64::from(self.target.dataset.ingest.max_rejects)
    }

    /// Whether nothing of the batch will count.
    fn is_refused(&self) -> bool {
        self.target.dataset.ingest.bad_rows == BadRows::Refuse && self.bad_count > 0
    }

    async fn send(&mut self) -> Result<(), IngestError> {
        if self.is_refused() || self.buffer.is_empty() {
            // the rest of a batch that is refused is only looked at
            self.buffer.clear();
            return Ok(());
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let piece = std::mem::take(&mut self.buffer);
        match writer.send(piece).await {
            Ok(empty) => self.buffer = empty,
            Err(error) => return Err(self.placed(error).await),
        }
        Ok(())
    }

    /// There are no more rows: make those that there are count, with how far the source of a port has been read.
    pub(crate) async fn finish(mut self, source: Option<(String, Value)>) -> Result<Taken, IngestError> {
        if self.is_refused() || self.has_too_many() {
            return Err(self.refuse(false).await);
        }
        self.send().await?;
        let Some(writer) = self.writer.take() else {
            return Err(IngestError::Store(StoreError::Interrupted("finish a batch")));
        };
        let closing = Closing {
            rows: self.good,
            rejected: self.bad_count,
            rejects: &self.bad,
            source: source.as_ref().map(|(port, state)| (port.as_str(), state)),
        };
        match writer.finish(&closing).await {
            Ok(batch) => Ok(Taken { batch, drift: self.drift, rejects: self.bad, bytes: 0 }),
            Err(error) => Err(self.placed(error).await),
        }
    }

    /// What has been read is no more of its format: nothing of the batch counts, and the record says why.
    pub async fn abandon(&mut self, row: u64, reason: &str) -> IngestError {
        self.bad.push(Reject { part: self.part.clone(), ..Reject::new(row, None, None, reason) });
        match self.refused().await {
            Ok(()) => IngestError::Malformed { row, reason: reason.to_owned() },
            Err(error) => error.into(),
        }
    }

    /// The rows that a decoder read have been put: the batch goes on, or `failure` tells why nothing of it counts.
    pub async fn decoded(&mut self, failure: Option<String>) -> Result<(), IngestError> {
        match failure {
            None => Ok(()),
            Some(reason) => Err(self.abandon(self.row() + 1, &reason).await),
        }
    }

    async fn refuse(&mut self, more: bool) -> IngestError {
        let rejects: Arc<[Reject]> = Arc::from(self.bad.as_slice());
        match self.refused().await {
            Ok(()) => IngestError::BadRows { rows: self.bad_count, more, rejects },
            Err(error) => error.into(),
        }
    }

    async fn refused(&mut self) -> Result<(), StoreError> {
        match self.writer.take() {
            Some(writer) => writer.refuse(&self.bad).await,
            None => Ok(()),
        }
    }

    /// Postgres counts the rows that it was sent; bad ones before them were not.
    async fn placed(&self, error: StoreError) -> IngestError {
        let StoreError::BadRow { row: sent, column, reason } = error else { return error.into() };
        let row = sent.map(|sent| self.bad_rows.iter().fold(sent, |row, bad| row + u64::from(*bad <= row)));
        let field = self.target.dataset.fields.iter().find(|f| Some(&f.column) == column.as_ref());
        let reject = Reject::new(row.unwrap_or(0), field.map(|f| f.name.as_str()), None, reason.as_str());
        let reject = Reject { part: self.part.clone(), ..reject };
        let batch = Uuid::from_bytes(self.batch);
        match self.target.store.record_refusal(batch, &self.target.incoming(), &[reject]).await {
            Ok(()) => StoreError::BadRow { row, column, reason }.into(),
            Err(error) => error.into(),
        }
    }
}

/// What ended a decoder, if not the end of the file; `unreadable` where it met bytes that it was not made for.
pub async fn failure(decoding: tokio::task::JoinHandle<Result<(), String>>, unreadable: &str) -> Option<String> {
    match decoding.await {
        Ok(done) => done.err(),
        Err(_) => Some(unreadable.to_owned()),
    }
}
