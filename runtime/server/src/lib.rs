//! The product server: turns one product folder and its database into the five standard ports.
//!
//! [`ProductService::open`] reads the folder, brings the database up to date and compiles the data port's schema;
//! [`router`] serves it. The same code serves a product alone and inside `terrane dev`.

mod as_of;
mod audit;
mod caching;
mod driver;
mod error;
mod explain;
mod export;
mod folder;
mod grants;
mod http;
mod levels;
mod lineage_sender;
mod loader;
mod meters;
mod operation;
mod policies;
mod ports;
mod reading;
mod recheck;
mod rows;
mod runs;
mod schedule;
mod service;
mod streams;
mod transport;

pub use error::RuntimeError;
pub use explain::{ExplainRequest, Explained, explain};
pub use folder::read_folder;
pub use http::router;
pub use levels::{Alerts, watch_levels};
pub use lineage_sender::{Collector, send_events};
pub use ports::{lineage, sdl as ports_sdl};
pub use recheck::check_due_rules;
pub use schedule::{Schedules, follow_schedules};
pub use service::{ProductService, ServiceOptions};
pub use terrane_ingest::{Transport, Upstream, Upstreams, http_transport};
pub use terrane_jetstream::NatsSettings;
pub use terrane_pipeline::{RunRequest, TestOutcome, run_model_tests};
pub use terrane_store::{AuditOptions, Run, RunTrigger, StoreOptions, ensure_database};
pub use transport::local_transport;

/// The federation SDL of a product's data port, without a database.
///
/// # Errors
/// Every diagnostic of the contracts' schema.
pub fn data_sdl(product: &terrane_manifest::Product) -> Result<String, Vec<terrane_diagnostics::Diagnostic>> {
    terrane_query::DataSchema::build(product, &ports_sdl()).map(|schema| schema.sdl().to_owned())
}
