//! Subscribing: turns the event source of a subscription's plan into events that many consumers share, and each event into
//! a response (GraphQL, section 6.2.3).
//!
//! [`Subscription`] says what to ask of whom, and runs the rest of the plan for each event. [`Hub`] keeps one stream for
//! equal questions, opens it again when it breaks, and bounds what waits for each [`Consumer`]. The wire protocols are in
//! `websocket`, `sse` and `multipart`.

mod error;
mod event;
mod hub;
mod multipart;
mod queue;
mod source;
mod sse;
mod websocket;

pub use error::SourceError;
pub use event::{SourceRequest, Subscription};
pub use hub::{Consumer, Hub, HubOptions};
pub use queue::{Event, Overflow};
pub use source::{Gate, Protocol, SourceClient};

use bytes::Bytes;
use source::Signal;
use std::collections::VecDeque;

/// Reads a streamed body, chunk by chunk.
trait WireReader: Send {
    /// Append what a chunk says.
    fn read(&mut self, chunk: &Bytes, signals: &mut VecDeque<Signal>) -> Result<(), SourceError>;
}
