//! Streams over real sockets: real subgraphs, a running gateway, and what its clients get.
#![allow(clippy::unwrap_used)] // tests, where a panic is the report

mod clients;
mod edges;
mod http;
mod limits;
mod mesh;
mod reload;
mod upstreams;
mod websocket;
