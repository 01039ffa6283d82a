//! The gateway server: turns HTTP requests into planned and executed operations over the composed graph.

pub mod config;
mod policy;
