//! Operating the mesh: what running gateways and products tell of themselves in metrics, traces, logs and probes.

#![allow(clippy::unwrap_used, reason = "a test")]

mod collector;
mod health;
mod logs;
mod metrics;
mod support;
mod traces;
