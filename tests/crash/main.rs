//! Crashes: turns processes that are killed at any moment into what is lost by it: nothing.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod events;
mod gateway;
mod product;
