//! Ingest: turns sources and request bodies into rows of the input layer.
//!
//! [`Puller::pull`] gets an input port's data from where its connector says; [`receive`] takes a body that somebody sent. Both
//! find out the format, read its rows, and give their values to a [`Sink`], which encodes them for Postgres, sets aside
//! those that do not fit, and ends in one batch, which is taken in whole or not at all.

mod bounded;
mod cell;
mod columnar;
mod counted;
mod delimited;
mod detect;
mod encode;
mod error;
mod given;
mod header;
mod intake;
mod lines;
mod receive;
mod sheet;
mod sink;
mod sources;
mod spool;
mod transcode;
mod transport;
mod upstream;

pub use detect::{Encoding, Format};
pub use error::IngestError;
pub use given::Given;
pub use header::{Drift, Mapping};
pub use intake::{Intake, Taken, Target};
pub use receive::{Declared, Receive, read as read_body, receive};
pub use sink::Sink;
pub use sources::{Environment, Pulled, Puller, expand, open_objects};
pub use transport::{Transport, http_transport};
pub use upstream::{Upstream, Upstreams};
