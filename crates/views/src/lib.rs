//! Views: turns what a product says of itself into what its page shows, the same in the marketplace and at the product.
//!
//! Pure: no clock, no IO. [`product`] is the entry; `docs/pages.md` says what the templates do with the result.

mod about;
mod columns;
mod datasets;
pub mod dcat;
mod diagrams;
mod measured;
mod model;
mod ports;
mod quality;
mod records;
mod revisions;
mod runs;
mod said;
mod sample;
mod schema_org;
pub mod text;
mod types;

pub use about::{format_label, freshness_word, status};
pub use columns::{columns, draw_columns};
pub use diagrams::{MeshProduct, MeshRead, draw_lineage, draw_mesh, draw_model, mesh};
pub use measured::{found, measured, result};
pub use model::*;
pub use revisions::{revisions, trend};
pub use runs::{durations, runs};
pub use schema_org::markup;

/// What a product says of itself: the shapes of `schema/product.graphql`.
pub mod description {
    pub use crate::columns::Neighbour;
    pub use crate::records::{PastQualityResult, Run, Step};
    pub use crate::said::*;

    /// Asks for a [`ProductInfo`]: `fragment Description on ProductInfo`.
    pub const DESCRIPTION: &str = include_str!("description.graphql");
    /// Asks for a [`Run`]: `fragment Record on Run`.
    pub const RECORD: &str = include_str!("record.graphql");
}

use chrono::{DateTime, Utc};

/// What a page depends on beside the product.
pub struct Visit<'a> {
    /// When the page is made.
    pub now: DateTime<Utc>,
    /// The visitor's roles; `anonymous` for nobody.
    pub roles: Vec<String>,
    /// What a link on the page to one of the product's ports starts with; no slash at the end.
    pub base: String,
    /// The product's whole address, for command lines; no slash at the end.
    pub address: String,
    /// Whether the explorer can run operations on the product.
    pub explorer: bool,
    /// Where the exports of the diagrams are, with a slash at the end.
    pub exports: String,
    /// Where access to the product is asked for; none where this server has no such page.
    pub access: Option<String>,
    /// Where the page of another product is; none where this server has none.
    pub page_of: &'a dyn Fn(&str) -> Option<String>,
    /// Whether the visitor may select a field, by type and field, beside what the product itself says.
    pub may_select: &'a dyn Fn(&str, &str) -> bool,
}

/// The runs that the visitor may see, or why there are none.
#[derive(Debug, Clone)]
pub enum Runs {
    /// Newest first.
    Seen(Vec<description::Run>),
    /// The visitor may not see them.
    Closed,
    /// The product did not say.
    Unknown,
}

/// What the page of a product shows to a visitor.
pub fn product(info: &description::ProductInfo, said_runs: &Runs, visit: &Visit<'_>) -> Product {
    let types = types::FieldTypes::read(&info.sdl);
    let (runs, no_runs_text) = runs::runs(said_runs);
    let (quality_summary, checks) = quality::quality(info);
    let agreement = |kind: &str| kind.ends_with("Agreement");
    Product {
        name: info.name.clone(),
        purpose: info.description.purpose.clone().unwrap_or_default(),
        domain: info.domain.clone().unwrap_or_default(),
        version: info.version.clone(),
        kind: about::kind(info.kind.as_deref()),
        status: about::status(&info.status),
        problem: None,
        owner: about::owner(info),
        team: info.team.as_ref().and_then(|t| t.name.clone()),
        usage: info.description.usage.clone(),
        limitations: info.description.limitations.clone(),
        tags: info.tags.clone(),
        used: info.recent_use.map(about::used),
        freshness: about::freshness(info, visit.now),
        updated: info.updated_at.as_deref().and_then(text::moment),
        // nothing says what a scheduler intends; the cron expression stands with the input port
        next_run: None,
        contacts: about::contacts(info),
        agreements: about::links(info.links.iter().filter(|l| agreement(&l.kind))),
        links: about::links(info.links.iter().filter(|l| !agreement(&l.kind))),
        promises: about::promises(info, visit.now),
        quality_summary,
        checks,
        access_text: about::access(&visit.roles),
        datasets: datasets::datasets(info, &types, visit),
        ports: ports::ports(info, &types, visit),
        diagrams: if info.current_version.is_some() { diagrams::diagrams(info, &types, visit) } else { Vec::new() },
        durations: runs::durations(said_runs),
        runs,
        no_runs_text,
        examples: ports::examples(info, visit),
        access_href: visit.access.clone(),
    }
}
