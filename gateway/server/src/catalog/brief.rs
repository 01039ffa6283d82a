//! Brief descriptions: turns what an operation selects of a product into how much the product is asked for.
//!
//! A whole description has the data dictionary, lineage, checks and the SDL, many times what a list of names needs.

use super::client::{ClientError, READ_LIMIT, ask, schema};
use super::description::{
    DescriptionInfo, InputPortInfo, LineageInfo, LinkInfo, MemberInfo, ProductInfo, RecentUse, SupportInfo, TeamInfo,
};
use crate::subgraph::SubgraphSource;
use async_graphql::Context;
use cynic::{QueryBuilder as _, QueryFragment};
use http::HeaderValue;

/// What a brief description has of `ProductInfo`.
const BRIEF: [&str; 15] = [
    "__typename",
    "id",
    "name",
    "version",
    "status",
    "kind",
    "domain",
    "tenant",
    "tags",
    "description",
    "owner",
    "team",
    "support",
    "links",
    "inputPorts",
];

/// How much a product is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Detail {
    /// What every list has.
    Brief,
    /// All that it says of itself.
    Whole,
}

impl Detail {
    /// As much as the field that is being resolved, a product or a list of products, selects.
    pub fn of(ctx: &Context<'_>) -> Self {
        let product = ctx.look_ahead();
        let selected = product.field("info");
        let within = selected.selection_fields();
        let is_brief = |name: &str| BRIEF.contains(&name);
        let brief = within.iter().flat_map(|info| info.selection_set()).all(|field| is_brief(field.name()));
        if brief && !product.field("freshness").exists() { Self::Brief } else { Self::Whole }
    }
}

/// The beginning of a product's description.
#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "ProductInfo", schema = "product")]
struct BriefInfo {
    id: String,
    name: String,
    version: String,
    status: String,
    kind: Option<String>,
    domain: Option<String>,
    tenant: Option<String>,
    tags: Vec<String>,
    description: DescriptionInfo,
    owner: Option<MemberInfo>,
    team: Option<TeamInfo>,
    support: Vec<SupportInfo>,
    links: Vec<LinkInfo>,
    input_ports: Vec<InputPortInfo>,
}

#[derive(Debug, QueryFragment)]
#[cynic(graphql_type = "Query", schema = "product")]
struct DescribeBriefly {
    product: BriefInfo,
}

/// The beginning of what a product says of itself; the rest is empty, as nobody selects it.
///
/// # Errors
/// [`ClientError`].
pub async fn describe_briefly(
    source: &SubgraphSource,
    caller: Option<&HeaderValue>,
) -> Result<ProductInfo, ClientError> {
    let data: DescribeBriefly = ask(source, caller, &DescribeBriefly::build(()), READ_LIMIT).await?;
    let BriefInfo {
        id,
        name,
        version,
        status,
        kind,
        domain,
        tenant,
        tags,
        description,
        owner,
        team,
        support,
        links,
        input_ports,
    } = data.product;
    Ok(ProductInfo {
        id,
        name,
        version,
        status,
        kind,
        domain,
        tenant,
        tags,
        description,
        owner,
        team,
        support,
        links,
        input_ports,
        output_ports: Vec::new(),
        management_ports: Vec::new(),
        datasets: Vec::new(),
        example_operations: Vec::new(),
        lineage: LineageInfo { nodes: Vec::new(), edges: Vec::new(), columns: Vec::new() },
        quality_results: Vec::new(),
        current_version: None,
        updated_at: None,
        recent_use: RecentUse { days: 0, consumers: 0, requests: 0 },
        sdl: String::new(),
    })
}
