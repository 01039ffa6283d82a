//! The gateway server: turns HTTP requests into planned and executed operations over the composed graph.
//!
//! [`Gateway::refresh`] reads the subgraphs and composes them; [`router`] serves the result, with the catalog as one
//! more subgraph ([`catalog_source`]).

mod catalog;
pub mod config;
mod documents;
mod gateway;
mod graph;
mod headers;
mod http;
mod limits;
mod meters;
mod pages;
mod policy;
mod subgraph;
mod watch;

pub use catalog::source as catalog_source;
pub use gateway::{Gateway, GatewaySettings};
pub use graph::{Graph, RunError};
pub use headers::HeaderRules;
pub use http::{Front, router};
pub use subgraph::SubgraphSource;
pub use terrane_execute::transport::{compressed, from_service, secure};
pub use terrane_execute::{HttpTransport, Transport};
pub use watch::FileWatch;
