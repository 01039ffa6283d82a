//! Intakes: turns one body after another into one batch.

use crate::IngestError;
use crate::header::{Drift, Mapping};
use crate::sink::Sink;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use terrane_manifest::Dataset;
use terrane_store::{Batch, BatchMode, Incoming, Reject, Store};

/// Differences from the contract that are told.
const MOST_TOLD: usize = 20;

/// Where rows go, besides what they are.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The database.
    pub store: &'a Store,
    /// Their dataset.
    pub dataset: &'a Dataset,
    /// Where they come from, for the record.
    pub origin: &'a str,
    /// What happens to earlier rows.
    pub mode: BatchMode,
    /// Who sends them.
    pub from: Option<&'a str>,
    /// Idempotency key.
    pub key: Option<&'a str>,
}

impl<'a> Target<'a> {
    pub(crate) fn incoming(&self) -> Incoming<'a> {
        let Self { dataset, origin, mode, from, key, .. } = *self;
        Incoming { dataset, origin, mode, from, key }
    }
}

/// A batch that was taken in, and what was noticed on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The batch.
    pub batch: Batch,
    /// What differs from the contract.
    pub drift: Vec<Drift>,
    /// What is wrong with rows that were set aside.
    pub rejects: Vec<Reject>,
    /// Bytes of the bodies that were read, as they came; 0 where rows came otherwise.
    pub bytes: u64,
}

impl Taken {
    /// What is worth telling of it, in words without values.
    pub fn describe(&self) -> Option<String> {
        let mut parts: Vec<String> = Vec::new();
        if self.batch.rejected > 0 {
            parts.push(format!("{} bad rows were set aside", self.batch.rejected));
        }
        if !self.drift.is_empty() {
            let drift: Vec<String> = self.drift.iter().take(MOST_TOLD).map(Drift::describe).collect();
            parts.push(format!("the source differs from the contract: {}", drift.join(", ")));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// A batch that takes one body after another.
pub struct Intake<'a> {
    target: Target<'a>,
    state: State<'a>,
    part: Option<String>,
    source: Option<(String, Value)>,
    bytes: Arc<AtomicU64>,
}

enum State<'a> {
    /// Nothing was read yet.
    New,
    Open(Box<Sink<'a>>),
    /// The idempotency key names a batch that is there.
    Known(Batch),
}

impl<'a> Intake<'a> {
    /// A batch for `target`, without rows as yet.
    pub fn new(target: Target<'a>) -> Self {
        Self { target, state: State::New, part: None, source: None, bytes: Arc::default() }
    }

    /// Where the rows go.
    pub fn dataset(&self) -> &'a Dataset {
        self.target.dataset
    }

    /// What the bytes of a body are counted by.
    pub(crate) fn bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.bytes)
    }

    /// The body that comes next has a name.
    pub fn begin_part(&mut self, name: &str) {
        self.part = Some(name.to_owned());
    }

    /// How far the source of a port has been read with this batch; kept with its rows.
    pub fn keep(&mut self, port: &str, state: Value) {
        self.source = Some((port.to_owned(), state));
    }

    /// Where the rows of a body with these columns go; none where the batch is there already.
    ///
    /// # Errors
    /// [`IngestError::Store`].
    pub async fn open(&mut self, mapping: Mapping<'a>) -> Result<Option<&mut Sink<'a>>, IngestError> {
        if matches!(self.state, State::New) {
            self.state = match self.target.store.open_batch(&self.target.incoming()).await? {
                Ok(writer) => State::Open(Box::new(Sink::new(self.target, writer))),
                Err(known) => State::Known(known),
            };
        }
        match &mut self.state {
            State::Open(sink) => {
                sink.start(mapping, self.part.clone()).await?;
                Ok(Some(sink))
            }
            _ => Ok(None),
        }
    }

    /// There are no more bodies: make the rows count.
    ///
    /// # Errors
    /// [`IngestError::BadRows`] where the contract refuses batches with bad rows; [`IngestError::Store`]. Nothing of the
    /// batch stays then.
    pub async fn finish(mut self) -> Result<Taken, IngestError> {
        if matches!(self.state, State::New) {
            self.open(Mapping::of_contract(self.target.dataset)).await?;
        }
        match self.state {
            State::Open(sink) => {
                let taken = sink.finish(self.source).await?;
                Ok(Taken { bytes: self.bytes.load(Ordering::Relaxed), ..taken })
            }
            State::Known(batch) => Ok(Taken { batch, drift: Vec::new(), rejects: Vec::new(), bytes: 0 }),
            State::New => unreachable!("it was opened"),
        }
    }
}
