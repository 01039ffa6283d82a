//! What protects the gateway and its subgraphs, over HTTP and through the real binary.

#![allow(clippy::unwrap_used, reason = "a test")]

mod auth;
mod demand;
mod errors;
mod limits;
mod policy;
mod support;
mod traffic;
