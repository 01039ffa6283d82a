//! Events: turns what senders post and streams bring into rows of an input dataset, each stored once.
//!
//! `envelope` reads CloudEvents and plain objects, `row` makes of one what the contract has, `writer` stores what waits
//! together in one transaction.

mod envelope;
mod row;
mod writer;

pub use envelope::{Envelope, EventFormat, read};
pub use row::to_row;
pub use writer::{Writer, WriterError, Written};

/// What is wrong with an event. The sender may see it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {index}: {reason}")]
pub struct BadEvent {
    /// Which of those that came together, from 0.
    pub index: usize,
    /// What is wrong.
    pub reason: String,
}

impl BadEvent {
    /// Event `index` is wrong.
    pub fn new(index: usize, reason: impl Into<String>) -> Self {
        Self { index, reason: reason.into() }
    }
}
