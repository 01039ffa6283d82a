//! Streams: turns publishes of a product into what its clients hear of them, over real connections.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod changes;
mod events;
mod held;
mod order;
mod progress;
mod shop;
mod subscriptions;
