//! The gateway server: turns HTTP requests into planned and executed operations over the composed graph.
//!
//! [`Gateway::refresh`] reads the subgraphs and composes them; [`router`] serves the result, with the catalog as one
//! more subgraph ([`catalog_source`]).

mod answers;
mod callers;
mod catalog;
pub mod config;
mod demand;
mod documents;
mod files;
mod gateway;
mod graph;
mod headers;
mod http;
mod limits;
mod meters;
mod pages;
mod policy;
mod rates;
mod subgraph;
mod subscriptions;
mod traffic;
mod versions;
mod warm;
mod watch;

pub use catalog::source as catalog_source;
pub use files::{Watched, watch};
pub use gateway::{Gateway, GatewaySettings};
pub use graph::{Graph, RunError};
pub use headers::HeaderRules;
pub use http::{Front, router, with_sessions};
pub use policy::{MeshRules, SharedRules};
pub use subgraph::{EventSource, SubgraphSource};
pub use terrane_execute::subscribe::Protocol;
pub use terrane_execute::transport::{compressed, from_service, secure, stream_from_service};
pub use terrane_execute::{HttpStreams, HttpTransport, StreamTransport, Transport};
pub use versions::follow_versions;
pub use watch::FileWatch;
