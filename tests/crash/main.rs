//! Crashes: turns processes that are killed at any moment into what is lost by it: nothing.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod audit;
terrane_testkit::with_servers! {
    mod broker;
}
mod disk;
mod everything;
mod feed;
mod gateway;
mod load;
mod moments;
mod product;
