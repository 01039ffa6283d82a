//! Execution: turns a fetch plan and transports into response bytes.
//!
//! [`Program::compile`] turns a plan into flat tables once; [`Executor::execute`] runs it: requests start as soon as what
//! they need is there, answers are read by the expected shape into a flat store, and the response is written once.

pub mod cache;
mod contexts;
mod copy;
mod deliver;
mod error;
mod introspect;
mod lookup;
mod meters;
mod program;
mod read;
mod respond;
mod run;
mod store;
mod subgraph;
pub mod subscribe;
mod targets;
pub mod transport;
mod variables;

pub use error::ExecuteError;
pub use program::Program;
pub use run::{Executor, Response};
pub use subgraph::SubgraphClient;
pub use transport::{HttpStreams, HttpTransport, StreamTransport, Transport, TransportError};
