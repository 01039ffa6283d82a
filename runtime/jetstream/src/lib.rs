//! JetStream: turns the messages of a NATS stream into rows of an input dataset, and a product's changes into messages.
//!
//! [`consume`] reads with a durable consumer and acknowledges what is committed; what comes again is known. [`relay`] publishes
//! in the order of positions and keeps up to where; what it publishes again has the same `Nats-Msg-Id`, and after a restart it
//! goes on after the last message that is there.

mod consume;
mod error;
mod message;
mod relay;
mod settings;

pub use consume::{Consume, consume};
pub use error::JetStreamError;
pub use relay::{Outgoing, Relay, relay};
pub use settings::NatsSettings;
