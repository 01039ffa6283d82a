//! Ingest: turns sources and request bodies into rows of the input layer.
//!
//! [`pull`] gets an input port's data from where its connector says; [`receive`] takes a body that somebody sent. Both
//! end in one batch, which is taken in whole or not at all.

mod bounded;
mod delimited;
mod error;
mod lines;
mod literal;
mod pull;
mod receive;
mod transport;
mod upstream;

pub use error::IngestError;
pub use pull::pull;
pub use receive::{Encoding, Format, Receive, receive};
pub use transport::{Transport, http_transport};
pub use upstream::{Upstream, Upstreams};
