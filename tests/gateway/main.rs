//! The gateway's front over real HTTP: a running `terrane gateway` over a subgraph of async-graphql.

#![allow(clippy::unwrap_used, reason = "a test")]

mod caching;
mod documents;
mod faults;
mod serving;
mod settings;
mod subgraphs;
mod support;
mod transfer;
