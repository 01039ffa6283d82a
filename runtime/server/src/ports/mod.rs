//! Standard ports: turns a product's description and records into the GraphQL schema that every product has.
//!
//! Discovery, control input and control output. The schema is the same for every product (`schema/product.graphql`);
//! what differs is data.

mod about;
mod access;
mod audit;
mod describe;
pub(crate) mod guard;
mod ingest;
mod levels;
mod lineage;
mod model_check;
mod models;
mod mutation;
mod policies;
mod product;
mod quality;
mod quality_rules;
mod query;
mod reads;
pub(crate) mod records;
mod rejects;
mod rights;
mod said;
mod schedules;
mod sources;
mod subscription;

pub(crate) use access::notice_view;
pub use audit::AUDIT;
pub use ingest::{Upload, Uploaded, Uploads};
pub use lineage::lineage;

use crate::service::ProductService;
use async_graphql::{MergedObject, SDLExportOptions, Schema};
use std::sync::Arc;
use terrane_policy::Caller;
use terrane_query::Access;

/// The schema of the standard ports.
pub type PortsSchema = Schema<Queries, Mutations, subscription::Subscription>;

/// The standard ports' queries.
#[derive(MergedObject, Debug, Clone, Copy, Default)]
#[graphql(name = "Query")]
pub struct Queries(
    query::Query,
    rights::RightsQuery,
    about::AboutQuery,
    sources::SourcesQuery,
    reads::ReadsQuery,
    model_check::ModelCheckQuery,
    quality_rules::QualityRulesQuery,
    policies::PolicyQuery,
);

/// The standard ports' mutations.
#[derive(MergedObject, Debug, Clone, Copy, Default)]
#[graphql(name = "Mutation")]
pub struct Mutations(mutation::Mutation, about::AboutMutation, sources::SourcesMutation, policies::PolicyMutation);

/// What a resolver knows of the request.
#[derive(Clone)]
pub struct PortsContext {
    /// The product.
    pub service: ProductService,
    /// Who asks.
    pub caller: Caller,
    /// What the caller's roles may do.
    pub access: Arc<Access>,
    /// Files that came with it.
    pub uploads: Uploads,
}

/// Build it. Its limits are those of the data port: the document was checked there already.
pub fn schema() -> PortsSchema {
    Schema::build(Queries::default(), Mutations::default(), subscription::Subscription)
        .limit_depth(24)
        .limit_complexity(2_000)
        .disable_introspection()
        .finish()
}

/// The SDL of the standard ports, as committed in `schema/product.graphql`.
pub fn sdl() -> String {
    let options = SDLExportOptions::new().prefer_single_line_descriptions().include_specified_by();
    schema().sdl_with_options(options)
}
