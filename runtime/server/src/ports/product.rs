//! Descriptions: the GraphQL objects that say what a product is: the answer of `product { … }`.

use super::PortsContext;
use super::guard::internal;
use super::lineage::{LineageColumn, LineageEdge, LineageNode};
use super::records::{QualityResult, Version};
use super::said::ExampleOperation;
use async_graphql::{ComplexObject, Context, Result, SimpleObject};
use chrono::{DateTime, TimeDelta, Utc};

/// Days whose use is told with a product.
const RECENT_DAYS: i32 = 30;

/// A data product.
#[derive(SimpleObject, Debug, Clone)]
#[graphql(name = "ProductInfo", complex)]
pub struct ProductDescription {
    /// Stable id: subgraph name and URL segment.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Semantic version of the product.
    pub version: String,
    /// `proposed`, `draft`, `active`, `deprecated` or `retired`.
    pub status: String,
    /// `sourceAligned`, `aggregate` or `consumerAligned`.
    pub kind: Option<String>,
    /// Business area, as a path.
    pub domain: Option<String>,
    /// Organisation.
    pub tenant: Option<String>,
    /// Search words.
    pub tags: Vec<String>,
    /// Purpose, usage, limitations.
    pub description: DescriptionInfo,
    /// Who answers for it.
    pub owner: Option<MemberInfo>,
    /// The team behind it.
    pub team: Option<TeamInfo>,
    /// How to get help.
    pub support: Vec<SupportInfo>,
    /// Agreements, diagrams, data dictionary and other links.
    pub links: Vec<LinkInfo>,
    /// Where its data comes from.
    pub input_ports: Vec<InputPortInfo>,
    /// What it serves.
    pub output_ports: Vec<OutputPortInfo>,
    /// Discovery, control and observability.
    pub management_ports: Vec<ManagementPortInfo>,
    /// Output datasets with their data dictionaries.
    pub datasets: Vec<DatasetInfo>,
    /// Operations to begin with.
    pub example_operations: Vec<ExampleOperation>,
    /// What is made from what.
    pub lineage: LineageInfo,
    /// What the newest run's checks found.
    pub quality_results: Vec<QualityResult>,
    /// The version that readers see.
    pub current_version: Option<Version>,
    /// When what readers see was published.
    pub updated_at: Option<DateTime<Utc>>,
    /// A word that changes whenever another policy holds, or what somebody was granted changes or ends: who keeps answers asks
    /// anew then. What comes after its last dot stands for the policy.
    pub access_state: String,
    /// Federation SDL of the data port.
    pub sdl: String,
}

#[ComplexObject]
impl ProductDescription {
    /// How much it was used lately, and by how many; by whom is what `usage` says.
    async fn recent_use(&self, ctx: &Context<'_>) -> Result<RecentUse> {
        let from = (Utc::now() - TimeDelta::days(i64::from(RECENT_DAYS) - 1)).date_naive();
        let used = ctx.data::<PortsContext>()?.service.store().recent_use(from).await.map_err(internal)?;
        let int = |count: i64| i32::try_from(count).unwrap_or(i32::MAX);
        Ok(RecentUse { days: RECENT_DAYS, consumers: int(used.consumers), requests: int(used.requests) })
    }
}

/// How much a product was used lately.
#[derive(SimpleObject, Debug, Clone, Copy)]
pub struct RecentUse {
    /// The days that are counted, the present one included.
    pub days: i32,
    /// Consumers that were answered; all who did not sign in are one.
    pub consumers: i32,
    /// How often one of its datasets was read.
    pub requests: i32,
}

/// Purpose, usage, limitations.
#[derive(SimpleObject, Debug, Clone)]
pub struct DescriptionInfo {
    /// Why it exists.
    pub purpose: Option<String>,
    /// How to use it.
    pub usage: Option<String>,
    /// What it cannot do.
    pub limitations: Option<String>,
}

/// A person.
#[derive(SimpleObject, Debug, Clone)]
pub struct MemberInfo {
    /// Account or mail address.
    pub username: String,
    /// Name for people.
    pub name: Option<String>,
    /// `owner`, `data steward`, ….
    pub role: Option<String>,
}

/// A team.
#[derive(SimpleObject, Debug, Clone)]
pub struct TeamInfo {
    /// Name.
    pub name: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// People.
    pub members: Vec<MemberInfo>,
}

/// A way to get help.
#[derive(SimpleObject, Debug, Clone)]
pub struct SupportInfo {
    /// Channel.
    pub channel: String,
    /// Address.
    pub url: Option<String>,
    /// `email`, `slack`, `ticket`, ….
    pub tool: Option<String>,
    /// `interactive`, `announcements`, `issues`, ….
    pub scope: Option<String>,
    /// What it is for.
    pub description: Option<String>,
}

/// A link to a document.
#[derive(SimpleObject, Debug, Clone)]
pub struct LinkInfo {
    /// `dataSharingAgreement`, `dataConsumptionAgreement`, `lineageDiagram`, `dataModelDiagram`, `dataDictionary`, ….
    pub kind: String,
    /// Address.
    pub url: String,
    /// What it is.
    pub description: Option<String>,
}

/// Where one input dataset comes from.
#[derive(SimpleObject, Debug, Clone)]
pub struct InputPortInfo {
    /// Name.
    pub name: String,
    /// Version of the expectation.
    pub version: String,
    /// Input dataset.
    pub dataset: String,
    /// Id of the contract.
    pub contract: String,
    /// `file`, `product` or `push`.
    pub connector: String,
    /// File path, or `PRODUCT.DATASET`.
    pub source: Option<String>,
    /// Cron expression of the pull.
    pub schedule: Option<String>,
}

/// One way a contract is served.
#[derive(SimpleObject, Debug, Clone)]
pub struct OutputPortInfo {
    /// Name.
    pub name: String,
    /// Version of the promise.
    pub version: String,
    /// `graphql`, `file`, ….
    pub kind: Option<String>,
    /// `table`, `file`, `queue`, `report` or `model`.
    pub dataset_type: Option<String>,
    /// What it serves.
    pub description: Option<String>,
    /// Id of the contract.
    pub contract: String,
    /// Its datasets.
    pub datasets: Vec<String>,
    /// How to reach it, relative to the product's base address.
    pub access: Vec<AccessMethod>,
}

/// A way to reach a dataset.
#[derive(SimpleObject, Debug, Clone)]
pub struct AccessMethod {
    /// `graphql`, `csv`, `json`, `ndjson` or `parquet`.
    pub format: String,
    /// HTTP method.
    pub method: String,
    /// Path below the product's base address.
    pub path: String,
}

/// A port for managing the product.
#[derive(SimpleObject, Debug, Clone)]
pub struct ManagementPortInfo {
    /// Name.
    pub name: String,
    /// `discoverability`, `control` or `observability`.
    pub content: String,
    /// `rest`, `topic`, ….
    pub kind: Option<String>,
    /// Address.
    pub url: Option<String>,
    /// What it serves.
    pub description: Option<String>,
}

/// An output dataset.
#[derive(SimpleObject, Debug, Clone)]
pub struct DatasetInfo {
    /// Name in the contract.
    pub name: String,
    /// Name for people.
    pub title: Option<String>,
    /// What it holds.
    pub description: Option<String>,
    /// What one row is.
    pub granularity: Option<String>,
    /// GraphQL type of a row.
    pub graphql_type: Option<String>,
    /// Root field of one row.
    pub graphql_field: Option<String>,
    /// Root field of many rows.
    pub graphql_list: Option<String>,
    /// Id of its contract.
    pub contract: String,
    /// Version of its contract.
    pub contract_version: String,
    /// `table`, `file`, ….
    pub dataset_type: Option<String>,
    /// Rows in the current version.
    pub rows: Option<i64>,
    /// The data dictionary.
    pub fields: Vec<FieldInfo>,
    /// Foreign keys, in this product and to others.
    pub relationships: Vec<RelationshipInfo>,
    /// Quality rules.
    pub quality_rules: Vec<QualityRuleInfo>,
    /// Service levels of its contract.
    pub service_levels: Vec<ServiceLevelInfo>,
    /// Other names.
    pub synonyms: Vec<String>,
    /// Search words.
    pub tags: Vec<String>,
}

/// A field of the data dictionary.
#[derive(SimpleObject, Debug, Clone)]
pub struct FieldInfo {
    /// Name in the contract and in files.
    pub name: String,
    /// Name in GraphQL.
    pub graphql_name: String,
    /// Name for people.
    pub title: Option<String>,
    /// What it holds.
    pub description: Option<String>,
    /// Logical type (ODCS).
    pub datatype: String,
    /// Postgres type.
    pub physical_type: String,
    /// Whether every row has a value.
    pub required: bool,
    /// Whether values differ between rows.
    pub unique: bool,
    /// Place in the primary key, from 1.
    pub key_position: Option<i32>,
    /// `public`, `internal`, `confidential` or `restricted`.
    pub classification: String,
    /// Whether you may read it.
    pub readable: bool,
    /// What you see instead of its values: `null`, `hash`, `partial`, …; null where you see the values, or nothing.
    pub mask: Option<String>,
    /// Allowed values.
    pub values: Vec<String>,
    /// Sample values; none where you may not read the field.
    pub examples: Vec<String>,
    /// Unit of measure.
    pub unit: Option<String>,
    /// Where its values come from, as `LAYER.TABLE.COLUMN`.
    pub sources: Vec<String>,
    /// Why it should no longer be used.
    pub deprecated: Option<String>,
    /// The last day on which a deprecated field is promised.
    pub removed_after: Option<String>,
}

/// A foreign key.
#[derive(SimpleObject, Debug, Clone)]
pub struct RelationshipInfo {
    /// Fields here.
    pub fields: Vec<String>,
    /// The other product; none is this one.
    pub target_product: Option<String>,
    /// Dataset there.
    pub target_dataset: String,
    /// Fields there.
    pub target_fields: Vec<String>,
    /// `many-to-one` or `one-to-one`.
    pub cardinality: String,
    /// GraphQL field that follows it.
    pub graphql_field: Option<String>,
    /// GraphQL field on the target that follows it back.
    pub reverse_field: Option<String>,
}

/// A quality rule.
#[derive(SimpleObject, Debug, Clone)]
pub struct QualityRuleInfo {
    /// Id.
    pub id: String,
    /// The field it is on.
    pub field: Option<String>,
    /// `text`, `library` or `sql`.
    pub kind: String,
    /// What it demands.
    pub description: Option<String>,
    /// `error`, `warning` or `info`.
    pub severity: String,
    /// ODCS dimension.
    pub dimension: Option<String>,
}

/// A service level.
#[derive(SimpleObject, Debug, Clone)]
pub struct ServiceLevelInfo {
    /// `availability`, `latency`, `frequency`, ….
    pub property: String,
    /// Its value.
    pub value: String,
    /// Unit of the value.
    pub unit: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// What was measured, in the same unit.
    pub measured: Option<String>,
    /// Whether it is kept, where that is known.
    pub met: Option<bool>,
    /// The share of the failures that it allows that is left; below 0 where there were more.
    pub budget_left: Option<f64>,
}

/// What is made from what.
#[derive(SimpleObject, Debug, Clone)]
pub struct LineageInfo {
    /// Tables, sources and ports.
    pub nodes: Vec<LineageNode>,
    /// What each is made from.
    pub edges: Vec<LineageEdge>,
    /// Columns of models, and what the SQL makes them from.
    pub columns: Vec<LineageColumn>,
}
