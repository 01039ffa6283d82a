//! Descriptions: what a product says of itself through its standard ports, as the JSON of `schema/product.graphql`.

use serde::Deserialize;

/// A data product.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductInfo {
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
    #[serde(default)]
    pub example_operations: Vec<ExampleOperation>,
    /// What is made from what.
    pub lineage: LineageInfo,
    /// What the newest run's checks found.
    pub quality_results: Vec<QualityResult>,
    /// The version that readers see.
    pub current_version: Option<Version>,
    /// When what readers see was published.
    pub updated_at: Option<String>,
    /// How much it was used lately, and by how many.
    pub recent_use: Option<RecentUse>,
    /// Federation SDL of the data port.
    pub sdl: String,
}

/// How much a product was used lately.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct RecentUse {
    /// The days that are counted.
    pub days: i32,
    /// Consumers that were answered.
    pub consumers: i32,
    /// How often one of its datasets was read.
    pub requests: i32,
}

/// Purpose, usage, limitations.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescriptionInfo {
    /// Why it exists.
    pub purpose: Option<String>,
    /// How to use it.
    pub usage: Option<String>,
    /// What it cannot do.
    pub limitations: Option<String>,
}

/// A person.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberInfo {
    /// Account or mail address.
    pub username: String,
    /// Name for people.
    pub name: Option<String>,
    /// `owner`, `data steward`, ….
    pub role: Option<String>,
}

/// A team.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TeamInfo {
    /// Name.
    pub name: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// People.
    pub members: Vec<MemberInfo>,
}

/// A way to get help.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
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
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkInfo {
    /// `dataSharingAgreement`, `dataConsumptionAgreement`, `lineageDiagram`, `dataModelDiagram`, `dataDictionary`, ….
    pub kind: String,
    /// Address.
    pub url: String,
    /// What it is.
    pub description: Option<String>,
}

/// Where one input dataset comes from.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
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
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
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
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessMethod {
    /// `graphql`, `csv`, `json`, `ndjson` or `parquet`.
    pub format: String,
    /// HTTP method.
    pub method: String,
    /// Path below the product's base address.
    pub path: String,
}

/// A port for managing the product.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
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
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
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
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
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
    pub key_position: Option<i64>,
    /// `public`, `internal`, `confidential` or `restricted`.
    pub classification: String,
    /// Whether you may read it.
    pub readable: bool,
    /// What you see instead of its values; none where you see the values, or nothing.
    #[serde(default)]
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
    #[serde(default)]
    pub removed_after: Option<String>,
}

/// A foreign key.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
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
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
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
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
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
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LineageInfo {
    /// Tables, sources and ports.
    pub nodes: Vec<LineageNode>,
    /// What each is made from.
    pub edges: Vec<LineageEdge>,
    /// Columns of models, and what the SQL makes them from.
    #[serde(default)]
    pub columns: Vec<LineageColumn>,
}

/// A column of a model.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LineageColumn {
    /// Node of its table.
    pub node: String,
    /// Its name.
    pub column: String,
    /// Input columns that its value goes back to, as `LAYER.TABLE.COLUMN`.
    pub origins: Vec<String>,
}

/// An operation that the product's folder has as an example.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExampleOperation {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its text.
    pub operation: String,
}

/// What changed when other contracts came into force.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContractRevision {
    /// Version of the product.
    pub version: String,
    /// From when on.
    pub applied_at: String,
    /// Whether it broke what consumers or senders relied on.
    pub breaking: bool,
    /// What changed; empty for the first contracts.
    pub changes: Vec<RevisedContract>,
}

/// One change of a contract.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisedContract {
    /// `input` or `output`.
    pub layer: String,
    /// `breaking`, `addition` or `note`.
    pub severity: String,
    /// What changed.
    pub message: String,
}

/// What the checks of one run found, in numbers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QualityPoint {
    /// When.
    pub at: String,
    /// The version that the run published.
    pub version: Option<i64>,
    /// Checks that passed.
    pub passed: i64,
    /// Checks that failed and only warn or inform.
    pub warned: i64,
    /// Checks that failed and keep a version from being published.
    pub failed: i64,
}

/// A table, source or port in a lineage graph.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LineageNode {
    /// `LAYER.TABLE`, `source:…` or `port:…`.
    pub id: String,
    /// Name for people.
    pub label: String,
    /// `source`, `input`, `abstraction`, `output` or `port`.
    pub kind: String,
    /// The other product it belongs to, for sources that are one.
    pub product: Option<String>,
}

/// That one is made from another.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LineageEdge {
    /// What is read.
    pub from: String,
    /// What is made from it.
    pub to: String,
}

/// What a check found.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QualityResult {
    /// Rule id.
    pub rule: String,
    /// Dataset.
    pub dataset: String,
    /// Field, for rules on one.
    pub field: Option<String>,
    /// `error` blocks a publish, `warning` flags it, `info` is only shown.
    pub severity: String,
    /// ODCS dimension.
    pub dimension: Option<String>,
    /// Whether it passed.
    pub passed: bool,
    /// What was expected.
    pub expected: String,
    /// What was measured.
    pub measured: Option<String>,
}

/// A published version.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// Number, from 1.
    pub version: i64,
    /// The run that made it.
    pub run_id: String,
    /// When readers first saw it.
    pub published_at: String,
    /// `current`, `kept` or `dropped`.
    pub state: String,
    /// Sizes of its datasets.
    pub datasets: Vec<DatasetSize>,
}

/// A dataset's size in a version.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatasetSize {
    /// Dataset.
    pub dataset: String,
    /// Rows.
    pub rows: i64,
}
